//! Files of named sections with valid checksums.

use crate::{joined, parts};

/// Length of a name in bytes. Longer names are truncated.
const NAME: usize = 16;

/// The file with this magic and version and the sections of an input. Each part of the input is a name, a zero byte and
/// the content of a section.
pub fn sealed(magic: &[u8; 8], version: u32, input: &[u8]) -> Vec<u8> {
    let sections: Vec<(&[u8], &[u8])> = parts(input).into_iter().map(split).collect();
    let mut bytes = magic.to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend((sections.len() as u32).to_le_bytes());
    let mut offset = bytes.len() + (NAME + 20) * sections.len() + 4;
    for (name, content) in &sections {
        let mut padded = [0; NAME];
        let length = name.len().min(NAME);
        padded[..length].copy_from_slice(&name[..length]);
        bytes.extend(padded);
        bytes.extend((offset as u64).to_le_bytes());
        bytes.extend((content.len() as u64).to_le_bytes());
        bytes.extend(crc32fast::hash(content).to_le_bytes());
        offset += content.len();
    }
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    sections.iter().for_each(|(_, content)| bytes.extend_from_slice(content));
    bytes
}

fn split(part: &[u8]) -> (&[u8], &[u8]) {
    let at = part.iter().position(|&byte| byte == 0).unwrap_or(part.len());
    (&part[..at], part.get(at + 1..).unwrap_or_default())
}

/// The input for the sections of a file: the inverse of [`sealed`].
pub fn opened(file: &[u8]) -> Vec<u8> {
    let number = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().expect("eight bytes")) as usize;
    let count = u32::from_le_bytes(file[12..16].try_into().expect("four bytes")) as usize;
    let sections = (0..count).map(|index| {
        let at = 16 + (NAME + 20) * index;
        let name: Vec<u8> = file[at..at + NAME].iter().copied().take_while(|&byte| byte != 0).collect();
        [&name[..], &[0], &file[number(at + NAME)..][..number(at + NAME + 8)]].concat()
    });
    joined(&sections.collect::<Vec<_>>())
}
