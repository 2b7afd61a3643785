//! Single files.

use crate::server::{Request, Server, answer, cut, ranged, whole};
use cvx_fetch::{DataSet, FetchError, Remote, fetch};
use md5::{Digest, Md5};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use tempfile::TempDir;

/// Content without a pattern.
pub fn content(length: usize) -> Vec<u8> {
    (0..length).map(|k| (k * k % 251) as u8 ^ (k >> 8) as u8).collect()
}

fn leak<T: ?Sized>(value: Box<T>) -> &'static T {
    Box::leak(value)
}

/// A data set of one file.
pub fn data_set(name: &'static str, content: &[u8], members: &'static [&'static str]) -> DataSet {
    let md5: String = Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    let file = Remote { name, size: content.len() as u64, md5: leak(md5.into_boxed_str()) };
    DataSet { name: "test", base: "", files: leak(Box::new([file])), members }
}

/// Fetches the file `f`, whose content should be `content`.
fn try_fetch(server: &Server, folder: &Path, content: &[u8]) -> Result<(), FetchError> {
    fetch(&data_set("f", content, &[]), &server.base, folder, &mut |_, _| {})
}

fn assert_fetched(server: &Server, folder: &Path, content: &[u8]) {
    try_fetch(server, folder, content).unwrap();
    assert!(fs::read(folder.join("f")).unwrap() == content);
    assert_eq!(names(folder), ["f"]);
}

pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn froms(server: &Server) -> Vec<Option<usize>> {
    server.requests().into_iter().map(|request| request.from).collect()
}

#[test]
fn a_file_is_fetched_once_and_progress_is_told() {
    // More than the client holds in memory.
    let file = content(11 << 20);
    let (folder, served) = (TempDir::new().unwrap(), file.clone());
    let server = Server::new(move |request, _| ranged(&served, request));
    let within = folder.path().join("a/b");
    let mut seen = Vec::new();
    let data_set = data_set("f", &file, &[]);
    fetch(&data_set, &format!("{}/", server.base), &within, &mut |file, bytes| seen.push((file.size, bytes))).unwrap();
    assert!(fs::read(within.join("f")).unwrap() == file);
    assert!(seen.iter().all(|(size, _)| *size == 11 << 20) && seen.is_sorted());
    assert_eq!((seen[0].1, seen.last().unwrap().1), (0, 11 << 20));
    assert_eq!(server.requests(), [Request { path: "/data/f".into(), from: None }]);
    assert_fetched(&server, &within, &file);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_length_need_not_be_announced() {
    let file = content(100_000);
    let served = file.clone();
    let server = Server::new(move |_, _| answer("200 OK", "", &served));
    assert_fetched(&server, TempDir::new().unwrap().path(), &file);
}

#[test]
fn what_is_cut_off_goes_on_in_the_same_call() {
    let file = content(200_000);
    let served = file.clone();
    let server = Server::new(move |request, number| cut(ranged(&served, request), [90_000, 60_000, 200_000][number]));
    assert_fetched(&server, TempDir::new().unwrap().path(), &file);
    assert_eq!(froms(&server), [None, Some(90_000), Some(150_000)]);
}

#[test]
fn what_is_cut_off_too_often_goes_on_in_the_next_call() {
    let file = content(200_000);
    let (folder, served) = (TempDir::new().unwrap(), file.clone());
    let server =
        Server::new(move |request, number| cut(ranged(&served, request), if number < 3 { 100 } else { 200_000 }));
    let error = try_fetch(&server, folder.path(), &file).unwrap_err();
    assert!(matches!(error, FetchError::CutOff { received: 300, expected: 200_000, .. }), "{error}");
    assert!(error.to_string().contains("/data/f") && error.to_string().contains("fetch again"), "{error}");
    assert_eq!(names(folder.path()), ["f.part"]);
    assert_fetched(&server, folder.path(), &file);
    assert_eq!(froms(&server), [None, Some(100), Some(200), Some(300)]);
}

#[test]
fn a_server_without_ranges_sends_the_file_from_the_beginning() {
    let file = content(50_000);
    for refusal in [
        None,
        Some(answer("416 Range Not Satisfiable", "Content-Length: 0", b"")),
        Some(answer("206 Partial Content", "Content-Range: bytes 7-49999/50000", &file[7..])),
    ] {
        let (folder, served) = (TempDir::new().unwrap(), file.clone());
        fs::write(folder.path().join("f.part"), &file[..20_000]).unwrap();
        let server = Server::new(move |request, _| match (&refusal, request.from) {
            (Some(refusal), Some(_)) => refusal.clone(),
            _ => whole(&served),
        });
        assert_fetched(&server, folder.path(), &file);
    }
}

#[test]
fn another_length_is_refused_and_nothing_stays() {
    let file = content(1000);
    let endless = answer("200 OK", "", &content(1 << 20));
    for (offered, length) in [(whole(&content(999)), 999), (whole(&content(1001)), 1001), (endless, 0)] {
        let folder = TempDir::new().unwrap();
        let server = Server::new(move |_, _| offered.clone());
        match try_fetch(&server, folder.path(), &file).unwrap_err() {
            FetchError::WrongSize { expected: 1000, found, .. } => assert!(found == length || length == 0),
            error => panic!("{error}"),
        }
        assert!(names(folder.path()).is_empty());
        assert_eq!(server.requests().len(), 1);
    }
    // A range of a longer file.
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("f.part"), &file[..10]).unwrap();
    let server = Server::new(|request, _| ranged(&content(2000), request));
    let error = try_fetch(&server, folder.path(), &file).unwrap_err();
    assert!(matches!(error, FetchError::WrongSize { expected: 1000, found: 2000, .. }), "{error}");
}

#[test]
fn another_checksum_is_refused_and_nothing_stays() {
    let file = content(1000);
    let mut damaged = file.clone();
    damaged[500] ^= 1;
    let folder = TempDir::new().unwrap();
    let server = Server::new(move |_, _| whole(&damaged));
    let error = try_fetch(&server, folder.path(), &file).unwrap_err();
    let FetchError::Checksum { expected, found, .. } = &error else { panic!("{error}") };
    assert!(error.to_string().contains(expected) && error.to_string().contains(found) && expected != found);
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_part_of_another_file_costs_one_more_request() {
    let file = content(1000);
    for part in [vec![7; 400], vec![7; 1000], vec![7; 2000]] {
        let (folder, served) = (TempDir::new().unwrap(), file.clone());
        fs::write(folder.path().join("f.part"), part).unwrap();
        let server = Server::new(move |request, _| ranged(&served, request));
        assert_fetched(&server, folder.path(), &file);
        assert!(server.requests().len() <= 2);
    }
}

#[test]
fn an_error_of_the_server_is_told_and_keeps_what_is_there() {
    let file = content(1000);
    for (status, tries) in [("404 Not Found", 1), ("403 Forbidden", 1), ("503 Service Unavailable", 3)] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("f.part"), &file[..10]).unwrap();
        let server = Server::new(move |_, _| answer(status, "Content-Length: 4", b"oops"));
        let error = try_fetch(&server, folder.path(), &file).unwrap_err();
        assert!(error.to_string().contains(&status[..3]) && error.to_string().contains("/data/f"), "{error}");
        assert_eq!((names(folder.path()), server.requests().len()), (vec!["f.part".to_string()], tries));
    }
    let served = file.clone();
    let server = Server::new(move |_, number| match number {
        0 => answer("502 Bad Gateway", "Content-Length: 0", b""),
        1 => b"this is no HTTP\r\n\r\n".to_vec(),
        _ => whole(&served),
    });
    assert_fetched(&server, TempDir::new().unwrap().path(), &file);
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let file = content(1000);
    let served = file.clone();
    let server = Server::new(move |request, _| match request.path.as_str() {
        "/data/f" => answer("302 Found", "Location: /elsewhere\nContent-Length: 0", b""),
        _ => ranged(&served, request),
    });
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("f.part"), &file[..10]).unwrap();
    assert_fetched(&server, folder.path(), &file);
    assert_eq!(server.requests().last().unwrap(), &Request { path: "/elsewhere".into(), from: Some(10) });

    let server = Server::new(|_, _| answer("302 Found", "Location: /data/f\nContent-Length: 0", b""));
    let error = try_fetch(&server, folder.path().join("x").as_path(), &file).unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error}");
}

