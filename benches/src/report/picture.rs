//! A picture of the report.

/// A picture that was drawn.
pub struct Picture {
    /// Of the PNG.
    pub name: String,
    /// What it shows.
    pub caption: String,
}
