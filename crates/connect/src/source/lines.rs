//! Lines of a file, of bounded length, into a buffer that is used again.

use std::io::{self, BufRead, ErrorKind};

use memchr::memchr;

/// What reading a line came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LineRead {
    /// The buffer holds the line without its end.
    Line,
    /// The line was longer than allowed; it was passed over and the buffer is empty.
    TooLong,
    /// There is no further line.
    End,
}

/// Reads up to the next line feed. A carriage return before it is dropped; the last line needs no line feed.
pub(super) fn read_line(
    input: &mut impl BufRead,
    line: &mut Vec<u8>,
    length_max: usize,
) -> io::Result<LineRead> {
    line.clear();
    let mut started = false;
    let mut too_long = false;
    loop {
        let chunk = match input.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            break;
        }
        started = true;
        let end = memchr(b'\n', chunk);
        let part = &chunk[..end.unwrap_or(chunk.len())];
        if line.len() + part.len() > length_max {
            too_long = true;
            // The memory of an absurd line goes back at once.
            *line = Vec::new();
        } else if !too_long {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            break;
        }
    }
    if too_long {
        return Ok(LineRead::TooLong);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(if started { LineRead::Line } else { LineRead::End })
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines_of(text: &[u8], length_max: usize) -> Vec<Option<Vec<u8>>> {
        // A buffer of three bytes makes every line cross its edges.
        let mut input = BufReader::with_capacity(3, text);
        let mut line = Vec::new();
        let mut lines = Vec::new();
        loop {
            match read_line(&mut input, &mut line, length_max).unwrap() {
                LineRead::Line => lines.push(Some(line.clone())),
                LineRead::TooLong => lines.push(None),
                LineRead::End => return lines,
            }
        }
    }

    #[test]
    fn carriage_returns_go_and_the_last_line_needs_no_end() {
        let expect: Vec<_> = [&b"one"[..], b"", b"three"].map(|line| Some(line.to_vec())).into();
        assert_eq!(lines_of(b"one\r\n\nthree", 10), expect);
    }

    #[test]
    fn overlong_line_is_passed_over_and_reading_goes_on() {
        assert_eq!(
            lines_of(b"12345678\nok\n123456789", 8),
            [Some(b"12345678".to_vec()), Some(b"ok".to_vec()), None]
        );
    }
}
