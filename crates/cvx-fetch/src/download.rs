//! Downloads over HTTP that resume after an interruption.

use crate::data_set::{Remote, checksum};
use crate::error::FetchError;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;
use ureq::Agent;
use ureq::http::Response;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE};

/// Number of tries of one file in one call. Each try resumes where the previous one ended.
const TRIES: u32 = 3;

/// Pause before the second try. The pause before the third try is twice as long.
const PAUSE: Duration = Duration::from_millis(300);

/// Time limit of a connection, and of the head of a response.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Time limit of the body of one response. The next try resumes after the bytes received.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(1800);

/// An HTTP client for the files below one address.
pub(crate) struct Client {
    agent: Agent,
    base: String,
}

impl Client {
    pub fn new(base: &str) -> Self {
        let config = Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(CONNECT_TIMEOUT))
            .timeout_recv_body(Some(RECEIVE_TIMEOUT))
            .http_status_as_error(false)
            .build();
        Client { agent: config.into(), base: base.trim_end_matches('/').to_string() }
    }

    /// Downloads a file to `path`. The bytes received so far are stored in `path` with `.part` appended.
    pub fn download(
        &self,
        file: &Remote,
        path: &Path,
        progress: &mut dyn FnMut(&Remote, u64),
    ) -> Result<(), FetchError> {
        let url = format!("{}/{}", self.base, file.name);
        let part = path.with_file_name(format!("{}.part", file.name));
        let mut begun_before = length(&part)? > 0;
        loop {
            self.fill(file, &url, &part, progress)?;
            let found = checksum(&part).map_err(|source| FetchError::io(&part, source))?;
            if found == file.md5 {
                return fs::rename(&part, path).map_err(|source| FetchError::io(path, source));
            }
            remove(&part)?;
            // The bytes of an earlier call may belong to another file.
            if !begun_before {
                return Err(FetchError::Checksum { url, expected: file.md5, found });
            }
            begun_before = false;
        }
    }

    /// Appends to `part` until it has the length of the file, in several tries.
    fn fill(
        &self,
        file: &Remote,
        url: &str,
        part: &Path,
        progress: &mut dyn FnMut(&Remote, u64),
    ) -> Result<(), FetchError> {
        let mut tries = 1;
        loop {
            match self.append(file, url, part, progress) {
                Err(error) if error.is_temporary() && tries < TRIES => {
                    thread::sleep(PAUSE * tries);
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    /// Requests the missing bytes and appends them to `part`.
    fn append(
        &self,
        file: &Remote,
        url: &str,
        part: &Path,
        progress: &mut dyn FnMut(&Remote, u64),
    ) -> Result<(), FetchError> {
        let mut have = length(part)?;
        if have == file.size {
            return Ok(());
        }
        if have > file.size {
            remove(part)?;
            have = 0;
        }
        let mut response = self.get(url, have)?;
        if have > 0 && !continues(&response, have) && [200, 206, 416].contains(&response.status().as_u16()) {
            // The server did not send the requested range: restart, with this response if it is the whole file.
            remove(part)?;
            have = 0;
            if response.status() != 200 {
                response = self.get(url, 0)?;
            }
        }
        let status = response.status().as_u16();
        if status != if have > 0 { 206 } else { 200 } {
            return Err(FetchError::Status { url: url.into(), status });
        }
        let wrong_size = |found| FetchError::WrongSize { url: url.into(), expected: file.size, found };
        if let Some(rest) = announced(&response).filter(|rest| have.saturating_add(*rest) != file.size) {
            return Err(wrong_size(have.saturating_add(rest)));
        }
        let io = |source| FetchError::io(part, source);
        let mut out = OpenOptions::new().create(true).append(true).open(part).map_err(io)?;
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        progress(file, have);
        while have < file.size {
            let count = match body.read(&mut buffer) {
                Ok(count) if count > 0 => count,
                // The connection ended or failed: the next try may receive more.
                _ => return Err(FetchError::CutOff { url: url.into(), received: have, expected: file.size }),
            };
            if have + count as u64 > file.size {
                drop(out);
                remove(part)?;
                return Err(wrong_size(have + count as u64));
            }
            out.write_all(&buffer[..count]).map_err(io)?;
            have += count as u64;
            progress(file, have);
        }
        out.sync_all().map_err(io)
    }

    fn get(&self, url: &str, from: u64) -> Result<Response<ureq::Body>, FetchError> {
        let mut request = self.agent.get(url);
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        request.call().map_err(|error| FetchError::Unreachable { url: url.into(), reason: error.to_string() })
    }
}

/// Whether a response begins at byte `from`.
fn continues(response: &Response<ureq::Body>, from: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    response.status() == 206 && range.is_some_and(|range| range.starts_with(&format!("bytes {from}-")))
}

/// The length in bytes that a response announces.
fn announced(response: &Response<ureq::Body>) -> Option<u64> {
    response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Length of a file in bytes; 0 if it does not exist.
fn length(path: &Path) -> Result<u64, FetchError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(FetchError::io(path, error)),
    }
}

fn remove(path: &Path) -> Result<(), FetchError> {
    fs::remove_file(path).map_err(|source| FetchError::io(path, source))
}