#[test]
fn nobody_there_is_told_with_the_address() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let base = format!("http://127.0.0.1:{port}");
    let folder = TempDir::new().unwrap();
    let error = fetch(&data_set("f", b"x", &[]), &base, folder.path(), &mut |_, _| {}).unwrap_err();
    assert!(matches!(&error, FetchError::Unreachable { url, .. } if *url == format!("{base}/f")), "{error}");
    let error = fetch(&data_set("f", b"x", &[]), "no address", folder.path(), &mut |_, _| {}).unwrap_err();
    assert!(matches!(&error, FetchError::Unreachable { .. }), "{error}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_file_put_there_by_hand_is_taken_if_it_is_right() {
    let file = content(1000);
    let (folder, served) = (TempDir::new().unwrap(), file.clone());
    let server = Server::new(move |request, _| ranged(&served, request));
    fs::write(folder.path().join("f"), &file).unwrap();
    assert_fetched(&server, folder.path(), &file);
    assert!(server.requests().is_empty());
    fs::write(folder.path().join("f"), &file[1..]).unwrap();
    assert_fetched(&server, folder.path(), &file);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a"), "a file").unwrap();
    let server = Server::new(|_, _| whole(b"x"));
    let error = try_fetch(&server, &folder.path().join("a"), b"x").unwrap_err();
    assert!(matches!(&error, FetchError::Io { path, .. } if path.ends_with("a")), "{error}");
}
