//! What the first lines of a table tell: its delimiter, and whether it has a header.

use csv::{ByteRecord, ReaderBuilder};

/// Names of the label column, in any case. They also identify a header.
const LABEL_NAMES: [&str; 4] = ["label", "y", "target", "class"];

/// Texts that denote a missing value, in any case.
const MISSING: [&str; 6] = ["", "?", "na", "n/a", "nan", "null"];

/// Number of lines that are compared with the first.
const LINES: usize = 1000;

/// A field without its quotes; `None` if it is not UTF-8.
pub(crate) fn clean(field: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(field).ok()?.trim();
    let inner = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    Some(inner.map_or(text, str::trim))
}

/// Whether a text denotes a missing value.
pub(crate) fn is_missing(text: &str) -> bool {
    MISSING.iter().any(|missing| text.eq_ignore_ascii_case(missing)) || text.parse().is_ok_and(f64::is_nan)
}

/// Whether a text is a number with a decimal comma.
pub(crate) fn is_decimal_comma(text: &str) -> bool {
    text.contains(',') && text.replacen(',', ".", 1).parse::<f64>().is_ok()
}

/// Whether a column of this name holds the labels.
pub(crate) fn is_label_name(name: &str) -> bool {
    LABEL_NAMES.iter().any(|known| name.trim().eq_ignore_ascii_case(known))
}

/// The records at the beginning of a table, without the last, which may be cut off.
pub(crate) fn records(head: &[u8], delimiter: u8, is_whole: bool) -> Vec<ByteRecord> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(head);
    // A slice has no errors of reading.
    let mut records: Vec<ByteRecord> = reader.byte_records().map_while(Result::ok).take(LINES).collect();
    if !is_whole && records.len() < LINES && records.len() > 1 {
        records.pop();
    }
    records
}

/// Whether the first of these records is a header.
///
/// It is one if it names the label column above a number, which distinguishes the header `0,1,y` from the sample
/// `0,1,y` of a table with the classes `y` and `n`. Otherwise it has no number, and either a column below is numeric,
/// or none of its fields recurs below. Where fields are equal or denote missing values, which names seldom do, both
/// are required.
pub(crate) fn is_header(records: &[ByteRecord]) -> bool {
    let Some((first, below)) = records.split_first() else { return false };
    let field = |record: &ByteRecord, column: usize| record.get(column).and_then(clean).map(str::to_owned);
    let names: Vec<String> = (0..first.len()).map(|column| field(first, column).unwrap_or_default()).collect();
    let is_number_below =
        |column| below.first().and_then(|record| field(record, column)).is_some_and(|text| is_number(&text));
    if (0..names.len()).any(|column| is_label_name(&names[column]) && is_number_below(column)) {
        return true;
    }
    if names.iter().any(|name| is_number(name)) {
        return false;
    }
    let column = |column: usize| below.iter().filter_map(move |record| record.get(column)).filter_map(clean);
    let recurs = (0..names.len()).any(|at| !names[at].is_empty() && column(at).any(|text| text == names[at]));
    let is_numeric = |at| {
        let mut present = column(at).filter(|text| !is_missing(text)).peekable();
        present.peek().is_some() && present.all(is_number)
    };
    let has_numbers = (0..names.len()).any(is_numeric);
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    let is_unusual = names.iter().any(|name| is_missing(name)) || sorted.windows(2).any(|pair| pair[0] == pair[1]);
    if is_unusual { has_numbers && !recurs } else { has_numbers || !recurs }
}

/// The delimiter of a table: a tab or a semicolon if the first line has no commas except within numbers.
pub(crate) fn delimiter_of(head: &[u8]) -> u8 {
    let mut lines = head.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let line = lines.next().unwrap_or_default();
    let mut quoted = false;
    let (mut commas, mut tabs, mut semicolons) = (0, 0, 0);
    for (at, byte) in line.iter().enumerate() {
        let is_digit = |at: usize| line.get(at).is_some_and(u8::is_ascii_digit);
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'\t' => tabs += 1,
            b';' => semicolons += 1,
            b',' if !(is_digit(at.wrapping_sub(1)) && is_digit(at + 1)) => commas += 1,
            _ => {}
        }
    }
    match (commas, tabs.max(semicolons)) {
        (0, 1..) if tabs >= semicolons => b'\t',
        (0, 1..) => b';',
        _ => b',',
    }
}

/// Whether a text is a number, finite or not.
fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|value| !value.is_nan())
}
