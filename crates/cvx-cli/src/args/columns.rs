//! What the columns of a table are.

use super::values::header;
use clap::Args;
use cvx_data::Header;
use cvx_model::ColumnChoices;

/// Columns by name, or by number from 1.
#[derive(Args, Clone)]
#[command(next_help_heading = "Data")]
pub struct ColumnArgs {
    /// Columns of a table that are categories, though written as numbers.
    #[arg(long, value_name = "A,B,..", value_delimiter = ',')]
    pub categorical: Vec<String>,
    /// Columns that are numbers: any other text is an error.
    #[arg(long, value_name = "A,B,..", value_delimiter = ',')]
    pub numeric: Vec<String>,
    /// Columns that are dates (2024-03-31); they become days since 1970.
    #[arg(long, value_name = "A,B,..", value_delimiter = ',')]
    pub dates: Vec<String>,
    /// Columns to leave out.
    #[arg(long, value_name = "A,B,..", value_delimiter = ',')]
    pub drop: Vec<String>,
    /// Columns that identify samples; they are left out.
    #[arg(long, value_name = "A,B,..", value_delimiter = ',')]
    pub id: Vec<String>,
}

/// The first line of a table.
#[derive(Args, Clone)]
#[command(next_help_heading = "Data")]
pub struct HeaderArgs {
    /// A first line of names in a table: auto, yes or no.
    #[arg(long, hide_possible_values = true, value_name = "WHETHER", default_value = "auto", value_parser = header())]
    pub header: Header,
}

impl ColumnArgs {
    /// The arguments as the library takes them.
    pub fn choices(&self) -> ColumnChoices {
        let ColumnArgs { categorical, numeric, dates, drop, id } = self.clone();
        ColumnChoices { categorical, numeric, dates, drop, ids: id }
    }
}
