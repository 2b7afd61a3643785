//! Files that come in an archive.

use crate::files::{data_set, names};
use crate::server::{Server, ranged};
use cvx_fetch::{FetchError, fetch};
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::path::Path;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

const MEMBERS: &[&str] = &["a.bin", "b.bin"];

/// An archive of entries with these paths, unchanged, and contents.
fn tar(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, kind, content) in entries {
        let mut header = Header::new_gnu();
        // Written directly: the library refuses paths outside the folder.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o777);
        if *kind == EntryType::Symlink {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn try_fetch(archive: &[u8], folder: &Path) -> Result<usize, FetchError> {
    let served = archive.to_vec();
    let server = Server::new(move |request, _| ranged(&served, request));
    let data_set = data_set("archive.tar.gz", archive, MEMBERS);
    fetch(&data_set, &server.base, folder, &mut |_, _| {})?;
    // Everything is there: no request is needed.
    fetch(&data_set, &server.base, folder, &mut |_, _| {})?;
    assert!(data_set.is_in(folder));
    Ok(server.requests().len())
}

const FILE: EntryType = EntryType::Regular;

#[test]
fn members_are_unpacked_and_the_archive_goes() {
    let folder = TempDir::new().unwrap();
    let archive = gz(&tar(&[
        ("data/", EntryType::Directory, b""),
        ("data/b.bin", FILE, b"the second"),
        ("data/readme.html", FILE, b"not asked for"),
        ("data/a.bin", FILE, b"the first"),
    ]));
    assert_eq!(try_fetch(&archive, folder.path()).unwrap(), 1);
    assert_eq!(names(folder.path()), MEMBERS);
    assert_eq!(fs::read(folder.path().join("a.bin")).unwrap(), b"the first");
    assert_eq!(fs::read(folder.path().join("b.bin")).unwrap(), b"the second");
}

#[test]
fn no_path_of_an_archive_leads_out_of_the_folder() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("x/y");
    let archive = gz(&tar(&[
        ("../../evil", FILE, b"evil"),
        ("../../a.bin", FILE, b"the first"),
        ("/b.bin", FILE, b"the second"),
        ("../b.bin", FILE, b"once more"),
    ]));
    try_fetch(&archive, &folder).unwrap();
    assert_eq!((names(parent.path()), names(&parent.path().join("x"))), (vec!["x".into()], vec!["y".into()]));
    assert_eq!(names(&folder), MEMBERS);
    assert_eq!(fs::read(folder.join("b.bin")).unwrap(), b"the second");
}

#[test]
fn archives_that_do_not_hold_what_they_should_are_refused() {
    let whole = gz(&tar(&[("a.bin", FILE, b"the first"), ("b.bin", FILE, &[7; 5000])]));
    let link = gz(&tar(&[("a.bin", FILE, b"the first"), ("b.bin", EntryType::Symlink, b"")]));
    let lacks = gz(&tar(&[("b.bin", FILE, b"the second")]));
    for (archive, words) in [
        (&link[..], "it has no b.bin"),
        (&lacks[..], "it has no a.bin"),
        (&whole[..whole.len() / 2], "archive.tar.gz"),
        (&gz(b"no archive")[..], "archive.tar.gz"),
        (b"no gzip", "archive.tar.gz"),
    ] {
        let folder = TempDir::new().unwrap();
        let error = try_fetch(archive, folder.path()).unwrap_err();
        assert!(matches!(error, FetchError::Archive { .. }) && error.to_string().contains(words), "{error}");
        assert!(!folder.path().join("b.bin").is_symlink());
    }
}

/// A header that announces two gigabytes.
#[test]
fn f8_a_member_too_large_is_refused_before_it_is_read() {
    let mut header = Header::new_gnu();
    header.set_path("a.bin").unwrap();
    header.set_size(2 << 30);
    header.set_cksum();
    let archive = gz(header.as_bytes());
    let error = try_fetch(&archive, TempDir::new().unwrap().path()).unwrap_err();
    assert!(error.to_string().contains("a.bin has 2147483648 bytes"), "{error}");
}
