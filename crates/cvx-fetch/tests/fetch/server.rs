//! A local server whose responses a test defines byte by byte.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub path: String,
    /// The first byte of the requested range, if any.
    pub from: Option<usize>,
}

pub struct Server {
    /// The address of its folder `/data`.
    pub base: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Sends the response that `answer` returns for each request and its number, then closes the connection.
    pub fn new(mut answer: impl FnMut(&Request, usize) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/data", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        // The thread ends with the tests.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&mut stream) else { continue };
                let number = seen.lock().unwrap().len();
                seen.lock().unwrap().push(request.clone());
                // The client may have closed the connection.
                let _ = stream.write_all(&answer(&request, number));
            }
        });
        Server { base, requests }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let range = head.lines().find_map(|line| line.strip_prefix("range: bytes="));
    Some(Request {
        path: head.split(' ').nth(1)?.to_string(),
        from: range.map(|range| range.trim_end_matches('-').parse().unwrap()),
    })
}

/// A response with headers, one per line.
pub fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let headers: String = headers.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    let mut bytes = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The whole file, whatever range was requested.
pub fn whole(content: &[u8]) -> Vec<u8> {
    answer("200 OK", &format!("Content-Length: {}", content.len()), content)
}

/// The range that was requested.
pub fn ranged(content: &[u8], request: &Request) -> Vec<u8> {
    match request.from {
        None => whole(content),
        Some(from) => {
            let all = content.len();
            let headers = format!("Content-Length: {}\nContent-Range: bytes {from}-{}/{all}", all - from, all - 1);
            answer("206 Partial Content", &headers, &content[from..])
        }
    }
}

/// A response that ends after this number of bytes of its body.
pub fn cut(answer: Vec<u8>, body: usize) -> Vec<u8> {
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    answer[..answer.len().min(head + body)].to_vec()
}
