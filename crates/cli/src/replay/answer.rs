//! The answers to pipelined requests, read off a socket one after the other.
//!
//! The usual client waits for an answer before it sends the next request. Over a network with a round trip of
//! 50 ms that would be twenty batches a second; this one keeps several under way on one connection, which keeps
//! their order.

use std::io::{self, BufRead, Read};

/// Longest answer; the server's errors are far shorter.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// Longest line of a head.
const HEAD_LINE_BYTES_MAX: u64 = 64 << 10;
/// Most lines of a head.
const HEAD_LINES_MAX: usize = 200;

/// Reads one answer: status and body.
pub fn read_answer(stream: &mut impl BufRead) -> io::Result<(u16, Vec<u8>)> {
    loop {
        let first = head_line(stream)?;
        let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        let status: u16 = status.ok_or_else(|| wrong("answer does not begin like HTTP"))?;
        let (mut length, mut is_chunked) = (None, false);
        for line in 0.. {
            let header = head_line(stream)?;
            if header.is_empty() {
                break;
            }
            if line == HEAD_LINES_MAX {
                return Err(wrong("answer has too many headers"));
            }
            let (name, value) = header.split_once(':').ok_or_else(|| wrong("header has no colon"))?;
            match name.trim().to_ascii_lowercase().as_str() {
                "content-length" => {
                    length =
                        Some(value.trim().parse::<u64>().map_err(|_| wrong("content-length is no number"))?);
                }
                "transfer-encoding" => is_chunked = value.trim().eq_ignore_ascii_case("chunked"),
                _ => {}
            }
        }
        // 100 Continue and its like are followed by the real answer.
        if (100..200).contains(&status) {
            continue;
        }
        let body = match (is_chunked, length) {
            (true, _) => chunks(stream)?,
            (false, Some(length)) => exactly(stream, length)?,
            (false, None) => Vec::new(),
        };
        return Ok((status, body));
    }
}

fn chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = head_line(stream)?;
        let size = line.split(';').next().unwrap_or("").trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| wrong("chunk has no size"))?;
        if body.len() as u64 + size.min(ANSWER_BYTES_MAX + 1) > ANSWER_BYTES_MAX {
            return Err(wrong("answer is too long"));
        }
        if size == 0 {
            while !head_line(stream)?.is_empty() {}
            return Ok(body);
        }
        body.extend(exactly(stream, size)?);
        head_line(stream)?;
    }
}

fn exactly(stream: &mut impl BufRead, length: u64) -> io::Result<Vec<u8>> {
    if length > ANSWER_BYTES_MAX {
        return Err(wrong("answer is too long"));
    }
    let mut body = Vec::new();
    if stream.take(length).read_to_end(&mut body)? as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(body)
}

fn head_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    stream.take(HEAD_LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    match line.pop() {
        Some(b'\n') => Ok(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_one_behind_the_other_are_told_apart() {
        let mut bytes: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 400 Bad\r\n\
            transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1;x\r\nd\r\n0\r\n\r\nHTTP/1.1 204 No\r\n\r\n";
        assert_eq!(read_answer(&mut bytes).unwrap(), (200, b"ok".to_vec()));
        assert_eq!(read_answer(&mut bytes).unwrap(), (400, b"abcd".to_vec()));
        assert_eq!(read_answer(&mut bytes).unwrap(), (204, Vec::new()));
        assert_eq!(read_answer(&mut bytes).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_answer(&mut &bytes[..]);
            let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            answer.extend(bytes);
            let _ = read_answer(&mut &answer[..]);
        }
    }
}
