//! JSON values that are not one a line: a JSON array of objects, or objects printed over several lines.
//!
//! Brackets are counted, nothing is parsed and nothing recurses. Between values, blanks, commas and the brackets of
//! the outer array are passed over, so several arrays one after the other are one sequence of events.

use std::io::{self, BufRead, ErrorKind};

/// What reading a value came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ValueRead {
    /// The buffer holds the value's text as it stands in the file.
    Value,
    /// The value was longer than allowed; it was passed over and the buffer is empty.
    TooLong,
    /// The file ends inside a value; the buffer is empty.
    Cut,
    /// There is no further value.
    End,
}

/// Finds the ends of values; knows nothing but where it stands.
#[derive(Debug, Default)]
pub(super) struct JsonValues {
    /// Line feeds seen so far.
    line_feeds: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Between,
    Scalar,
    Nested,
    Text,
    Escape,
}

impl JsonValues {
    /// Reads the next value and returns the number of the line it starts in.
    pub(super) fn read_value(
        &mut self,
        input: &mut impl BufRead,
        value: &mut Vec<u8>,
        length_max: usize,
    ) -> io::Result<(ValueRead, u64)> {
        value.clear();
        let mut first_line = 0;
        let mut at = At::Between;
        let mut depth = 0_u64;
        let mut too_long = false;
        loop {
            let chunk = match input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                let read = match at {
                    At::Between => ValueRead::End,
                    At::Scalar if too_long => ValueRead::TooLong,
                    At::Scalar => ValueRead::Value,
                    _ => ValueRead::Cut,
                };
                if read != ValueRead::Value {
                    value.clear();
                }
                return Ok((read, first_line));
            }
            let mut start = 0;
            let mut used = 0;
            let mut ended = false;
            for &byte in chunk {
                match at {
                    At::Between => {
                        start = used;
                        at = match byte {
                            b'{' => {
                                depth = 1;
                                At::Nested
                            }
                            b'"' => At::Text,
                            b'[' | b']' | b',' => At::Between,
                            _ if byte.is_ascii_whitespace() => At::Between,
                            _ => At::Scalar,
                        };
                        first_line = self.line_feeds + 1;
                        if at == At::Between {
                            start = used + 1;
                        }
                    }
                    At::Scalar if matches!(byte, b',' | b']') || byte.is_ascii_whitespace() => {
                        ended = true;
                        break;
                    }
                    At::Scalar => {}
                    At::Nested => match byte {
                        b'"' => at = At::Text,
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth -= 1,
                        _ => {}
                    },
                    At::Text => match byte {
                        b'"' => at = At::Nested,
                        b'\\' => at = At::Escape,
                        _ => {}
                    },
                    At::Escape => at = At::Text,
                }
                self.line_feeds += u64::from(byte == b'\n');
                used += 1;
                // A text on its own ends like an object that closes: back at depth 0.
                if at == At::Nested && depth == 0 {
                    ended = true;
                    break;
                }
            }
            let part = &chunk[start..used];
            if value.len() + part.len() > length_max {
                too_long = true;
                *value = Vec::new();
            } else if !too_long {
                value.extend_from_slice(part);
            }
            input.consume(used);
            if ended {
                return Ok((if too_long { ValueRead::TooLong } else { ValueRead::Value }, first_line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn values_of(text: &[u8], length_max: usize, capacity: usize) -> Vec<(ValueRead, u64, String)> {
        let mut input = BufReader::with_capacity(capacity, text);
        let mut values = JsonValues::default();
        let mut value = Vec::new();
        let mut read_values = Vec::new();
        loop {
            let (read, line) = values.read_value(&mut input, &mut value, length_max).unwrap();
            if read == ValueRead::End {
                return read_values;
            }
            read_values.push((read, line, String::from_utf8_lossy(&value).into_owned()));
        }
    }

    #[test]
    fn elements_of_an_array_are_found_with_their_lines() {
        let text = b"[\n{\"a\":\"]}\\\"\"},\n {\"b\":[{}]} , 1,\"t,\"]\n[{}]";
        for capacity in [1, 2, 7, 100] {
            let expect = [(2, r#"{"a":"]}\""}"#), (3, r#"{"b":[{}]}"#), (3, "1"), (3, r#""t,""#), (4, "{}")];
            assert_eq!(
                values_of(text, 100, capacity),
                expect.map(|(line, text)| (ValueRead::Value, line, text.into()))
            );
        }
    }

    #[test]
    fn overlong_and_cut_elements_are_told_apart() {
        let read: Vec<_> = values_of(br#"[{"a":"long long"},{"b":1},{"c":"#, 8, 3)
            .into_iter()
            .map(|(read, ..)| read)
            .collect();
        assert_eq!(read, [ValueRead::TooLong, ValueRead::Value, ValueRead::Cut]);
    }

    proptest! {
        #[test]
        fn where_the_buffer_ends_makes_no_difference(text in r#"[\[\]{}",\\a 1\n]{0,40}"#, capacity in 1_usize..9) {
            prop_assert_eq!(values_of(text.as_bytes(), 20, capacity), values_of(text.as_bytes(), 20, 1000));
        }
    }
}
