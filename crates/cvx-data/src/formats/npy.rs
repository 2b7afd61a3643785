//! NumPy arrays: a header written as a Python dictionary, then the items.
//!
//! The header is parsed here because the existing parsers trust the sizes in it, which may be hostile.

use std::ops::Range;
use std::path::Path;

use cvx_model::Values;

use crate::error::{DataError, excerpt};
use crate::files::bytes::Bytes;
use crate::formats::text_labels::TextLabels;
use crate::share::Share;

const MAGIC: [u8; 6] = *b"\x93NUMPY";

/// Limit in bytes on a header. NumPy writes about 100 bytes and reads at most 10,000 by default.
const MAX_HEADER: usize = 1 << 16;

/// Rows of an array, by its first axis.
pub(crate) struct Array {
    /// The shape of the whole array.
    pub(crate) shape: Vec<usize>,
    /// The rows that are kept, in row-major order.
    pub(crate) items: Items,
}

pub(crate) enum Items {
    Numbers(Values),
    /// All different texts, and those of the rows; in the order of the file.
    Texts(TextLabels),
}

/// Reads the rows of one array that are kept; the array must fill the content. Booleans become 0 and 1; numbers stay in
/// the smallest type of [`Values`] that holds them, and large integers are rounded to f64.
pub(crate) fn read(bytes: &mut Bytes, share: &Share) -> Result<Array, DataError> {
    let header = read_header(bytes)?;
    let rows = share.rows(header.shape.first().copied().unwrap_or(1))?;
    let items = match read_items(bytes, &header, &rows)? {
        Items::Numbers(values) if header.fortran_order => {
            let mut kept = header.shape.clone();
            kept.iter_mut().take(1).for_each(|length| *length = rows.len());
            Items::Numbers(values_row_major(values, &kept))
        }
        items => items,
    };
    Ok(Array { shape: header.shape, items })
}

struct Header {
    dtype: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

fn read_header(bytes: &mut Bytes) -> Result<Header, DataError> {
    let magic: [u8; 6] = bytes.array()?;
    if magic != MAGIC {
        return Err(DataError::WrongMagic {
            path: bytes.path().to_owned(),
            format: "a NumPy array",
            expected: "0x934e554d5059",
            found: magic.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}")),
        });
    }
    let [major, _minor] = bytes.array()?;
    let length = match major {
        1 => usize::from(u16::from_le_bytes(bytes.array()?)),
        2 | 3 => usize::try_from(u32::from_le_bytes(bytes.array()?)).unwrap_or(usize::MAX),
        _ => {
            return Err(malformed(bytes.path(), 6, format!("version {major} of the format is unknown")));
        }
    };
    let start = bytes.offset();
    if length > MAX_HEADER {
        let reason = format!("the header has {length} bytes, but at most {MAX_HEADER} are allowed");
        return Err(malformed(bytes.path(), start, reason));
    }
    let mut text = vec![0; length];
    bytes.fill(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let mut parser = Parser { rest: &text };
    parser.header().ok_or_else(|| {
        let offset = start + (text.len() - parser.rest.len()) as u64;
        let reason =
            format!("the header has '{}' at a place where that is not allowed", excerpt(parser.rest.as_bytes()));
        malformed(bytes.path(), offset, reason)
    })
}

fn malformed(path: &Path, offset: u64, reason: String) -> DataError {
    DataError::Malformed { path: path.to_owned(), offset, reason }
}

/// Parses `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }` with the keys in any order.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn header(&mut self) -> Option<Header> {
        let (mut dtype, mut fortran_order, mut shape) = (None, None, None);
        self.token("{")?;
        while self.token("}").is_none() {
            let key = self.string()?;
            self.token(":")?;
            match key {
                "descr" => dtype = Some(self.dtype()?.to_owned()),
                "fortran_order" => fortran_order = Some(self.boolean()?),
                "shape" => shape = Some(self.shape()?),
                _ => return None,
            }
            self.token(",");
        }
        Some(Header { dtype: dtype?, fortran_order: fortran_order?, shape: shape? })
    }

    fn token(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        let quote = if self.rest.trim_start().starts_with('"') { "\"" } else { "'" };
        self.token(quote)?;
        let (text, rest) = self.rest.split_once(quote)?;
        self.rest = rest;
        Some(text)
    }

    /// A plain type is a string. The list of a structured type is kept as text for the error message.
    fn dtype(&mut self) -> Option<&'a str> {
        if !self.rest.trim_start().starts_with('[') {
            return self.string();
        }
        let (text, _) = self.rest.trim_start().split_at(self.rest.trim_start().rfind(']')? + 1);
        self.rest = self.rest.trim_start().strip_prefix(text)?;
        Some(text)
    }

    fn boolean(&mut self) -> Option<bool> {
        match self.token("True") {
            Some(()) => Some(true),
            None => self.token("False").map(|()| false),
        }
    }

    fn shape(&mut self) -> Option<Vec<usize>> {
        let mut shape = Vec::new();
        self.token("(")?;
        while self.token(")").is_none() {
            self.rest = self.rest.trim_start();
            let digits = self.rest.find(|letter: char| !letter.is_ascii_digit())?;
            let (length, rest) = self.rest.split_at(digits);
            shape.push(length.parse().ok()?);
            self.rest = rest;
            // Python 2 wrote long integers as `3L`.
            self.token("L");
            self.token(",");
        }
        Some(shape)
    }
}

