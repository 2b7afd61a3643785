use super::*;

const KIND: Kind = Kind { noun: "trial", magic: *b"trial-00", version: 4 };
const LIMIT: usize = 100;

fn nowhere() -> &'static Path {
    Path::new("in-memory")
}

fn open(bytes: &[u8]) -> Result<Parsed<'_>, FileError> {
    Parsed::open(bytes, &KIND, nowhere())
}

/// Values that f32 can represent, values that it cannot, and non-finite values.
fn matrices() -> [HostMatrix; 4] {
    let odd = f64::from_bits(0x7ff8_0000_0000_1234);
    [
        HostMatrix::from_vec(
            2,
            3,
            vec![0.5, -0.0, 3.0, f64::from(f32::MIN_POSITIVE) / 8.0, f64::INFINITY, 1e30f32.into()],
        ),
        HostMatrix::from_vec(3, 1, vec![0.1, f64::MIN_POSITIVE / 8.0, -0.0]),
        HostMatrix::from_vec(1, 2, vec![odd, f64::NEG_INFINITY]),
        HostMatrix::zeros(5, 0),
    ]
}

fn texts() -> Vec<String> {
    ["", "a\nb", "ä"].map(String::from).into()
}

fn whole() -> Vec<u8> {
    let mut sections = Sections::new(&KIND);
    let [first, second, third, fourth] = matrices();
    sections.matrix("first", &first).matrix("second", &second).matrix("third", &third).matrix("fourth", &fourth);
    sections.words("words", &[0, u64::MAX, 7]).texts("texts", &texts());
    sections.bincode::<LIMIT>("a.struct-of-them", &(7u64, 0.25f64, Some(true))).unwrap();
    sections.seal()
}

fn read(bytes: &[u8]) -> Result<(), FileError> {
    let mut file = open(bytes)?;
    for name in ["first", "second", "third", "fourth"] {
        file.matrix(name)?;
    }
    file.words("words")?;
    file.texts("texts", 3)?;
    file.bincode::<(u64, f64, Option<bool>), LIMIT>("a.struct-of-them")?;
    file.finish()
}

/// Recomputes the checksums of changed content; `None` if the table is no longer valid.
fn sealed(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let count = u32::from_le_bytes(*bytes.get(12..)?.first_chunk()?) as usize;
    let head = FIXED + ENTRY * count.min(100);
    for index in 0..count.min(100) {
        let at = FIXED + ENTRY * index + NAME;
        let number = |at: usize| usize::try_from(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok();
        let (from, length) = (number(at)?, number(at + 8)?);
        let checksum = crc32fast::hash(bytes.get(from..from.checked_add(length)?)?);
        bytes.get_mut(at + 16..at + 20)?.copy_from_slice(&checksum.to_le_bytes());
    }
    let checksum = crc32fast::hash(bytes.get(..head)?);
    bytes.get_mut(head..head + 4)?.copy_from_slice(&checksum.to_le_bytes());
    Some(bytes)
}

#[test]
fn everything_comes_back_bit_for_bit() {
    let bytes = whole();
    let mut file = open(&bytes).unwrap();
    let bits = |matrix: &HostMatrix| matrix.values().iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    // Sections can be read in any order.
    for (name, matrix) in ["first", "second", "third", "fourth"].into_iter().zip(matrices()).rev() {
        let found = file.matrix(name).unwrap();
        assert_eq!((found.rows(), found.cols(), bits(&found)), (matrix.rows(), matrix.cols(), bits(&matrix)), "{name}");
        assert!(!file.has(name) && file.has("words"));
    }
    assert_eq!(file.bincode::<(u64, f64, Option<bool>), LIMIT>("a.struct-of-them").unwrap(), (7, 0.25, Some(true)));
    assert_eq!(file.words("words").unwrap(), [0, u64::MAX, 7]);
    assert_eq!(file.texts("texts", 3).unwrap(), texts());
    file.finish().unwrap();
}

#[test]
fn f32_is_taken_where_it_loses_nothing() {
    let length = |matrix: &HostMatrix| {
        let mut sections = Sections::new(&KIND);
        sections.matrix("m", matrix);
        sections.seal().len() - FIXED - ENTRY - 4 - MATRIX_HEAD
    };
    assert_eq!(matrices().map(|matrix| length(&matrix)), [6 * 4, 3 * 8, 2 * 8, 0]);
}

#[test]
fn a_section_that_is_not_what_is_asked_for_is_an_error() {
    let bytes = whole();
    let refused = |what: &dyn Fn(&mut Parsed) -> Result<(), FileError>, words: &str| {
        let message = what(&mut open(&bytes).unwrap()).unwrap_err().to_string();
        assert!(message.contains("in-memory: damaged trial: ") && message.contains(words), "{message}");
    };
    refused(&|file| file.matrix("fifth").map(drop), "no section fifth");
    refused(&|file| file.matrix("first").and_then(|_| file.matrix("first")).map(drop), "no section first");
    refused(&|file| file.matrix("words").map(drop), "words is not a matrix");
    refused(&|file| file.finite_matrix("first").map(drop), "first is not finite");
    refused(&|file| file.finite_matrix("third").map(drop), "third is not finite");
    refused(&|file| file.words("texts").map(drop), "whole words");
    refused(&|file| file.texts("texts", 2).map(drop), "2 texts");
    refused(&|file| file.texts("texts", 4).map(drop), "4 texts");
    refused(&|file| file.texts("texts", usize::MAX).map(drop), "texts");
    refused(&|file| file.bincode::<u64, LIMIT>("a.struct-of-them").map(drop), "trailing bytes");
    refused(&|file| file.bincode::<[u64; 5], LIMIT>("a.struct-of-them").map(drop), "cannot be read");
    refused(&|file| file.bincode::<(u64, f64, Option<bool>), 8>("a.struct-of-them").map(drop), "cannot be read");
    let left = open(&bytes).unwrap().finish().unwrap_err().to_string();
    assert!(left.contains("section first"), "{left}");
    assert!(Sections::new(&KIND).bincode::<8>("large", &(1u64, 2u64)).is_err());
}

#[test]
fn other_magics_and_versions_are_named() {
    let bytes = whole();
    let other = Parsed::open(&bytes, Kind { magic: *b"trial-01", ..KIND }.leaked(), nowhere()).err().unwrap();
    assert!(matches!(other, FileError::Magic { what: "trial", .. }), "{other}");
    for (version, advice) in [(3, "newer"), (5, "too old")] {
        let error = Parsed::open(&bytes, Kind { version, ..KIND }.leaked(), nowhere()).err().unwrap();
        assert!(matches!(error, FileError::Version { found: 4, .. }) && error.to_string().contains(advice), "{error}");
    }
}

impl Kind {
    fn leaked(self) -> &'static Kind {
        Box::leak(Box::new(self))
    }
}

