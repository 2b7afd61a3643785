//! The peak memory of reading a table, in a process of its own.

use cvx_data::{Request, open};
use std::fs::{self, File};
use std::io::{BufWriter, Write};

/// The peak memory of this process in bytes, where the system tells it.
fn peak() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<usize>().ok()? * 1024)
}

/// The columns are given back while the samples are made of them, and every label is a number of its own.
#[test]
fn a_table_is_not_held_twice() {
    const ROWS: usize = 1 << 19;
    const FEATURES: usize = 6;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    let mut text = BufWriter::new(File::create(&path).unwrap());
    for row in 0..ROWS {
        // Numbers, some of them missing, and categories.
        let at = |k: usize| row.wrapping_mul(2 * k + 2_654_435_761) >> 7 & 0xffff;
        let (gap, level) = (if row % 9 == 0 { String::new() } else { at(3).to_string() }, ["a", "b"][at(4) & 1]);
        writeln!(text, "{},{},{},{gap},{level},{row}", at(0), at(1), at(2)).unwrap();
    }
    drop(text);
    let Some(before) = peak() else {
        eprintln!("skipped: this system does not tell the peak memory");
        return;
    };
    let data = open(path.to_str().unwrap(), &Request::default()).unwrap().train;
    assert_eq!((data.n_samples(), data.n_features()), (ROWS, FEATURES));
    let (table, more) = (ROWS * (FEATURES + 1) * size_of::<f64>(), peak().unwrap() - before);
    assert!(more < table + table / 4, "{more} bytes for a table of {table}");
}
