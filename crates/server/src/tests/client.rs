//! Starting a server for a test, and talking to it in raw HTTP/1.1.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::config::ServerConfig;
use crate::fake::Fake;
use crate::listen::{Running, Server};

/// A server on a free port.
pub struct Started {
    pub fake: Fake,
    pub running: Running,
    pub address: SocketAddr,
}

pub fn start() -> Started {
    start_with(|_| {})
}

pub fn start_with(change: impl FnOnce(&mut ServerConfig)) -> Started {
    let fake = Fake::default();
    let mut config =
        ServerConfig { listeners: vec!["127.0.0.1:0".parse().unwrap()], ..ServerConfig::default() };
    change(&mut config);
    let running = Server::start(fake.clone(), config).unwrap();
    let address = running.addresses[0];
    Started { fake, running, address }
}

/// An answer, taken apart.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Started {
    pub fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", "")
    }

    pub fn post(&self, path: &str, body: &str) -> Reply {
        self.send("POST", path, "content-type: application/json\r\n", body)
    }

    pub fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let mut socket = self.connect();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        socket.write_all(head.as_bytes()).unwrap();
        // The server may answer and close before it has read everything.
        let _ = socket.write_all(body.as_bytes());
        read_reply(&mut socket)
    }
}

/// Reads to the end of the connection.
pub fn read_reply(socket: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    parse(&String::from_utf8_lossy(&bytes))
}

pub fn parse(text: &str) -> Reply {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0);
    let mut reply = Reply { status, head: head.to_owned(), body: body.to_owned() };
    if reply.header("transfer-encoding") == Some("chunked") {
        reply.body = unchunked(body);
    }
    reply
}

fn unchunked(mut rest: &str) -> String {
    let mut out = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        out.push_str(&after[..size]);
        rest = after[size..].strip_prefix("\r\n").unwrap();
    }
    out
}

/// Waits for something another thread brings about.
#[track_caller]
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(10), "waited in vain: {what}");
        std::thread::yield_now();
    }
}