#[test]
fn f4_a_cut_or_a_flipped_bit_anywhere_is_refused() {
    let whole = whole();
    read(&whole).unwrap();
    for length in 0..whole.len() {
        assert!(open(&whole[..length]).is_err(), "{length} bytes");
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            assert!(open(&damaged).is_err(), "bit {bit} of byte {at}");
            // With valid checksums, other numbers may be accepted, but no panic may occur.
            if let Some(damaged) = sealed(damaged) {
                let _ = read(&damaged);
            }
        }
    }
    let trailing = [&whole[..], &[0]].concat();
    assert!(open(&trailing).is_err());
}

#[test]
fn f5_a_table_that_lies_is_refused() {
    let whole = whole();
    assert_eq!(sealed(whole.clone()).unwrap(), whole);
    let entry = |index: usize| FIXED + ENTRY * index;
    // The checksum of the table is recomputed.
    let refused = |words: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        let head = entry(7);
        let checksum = crc32fast::hash(&bytes[..head]);
        bytes[head..head + 4].copy_from_slice(&checksum.to_le_bytes());
        let message = open(&bytes).err().unwrap().to_string();
        assert!(message.contains(words), "{words}: {message}");
    };
    let put = |bytes: &mut Vec<u8>, at: usize, number: u64| bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    for lie in [0, 1, 1 << 31, 1 << 63, u64::MAX] {
        refused("does not begin at byte", &|bytes| put(bytes, entry(2) + 16, lie));
    }
    for lie in [1 << 31, 1 << 63, u64::MAX, u64::MAX - 300] {
        refused("longer than the file", &|bytes| put(bytes, entry(2) + 24, lie));
    }
    // One byte more or less changes the checksum of the section.
    for step in [-1, 1] {
        refused("checksum of the section second", &|bytes| {
            let length = u64::from_le_bytes(*bytes[entry(1) + 24..].first_chunk().unwrap());
            put(bytes, entry(1) + 24, length.wrapping_add_signed(step));
        });
    }
    // One entry in the place of another: the sections overlap and are out of order.
    refused("comes twice", &|bytes| bytes.copy_within(entry(0)..entry(1), entry(1)));
    refused("does not begin at byte", &|bytes| bytes.copy_within(entry(0) + 16..entry(1), entry(1) + 16));
    refused("does not begin at byte", &|bytes| {
        let (first, second) = (bytes[entry(0)..entry(1)].to_vec(), bytes[entry(1)..entry(2)].to_vec());
        bytes[entry(0)..entry(1)].copy_from_slice(&second);
        bytes[entry(1)..entry(2)].copy_from_slice(&first);
    });
    for name in [[0; 16], *b"first\0x\0\0\0\0\0\0\0\0\0", *b"fir st\0\0\0\0\0\0\0\0\0\0", [0xff; 16]] {
        refused("unusable name", &|bytes| bytes[entry(3)..entry(3) + 16].copy_from_slice(&name));
    }
    for count in [4097u32, u32::MAX] {
        refused("sections, at most 4096", &|bytes| bytes[12..16].copy_from_slice(&count.to_le_bytes()));
    }
    for count in [0u32, 6, 8] {
        refused("checksum of the table", &|bytes| bytes[12..16].copy_from_slice(&count.to_le_bytes()));
    }
}

#[test]
fn f5_shapes_that_overflow_are_refused() {
    let values = [1u64, 2, 3];
    for (rows, cols, width) in [
        (1 << 63, 2, 8),
        (1 << 32, 1 << 32, 8),
        (1 << 61, 8, 8),
        (u64::MAX, u64::MAX, 8),
        (3, 1, 7),
        (3, 1, 0),
        (6, 1, 8),
        (0, 1, 8),
        (12, 2, 1),
        (3, 1, u64::MAX),
    ] {
        let mut sections = Sections::new(&KIND);
        sections.words("m", &[&[rows, cols, width], &values[..]].concat());
        let bytes = sections.seal();
        assert!(open(&bytes).unwrap().matrix("m").is_err(), "{rows} x {cols} of {width}");
    }
    let mut sections = Sections::new(&KIND);
    sections.words("m", &[3, 1, 8, 1, 2, 3]);
    assert!(open(&sections.seal()).unwrap().matrix("m").is_ok());
    for length in [4, 1 << 63, u64::MAX] {
        let mut sections = Sections::new(&KIND);
        sections.words("texts", &[length]);
        assert!(open(&sections.seal()).unwrap().texts("texts", 1).is_err(), "a text of {length} bytes");
    }
}