fn read_items(bytes: &mut Bytes, header: &Header, rows: &Range<usize>) -> Result<Items, DataError> {
    let unsupported =
        || DataError::UnsupportedType { path: bytes.path().to_owned(), dtype: excerpt(header.dtype.as_bytes()) };
    let mut letters = header.dtype.chars();
    let (order, kind) = (letters.next(), letters.next());
    let size: usize = letters.as_str().parse().map_err(|_| unsupported())?;
    let big = match order {
        Some('<' | '|') => false,
        Some('>') => true,
        _ => return Err(unsupported()),
    };
    let (shape, by_columns) = (&header.shape, header.fortran_order);

    macro_rules! numbers {
        ($number:ty as $stored:ty) => {
            bytes.rows(shape, size, by_columns, rows, |item| {
                let item = item.try_into().unwrap_or_default();
                let number = if big { <$number>::from_be_bytes(item) } else { <$number>::from_le_bytes(item) };
                Ok(number as $stored)
            })?
        };
    }
    let byte = |item: &[u8]| item.first().copied().unwrap_or(0);
    let numbers: Values = match (kind, size) {
        (Some('f'), 8) => numbers!(f64 as f64).into(),
        (Some('f'), 4) => numbers!(f32 as f32).into(),
        (Some('i'), 8) => numbers!(i64 as f64).into(),
        (Some('i'), 4) => numbers!(i32 as f64).into(),
        (Some('i'), 2) => numbers!(i16 as f32).into(),
        (Some('i'), 1) => numbers!(i8 as f32).into(),
        (Some('u'), 8) => numbers!(u64 as f64).into(),
        (Some('u'), 4) => numbers!(u32 as f64).into(),
        (Some('u'), 2) => numbers!(u16 as f32).into(),
        (Some('u'), 1) => {
            let bytes = bytes.rows(shape, size, by_columns, rows, |item| Ok(byte(item)))?;
            Values::Bytes { bytes, unit: 1.0 }
        }
        (Some('b'), 1) => {
            let bytes = bytes.rows(shape, size, by_columns, rows, |item| Ok(u8::from(byte(item) != 0)))?;
            Values::Bytes { bytes, unit: 1.0 }
        }
        (Some('S'), _) => return read_texts(bytes, shape, size, rows, utf8),
        (Some('U'), _) => {
            let size = size.checked_mul(4).ok_or_else(unsupported)?;
            return read_texts(bytes, shape, size, rows, |item| utf32(item, big));
        }
        _ => return Err(unsupported()),
    };
    Ok(Items::Numbers(numbers))
}

/// Texts, one for each row. Those of all rows are read, so that all ranks know the same ones.
fn read_texts(
    bytes: &mut Bytes,
    shape: &[usize],
    size: usize,
    rows: &Range<usize>,
    text: impl Fn(&[u8]) -> Result<String, String>,
) -> Result<Items, DataError> {
    let (mut texts, mut at) = (TextLabels::default(), 0);
    bytes.rows(shape, size, false, &(0..usize::MAX), |item| {
        texts.push(&text(item)?, at as u64, rows.contains(&at));
        at += 1;
        Ok(())
    })?;
    Ok(Items::Texts(texts))
}

/// A text of fixed length, padded with zeros.
fn utf8(item: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(item).map_err(|_| "the text is not UTF-8".to_owned())?;
    Ok(text.trim_end_matches('\0').to_owned())
}

/// A text of four bytes per character, padded with zeros.
fn utf32(item: &[u8], big: bool) -> Result<String, String> {
    let letters = item.chunks_exact(4).map(|letter| {
        let letter = letter.try_into().unwrap_or_default();
        let code = if big { u32::from_be_bytes(letter) } else { u32::from_le_bytes(letter) };
        char::from_u32(code).ok_or_else(|| format!("0x{code:x} is not a Unicode character"))
    });
    let text = letters.collect::<Result<String, String>>()?;
    Ok(text.trim_end_matches('\0').to_owned())
}

/// [`row_major`] in any type.
fn values_row_major(values: Values, shape: &[usize]) -> Values {
    match values {
        Values::Bytes { bytes, unit } => Values::Bytes { bytes: row_major(&bytes, shape), unit },
        Values::Single(values) => row_major(&values, shape).into(),
        Values::Double(values) => row_major(&values, shape).into(),
    }
}

/// Copies an array in column-major order, first index fastest, into row-major order.
fn row_major<T: Clone>(items: &[T], shape: &[usize]) -> Vec<T> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for length in shape {
        strides.push(stride);
        stride *= length;
    }
    let mut position = vec![0; shape.len()];
    let mut from = 0;
    let mut sorted = Vec::with_capacity(items.len());
    for _ in 0..items.len() {
        sorted.push(items[from].clone());
        for axis in (0..shape.len()).rev() {
            position[axis] += 1;
            from += strides[axis];
            if position[axis] < shape[axis] {
                break;
            }
            from -= strides[axis] * shape[axis];
            position[axis] = 0;
        }
    }
    sorted
}
