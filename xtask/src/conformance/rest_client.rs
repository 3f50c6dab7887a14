//! The little of HTTP/1.1 that the REST cases need: a POST of JSON, its whole answer read until the server closes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

/// How long to wait for bytes of an answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Posts a JSON text.
pub fn post(address: SocketAddr, path: &str, body: &str) -> Result<Answer> {
    let mut socket = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
    socket.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    let length = body.len();
    write!(
        socket,
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).with_context(|| {
        format!("reading the answer to {path}, after {:?}", String::from_utf8_lossy(&bytes))
    })?;
    answer(&String::from_utf8(bytes)?)
}

fn answer(text: &str) -> Result<Answer> {
    let (head, body) =
        text.split_once("\r\n\r\n").ok_or_else(|| anyhow!("the answer has no end of headers"))?;
    let status = head.split(' ').nth(1).ok_or_else(|| anyhow!("the answer has no status"))?.parse()?;
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if is_chunked { without_chunks(body)? } else { body.to_owned() };
    Ok(Answer { status, body })
}

fn without_chunks(mut text: &str) -> Result<String> {
    let mut body = String::new();
    loop {
        let (size, rest) = text.split_once("\r\n").ok_or_else(|| anyhow!("a chunk has no size"))?;
        let size =
            usize::from_str_radix(size.trim(), 16).with_context(|| format!("size of a chunk: {size:?}"))?;
        if size == 0 {
            return Ok(body);
        }
        let Some(chunk) = rest.get(..size) else { bail!("a chunk ends before its {size} bytes") };
        body.push_str(chunk);
        text = rest.get(size + 2..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together() {
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n";
        assert_eq!(answer(text).unwrap(), Answer { status: 200, body: "[1,2]".into() });
        let text = "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(answer(text).unwrap(), Answer { status: 400, body: "{}".into() });
        assert!(answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nab").is_err());
    }
}
