//! How records are printed: kcat's format strings.
//!
//! `%t` topic, `%p` partition, `%o` offset, `%T` time in ms, `%k` key, `%K` its length, `%s` value, `%S` its length, `%R` that
//! length as four bytes, high one first, `%h` headers (`name=value,…`), `%%`; `\n`, `\r`, `\t`, `\\`, `\0`, `\xNN`. A key or value
//! that is null has length −1 and prints as nothing, in a header as `NULL`.

use anyhow::{Result, bail};

use crate::terminal::neutralise;

/// A record to print.
pub struct Printed<'a> {
    pub topic: &'a str,
    pub partition: u64,
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Time,
    Key,
    KeyLen,
    Value,
    ValueLen,
    ValueLenBytes,
    Headers,
}

/// A format, read.
#[derive(Debug, PartialEq, Eq)]
pub struct RecordFormat {
    parts: Vec<Part>,
}

impl RecordFormat {
    /// Reads a format.
    pub fn parse(text: &str) -> Result<RecordFormat> {
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            let part = match c {
                '%' => match rest.next() {
                    Some('t') => Part::Topic,
                    Some('p') => Part::Partition,
                    Some('o') => Part::Offset,
                    Some('T') => Part::Time,
                    Some('k') => Part::Key,
                    Some('K') => Part::KeyLen,
                    Some('s') => Part::Value,
                    Some('S') => Part::ValueLen,
                    Some('R') => Part::ValueLenBytes,
                    Some('h') => Part::Headers,
                    Some('%') => Part::Literal(b"%".to_vec()),
                    Some(other) => bail!(
                        "format {text:?} has \"%{other}\", which is none of %t %p %o %T %k %K %s %S %R %h %%"
                    ),
                    None => bail!("format {text:?} ends with \"%\""),
                },
                '\\' => Part::Literal(vec![escape(&mut rest, text)?]),
                other => Part::Literal(other.to_string().into_bytes()),
            };
            match (parts.last_mut(), part) {
                (Some(Part::Literal(before)), Part::Literal(more)) => before.extend(more),
                (_, part) => parts.push(part),
            }
        }
        Ok(RecordFormat { parts })
    }

    /// Appends a record; with `is_safe` what came from outside is made harmless for a terminal.
    pub fn push(&self, out: &mut Vec<u8>, record: &Printed<'_>, is_safe: bool) {
        let event = |out: &mut Vec<u8>, bytes: &[u8]| {
            if is_safe {
                out.extend_from_slice(neutralise(&String::from_utf8_lossy(bytes)).as_bytes());
            } else {
                out.extend_from_slice(bytes);
            }
        };
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(-1, |bytes| bytes.len() as i64);
        for part in &self.parts {
            match part {
                Part::Literal(bytes) => out.extend_from_slice(bytes),
                Part::Topic => event(out, record.topic.as_bytes()),
                Part::Partition => out.extend_from_slice(record.partition.to_string().as_bytes()),
                Part::Offset => out.extend_from_slice(record.offset.to_string().as_bytes()),
                Part::Time => out.extend_from_slice(record.timestamp.to_string().as_bytes()),
                Part::Key => event(out, record.key.as_deref().unwrap_or_default()),
                Part::KeyLen => out.extend_from_slice(len(&record.key).to_string().as_bytes()),
                Part::Value => event(out, record.value.as_deref().unwrap_or_default()),
                Part::ValueLen => out.extend_from_slice(len(&record.value).to_string().as_bytes()),
                Part::ValueLenBytes => out.extend_from_slice(&(len(&record.value) as i32).to_be_bytes()),
                Part::Headers => {
                    for (index, (name, value)) in record.headers.iter().enumerate() {
                        if index > 0 {
                            out.push(b',');
                        }
                        event(out, name.as_bytes());
                        out.push(b'=');
                        event(out, value.as_deref().unwrap_or(b"NULL"));
                    }
                }
            }
        }
    }
}

fn escape(rest: &mut std::str::Chars<'_>, text: &str) -> Result<u8> {
    Ok(match rest.next() {
        Some('n') => b'\n',
        Some('r') => b'\r',
        Some('t') => b'\t',
        Some('0') => 0,
        Some('\\') => b'\\',
        Some('x') => {
            let digits: String = rest.by_ref().take(2).collect();
            match u8::from_str_radix(&digits, 16) {
                Ok(byte) if digits.len() == 2 => byte,
                _ => bail!("format {text:?} has \"\\x{digits}\", which is no byte in two digits"),
            }
        }
        Some(other) => {
            bail!("format {text:?} has \"\\{other}\", which is none of \\n \\r \\t \\0 \\\\ \\xNN")
        }
        None => bail!("format {text:?} ends with \"\\\""),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: &str, is_safe: bool) -> Vec<u8> {
        let record = Printed {
            topic: "t",
            partition: 1,
            offset: 7,
            timestamp: 5,
            key: None,
            value: Some(b"a\x1bb\xff".to_vec()),
            headers: vec![("h".into(), Some(b"\x07".to_vec())), ("n".into(), None)],
        };
        let mut out = Vec::new();
        RecordFormat::parse(format).unwrap().push(&mut out, &record, is_safe);
        out
    }

    #[test]
    fn format_is_kcats() {
        assert_eq!(printed("%t %p %o %k|%K %S %T %%\\n", false), b"t 1 7 |-1 4 5 %\n");
        assert_eq!(printed("%s;%h\\x41\\0\\\\", false), b"a\x1bb\xff;h=\x07,n=NULLA\0\\");
        assert_eq!(printed("%R", true), [0, 0, 0, 4]);
    }

    #[test]
    fn events_are_neutralised_for_a_terminal() {
        assert_eq!(printed("%s %h\\n", true), "a\\x1bb\u{fffd} h=\\x07,n=NULL\n".as_bytes());
    }

    #[test]
    fn unknown_letters_are_refused() {
        for format in ["%z", "%", "\\q", "\\", "\\x4", "\\xzz"] {
            assert!(RecordFormat::parse(format).is_err(), "{format}");
        }
    }
}
