//! Disassembles and reassembles model files, by the layout in docs/architecture.md and with separate code.

use super::planted;
use cvx_admm::{Beta, FileError, Model, Settings, train};
use cvx_model::Dataset;
use std::path::Path;

pub const NOWHERE: &str = "in-memory.cvx";

pub fn bytes(model: &Model) -> Vec<u8> {
    model.to_bytes().unwrap()
}

pub fn parse(bytes: &[u8]) -> Result<Model, FileError> {
    Model::from_bytes(bytes, Path::new(NOWHERE))
}

pub fn small() -> (Dataset, Model) {
    let data = planted(8, 2, 1);
    let settings = Settings { patterns: 3, beta: Beta::Fraction(0.05), ..Settings::default() };
    let model = train(&data, None, &settings).unwrap().model;
    assert!(model.network.n_neurons() > 0);
    (data, model)
}

/// The sections of a file by name.
#[derive(Clone)]
pub struct Frame {
    pub version: u32,
    pub sections: Vec<(String, Vec<u8>)>,
}

impl Frame {
    pub fn of_version(bytes: &[u8]) -> u32 {
        u32::from_le_bytes(bytes[8..12].try_into().unwrap())
    }

    pub fn of(bytes: &[u8]) -> Self {
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        let entries = (0..u32_at(12) as usize).map(|index| 16 + 36 * index);
        let sections = entries.map(|at| {
            let name = String::from_utf8(bytes[at..at + 16].to_vec()).unwrap();
            let section = &bytes[u64_at(at + 16)..][..u64_at(at + 24)];
            (name.trim_end_matches('\0').to_string(), section.to_vec())
        });
        Frame { version: Frame::of_version(bytes), sections: sections.collect() }
    }

    pub fn section(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.sections.iter_mut().find(|(other, _)| other == name).unwrap().1
    }

    /// The file, with valid checksums for any content.
    pub fn sealed(&self) -> Vec<u8> {
        let mut bytes = b"\x89CVX\r\n\x1a\n".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend((self.sections.len() as u32).to_le_bytes());
        let mut offset = bytes.len() + 36 * self.sections.len() + 4;
        for (name, section) in &self.sections {
            let mut padded = [0; 16];
            padded[..name.len()].copy_from_slice(name.as_bytes());
            bytes.extend(padded);
            bytes.extend((offset as u64).to_le_bytes());
            bytes.extend((section.len() as u64).to_le_bytes());
            bytes.extend(crc32fast::hash(section).to_le_bytes());
            offset += section.len();
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        self.sections.iter().for_each(|(_, section)| bytes.extend(section));
        bytes
    }
}

/// The matrix of a section, in f64.
pub fn matrix(rows: u64, cols: u64, values: &[f64]) -> Vec<u8> {
    let head = [rows, cols, 8].into_iter().flat_map(u64::to_le_bytes);
    head.chain(values.iter().flat_map(|value| value.to_le_bytes())).collect()
}
