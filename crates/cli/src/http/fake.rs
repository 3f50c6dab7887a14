//! A server for tests that answers what the test says.
//!
//! Plain threads and sockets: it also plays servers that break off in the middle, which no decent library does.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What a client asked.
#[derive(Clone, Debug)]
pub struct FakeRequest {
    /// Path and query.
    pub path: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// Which connection it came on, from 0.
    pub connection: usize,
}

impl FakeRequest {
    /// Returns a header's value, empty where there is none.
    pub fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or(String::new(), |(_, value)| value.clone())
    }
}

/// Stands in for a status: the connection is closed without an answer.
pub const HANG_UP: u16 = 0;
/// Stands in for a status: the body is sent without an end, and the connection stays open until the client leaves.
pub const KEEP_OPEN: u16 = 1;

/// A running server; its threads end with the test's process.
pub struct FakeServer {
    address: SocketAddr,
}

impl FakeServer {
    /// Starts a server that answers each request with a status and a body.
    pub fn start(answer: impl Fn(&FakeRequest) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(answer);
        let connections = AtomicUsize::new(0);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let answer = answer.clone();
                let connection = connections.fetch_add(1, Ordering::Relaxed);
                std::thread::spawn(move || serve(stream, connection, &*answer));
            }
        });
        Self { address }
    }

    /// Returns the server's address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn serve(stream: TcpStream, connection: usize, answer: &dyn Fn(&FakeRequest) -> (u16, String)) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let mut words = line.split_whitespace();
        let path = words.nth(1)?.to_owned();
        let mut length = 0;
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if let Some((name, value)) = header.split_once(':') {
                headers.push((name.to_owned(), value.trim().to_owned()));
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let (status, text) = answer(&FakeRequest { path, headers, body, connection });
        match status {
            HANG_UP => return None,
            KEEP_OPEN => {
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                write!(writer, "{head}{:x}\r\n{text}\r\n", text.len()).ok()?;
                // Waits until the client goes away.
                reader.read_exact(&mut [0]).ok()?;
                return None;
            }
            _ => {
                let length = text.len();
                write!(writer, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{text}").ok()?;
            }
        }
    }
}
