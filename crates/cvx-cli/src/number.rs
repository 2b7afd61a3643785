//! Numbers as text.

/// 0.8725 as 87.25 %.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// A share in per cent; an undefined one (0/0) is a dash.
pub fn share(share: Option<f64>) -> String {
    share.map_or("-".to_string(), percent)
}

/// 1 neuron, 2 neurons.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// 1.23e-4, or 0.
pub fn gap(gap: f64) -> String {
    if gap == 0.0 { "0".to_string() } else { format!("{gap:.2e}") }
}

/// A number of any size in a few digits.
pub fn short(value: f64) -> String {
    if value == 0.0 || (1e-3..1e6).contains(&value) { format!("{value:.4}") } else { format!("{value:.3e}") }
}

/// At most six digits after the point, without zeros at the end.
pub fn rounded(value: f64) -> String {
    ((1e6 * value).round() / 1e6).to_string()
}

/// 12 MB, 1.5 GB.
pub fn bytes(count: u64) -> String {
    let count = count as f64;
    if count < 1e9 { format!("{:.0} MB", (count / 1e6).max(1.0)) } else { format!("{:.1} GB", count / 1e9) }
}
