//! Files to read, and a record of the largest allocation while they are read.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use cvx_data::{DataError, Request, open};
use cvx_model::{DataSplit, Dataset, Labels};
use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A temporary folder for one test.
pub struct Lab {
    folder: TempDir,
}

impl Lab {
    pub fn new() -> Self {
        Lab { folder: TempDir::new().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, compressed if its name ends in `.gz`, and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        if name.ends_with(".gz") {
            let mut encoder = GzEncoder::new(File::create(&path).unwrap(), Compression::default());
            encoder.write_all(content.as_ref()).unwrap();
            encoder.finish().unwrap();
        } else {
            fs::write(&path, content).unwrap();
        }
        text(&path)
    }

    /// Reads a file of that content with the default request.
    pub fn read(&self, name: &str, content: impl AsRef<[u8]>) -> Result<DataSplit, DataError> {
        open(&self.write(name, content), &Request::default())
    }

    /// Reads the folder as a source.
    pub fn read_folder(&self) -> Result<DataSplit, DataError> {
        open(&text(self.folder.path()), &Request::default())
    }
}

pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// The message with its reasons, as the program shows it.
pub fn message(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", message(source)),
        None => error.to_string(),
    }
}

pub fn numbers(dataset: &Dataset) -> Vec<f64> {
    match dataset.labels() {
        Some(Labels::Numbers { values, .. }) => values.clone(),
        other => panic!("no numbers: {other:?}"),
    }
}

pub fn class_names(dataset: &Dataset) -> Vec<String> {
    let labels = dataset.labels().unwrap();
    (0..labels.len()).map(|row| labels.class_name(row)).collect()
}

/// An array as NumPy writes it.
pub fn npy(descr: &str, fortran_order: &str, shape: &str, items: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran_order}, 'shape': {shape}, }}\n");
    let mut content = b"\x93NUMPY\x01\x00".to_vec();
    content.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    content.extend(header.bytes());
    content.extend(items);
    content
}

/// A row-major array of f64.
pub fn npy_f64(shape: &str, values: &[f64]) -> Vec<u8> {
    let items: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    npy("<f8", "False", shape, &items)
}

/// An archive of arrays.
pub fn npz(method: CompressionMethod, arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (key, array) in arrays {
        let options = SimpleFileOptions::default().compression_method(method);
        writer.start_file(format!("{key}.npy"), options).unwrap();
        writer.write_all(array).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// An IDX file of unsigned bytes.
pub fn idx(shape: &[u32], items: &[u8]) -> Vec<u8> {
    let mut content = vec![0, 0, 8, u8::try_from(shape.len()).unwrap()];
    content.extend(shape.iter().flat_map(|length| length.to_be_bytes()));
    content.extend(items);
    content
}

/// A CIFAR-10 record whose pixels count up from `first`.
pub fn cifar_record(label: u8, first: u8) -> Vec<u8> {
    let mut record = vec![label];
    record.extend((0..3072u32).map(|pixel| first.wrapping_add(pixel as u8)));
    record
}

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// The largest single allocation, in bytes, that this thread makes while `work` runs.
pub fn largest_allocation<T>(work: impl FnOnce() -> T) -> (T, usize) {
    LARGEST.set(0);
    let result = work();
    (result, LARGEST.get())
}

struct Watch;

#[global_allocator]
static WATCH: Watch = Watch;

// SAFETY: every call goes to the system allocator unchanged; setting the cell does not allocate.
unsafe impl GlobalAlloc for Watch {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.set(LARGEST.get().max(layout.size()));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.set(LARGEST.get().max(layout.size()));
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.set(LARGEST.get().max(size));
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: every pointer of this allocator comes from the system allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}
