//! Zeek's ASCII logs, turned into the JSON objects that Zeek's own JSON writer would have written.
//!
//! ```text
//! #separator \x09
//! #set_separator   ,
//! #empty_field     (empty)
//! #unset_field     -
//! #path            dns
//! #fields          ts      uid     answers
//! #types           time    string  vector[string]
//! 1379288667.6     CZGS    a,b
//! ```
//!
//! Types follow Zeek's `threading/formatters/JSON.cc`: time, interval and double become numbers with the digits of the
//! file, count, int and port integers, bool `true` or `false`, everything else text; sets and vectors become arrays;
//! an unset field is left out, an unset element is `null`. Text is what `json_escape_utf8` makes of it: bytes that are
//! not UTF-8, and control characters without an escape of their own, appear as the four characters `\xNN`.
//! Headers may come again at any line, as in logs that were put together, and count from there on.

use crate::json::{write_escaped, write_hex, write_string};

/// Most columns of a log; Zeek's widest have about a hundred.
const COLUMNS_MAX: usize = 4096;
/// Longest field separator in bytes.
const SEPARATOR_BYTES_MAX: usize = 16;
/// Longest `#path` that is passed on.
const PATH_BYTES_MAX: usize = 255;
/// Longest piece of the log quoted in an error.
const QUOTE_CHARS_MAX: usize = 60;

/// Translates the lines of a Zeek log one by one.
#[derive(Debug)]
pub struct ZeekTsv {
    separator: Vec<u8>,
    set_separator: Vec<u8>,
    empty_field: Vec<u8>,
    unset_field: Vec<u8>,
    path: Option<String>,
    columns: Vec<Column>,
    /// The text of a field with its escapes taken away.
    decoded: Vec<u8>,
}

#[derive(Debug)]
struct Column {
    name: String,
    /// `"name":`, ready to be written.
    key: Vec<u8>,
    shape: Shape,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    One(Element),
    Many(Element),
}

#[derive(Debug, Clone, Copy)]
enum Element {
    Number,
    Integer,
    Bool,
    Text,
}

/// Says why a line of a Zeek log is not an event. The text of the log is quoted escaped and shortened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// A row has more or fewer columns than `#fields` names.
    #[error("row has {actual} columns, header \"#fields\" names {expected}")]
    ColumnCount {
        /// Columns that the header names.
        expected: usize,
        /// Columns in the row.
        actual: usize,
    },
    /// A value does not have the type that `#types` gives its column.
    #[error("value \"{value}\" of column \"{column}\" is not of type {expected}")]
    Value {
        /// The column's name.
        column: String,
        /// The value as it stands in the file.
        value: String,
        /// The type as it would be called in JSON.
        expected: &'static str,
    },
    /// A row stands before any `#fields`.
    #[error("row comes before a header \"#fields\"")]
    NoHeader,
    /// A header names more columns than are allowed.
    #[error("header \"#fields\" names more than {max} columns")]
    TooManyColumns {
        /// The bound.
        max: usize,
    },
    /// `#types` has another number of columns than `#fields`.
    #[error("header \"#types\" has {actual} columns, header \"#fields\" has {expected}")]
    TypeCount {
        /// Columns of `#fields`.
        expected: usize,
        /// Columns of `#types`.
        actual: usize,
    },
    /// A header line has no usable value.
    #[error("header \"{header}\" has no usable value")]
    Header {
        /// The header's name.
        header: &'static str,
    },
}

impl Default for ZeekTsv {
    fn default() -> Self {
        Self::new()
    }
}

impl ZeekTsv {
    /// Creates a translator with Zeek's default separators and no columns.
    pub fn new() -> Self {
        Self {
            separator: b"\t".to_vec(),
            set_separator: b",".to_vec(),
            empty_field: b"(empty)".to_vec(),
            unset_field: b"-".to_vec(),
            path: None,
            columns: Vec::new(),
            decoded: Vec::new(),
        }
    }

    /// Returns the log's name from `#path`, such as `conn`.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Takes one line. Returns true when `out` holds an event, false when the line was a header.
    pub fn take_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<bool, RowError> {
        out.clear();
        if let Some(header) = line.strip_prefix(b"#") {
            self.take_header(header)?;
            return Ok(false);
        }
        self.write_row(line, out)?;
        Ok(true)
    }

    fn take_header(&mut self, header: &[u8]) -> Result<(), RowError> {
        // `#separator` itself is set off by a blank, since the separator is not known yet.
        if let Some(value) = header.strip_prefix(b"separator") {
            let mut separator = Vec::new();
            unescape(value.trim_ascii_start(), &mut separator);
            if separator.is_empty() || separator.len() > SEPARATOR_BYTES_MAX {
                return Err(RowError::Header { header: "#separator" });
            }
            self.separator = separator;
            return Ok(());
        }
        let mut parts = split(header, &self.separator);
        let name = parts.next().unwrap_or_default();
        match name {
            b"set_separator" => self.set_separator = one_value(parts, "#set_separator")?,
            b"empty_field" => self.empty_field = one_value(parts, "#empty_field")?,
            b"unset_field" => self.unset_field = one_value(parts, "#unset_field")?,
            b"path" => {
                let path = one_value(parts, "#path")?;
                self.path = String::from_utf8(path).ok().filter(|path| path.len() <= PATH_BYTES_MAX);
            }
            b"fields" => self.columns = columns_of(parts)?,
            b"types" => {
                let actual = parts.clone().take(COLUMNS_MAX + 1).count();
                if actual != self.columns.len() {
                    return Err(RowError::TypeCount { expected: self.columns.len(), actual });
                }
                for (column, name) in self.columns.iter_mut().zip(parts) {
                    column.shape = Shape::of(name);
                }
            }
            // `#open`, `#close` and whatever comes later say nothing about rows.
            _ => {}
        }
        Ok(())
    }

    fn write_row(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), RowError> {
        if self.columns.is_empty() {
            return Err(RowError::NoHeader);
        }
        let mut values = split(line, &self.separator);
        out.push(b'{');
        for (at, column) in self.columns.iter().enumerate() {
            let Some(value) = values.next() else {
                return Err(RowError::ColumnCount { expected: self.columns.len(), actual: at });
            };
            if value == self.unset_field {
                continue;
            }
            let (element, many) = match column.shape {
                Shape::One(element) => (element, false),
                Shape::Many(element) => (element, true),
            };
            // Zeek never leaves a number empty, other writers do; there is nothing to write then.
            if value.is_empty() && !many && !matches!(element, Element::Text) {
                continue;
            }
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(&column.key);
            let written = if many {
                write_elements(
                    value,
                    element,
                    &self.set_separator,
                    &self.empty_field,
                    &self.unset_field,
                    &mut self.decoded,
                    out,
                )
            } else if value == self.empty_field && matches!(element, Element::Text) {
                out.extend_from_slice(b"\"\"");
                Ok(())
            } else {
                element.write(value, &mut self.decoded, out)
            };
            written.map_err(|NotOfType| RowError::Value {
                column: quote(column.name.as_bytes()),
                value: quote(value),
                expected: element.name(),
            })?;
        }
        let surplus = values.count();
        if surplus > 0 {
            return Err(RowError::ColumnCount {
                expected: self.columns.len(),
                actual: self.columns.len() + surplus,
            });
        }
        out.push(b'}');
        Ok(())
    }
}

/// A value is not what its column's type says.
struct NotOfType;

fn write_elements(
    value: &[u8],
    element: Element,
    set_separator: &[u8],
    empty_field: &[u8],
    unset_field: &[u8],
    decoded: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), NotOfType> {
    out.push(b'[');
    if value != empty_field && !value.is_empty() {
        for (at, part) in split(value, set_separator).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            if part == unset_field {
                out.extend_from_slice(b"null");
            } else if part == empty_field && matches!(element, Element::Text) {
                out.extend_from_slice(b"\"\"");
            } else {
                element.write(part, decoded, out)?;
            }
        }
    }
    out.push(b']');
    Ok(())
}

impl Shape {
    fn of(name: &[u8]) -> Self {
        // Bro before 2.6 wrote `table` for a set.
        for container in [&b"set["[..], b"vector[", b"table["] {
            if let Some(inside) = name.strip_prefix(container).and_then(|rest| rest.strip_suffix(b"]")) {
                return Self::Many(Element::of(inside));
            }
        }
        Self::One(Element::of(name))
    }
}

impl Element {
    fn of(name: &[u8]) -> Self {
        match name {
            b"time" | b"interval" | b"double" => Self::Number,
            b"count" | b"int" | b"port" | b"counter" => Self::Integer,
            b"bool" => Self::Bool,
            _ => Self::Text,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Bool => "boolean",
            Self::Text => "text",
        }
    }

    fn write(self, value: &[u8], decoded: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), NotOfType> {
        match self {
            Self::Number if is_json_number(value) => out.extend_from_slice(value),
            // JSON has no such numbers; Zeek's writer puts null.
            Self::Number if matches!(value, b"nan" | b"-nan" | b"inf" | b"-inf") => {
                out.extend_from_slice(b"null")
            }
            Self::Integer if is_json_integer(value) => out.extend_from_slice(value),
            Self::Bool if value == b"T" => out.extend_from_slice(b"true"),
            Self::Bool if value == b"F" => out.extend_from_slice(b"false"),
            Self::Text => write_text(value, decoded, out),
            _ => return Err(NotOfType),
        }
        Ok(())
    }
}

fn write_text(value: &[u8], decoded: &mut Vec<u8>, out: &mut Vec<u8>) {
    out.push(b'"');
    let plain = |byte: &u8| matches!(byte, 0x20..0x7f) && *byte != b'\\' && *byte != b'"';
    if value.iter().all(plain) {
        out.extend_from_slice(value);
    } else {
        decoded.clear();
        unescape(value, decoded);
        for chunk in decoded.utf8_chunks() {
            write_valid_text(chunk.valid(), out);
            for &byte in chunk.invalid() {
                write_byte_as_text(byte, out);
            }
        }
    }
    out.push(b'"');
}

/// Writes text, with the control characters that have no short escape as `\xNN`.
fn write_valid_text(text: &str, out: &mut Vec<u8>) {
    let is_bare_control =
        |char: char| char.is_ascii_control() && !matches!(char, '\u{8}' | '\u{c}' | '\n' | '\r' | '\t');
    for part in text.split_inclusive(is_bare_control) {
        match part.chars().next_back() {
            Some(last) if is_bare_control(last) => {
                write_escaped(out, &part[..part.len() - 1]);
                write_byte_as_text(last as u8, out);
            }
            _ => write_escaped(out, part),
        }
    }
}

fn write_byte_as_text(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\\\x");
    write_hex(out, byte);
}

fn columns_of<'a>(names: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Column>, RowError> {
    let mut columns = Vec::new();
    for name in names {
        if columns.len() == COLUMNS_MAX {
            return Err(RowError::TooManyColumns { max: COLUMNS_MAX });
        }
        let name = String::from_utf8_lossy(name).into_owned();
        let mut key = Vec::with_capacity(name.len() + 3);
        write_string(&mut key, &name);
        key.push(b':');
        // Until `#types` says more, a column is text.
        columns.push(Column { name, key, shape: Shape::One(Element::Text) });
    }
    Ok(columns)
}

fn one_value<'a>(
    mut parts: impl Iterator<Item = &'a [u8]>,
    header: &'static str,
) -> Result<Vec<u8>, RowError> {
    let mut value = Vec::new();
    unescape(parts.next().unwrap_or_default(), &mut value);
    if value.is_empty() { Err(RowError::Header { header }) } else { Ok(value) }
}

/// Takes `\xNN` escapes away; any other backslash stands for itself.
fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        match rest[at..] {
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex_value(high) << 4 | hex_value(low));
                rest = &rest[at + 4..];
            }
            _ => {
                out.push(b'\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.extend_from_slice(rest);
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Splits at every separator, which is not empty.
fn split<'a>(text: &'a [u8], separator: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + Clone {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let at = match separator {
            [byte] => memchr::memchr(*byte, text),
            _ => memchr::memmem::find(text, separator),
        };
        match at {
            Some(at) => {
                rest = Some(&text[at + separator.len()..]);
                Some(&text[..at])
            }
            None => {
                rest = None;
                Some(text)
            }
        }
    })
}

fn is_json_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [] => false,
        [b'0'] => true,
        [b'0', ..] => false,
        _ => digits.iter().all(u8::is_ascii_digit),
    }
}

fn is_json_number(text: &[u8]) -> bool {
    let exponent_at = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = match exponent_at {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let point_at = memchr::memchr(b'.', mantissa);
    let (whole, fraction) = match point_at {
        Some(at) => (&mantissa[..at], Some(&mantissa[at + 1..])),
        None => (mantissa, None),
    };
    let all_digits = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_json_integer(whole)
        && fraction.is_none_or(all_digits)
        && exponent.is_none_or(|exponent| match exponent {
            [b'+' | b'-', digits @ ..] => all_digits(digits),
            digits => all_digits(digits),
        })
}

/// Shortens a hostile text and escapes it for a message.
fn quote(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(QUOTE_CHARS_MAX * 4)]).into_owned();
    let mut chars = text.chars();
    let mut quoted: String = chars.by_ref().take(QUOTE_CHARS_MAX).flat_map(char::escape_default).collect();
    if chars.next().is_some() {
        quoted.push('…');
    }
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str =
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tt\n";

    /// Reads a log and returns its events and errors, one a line.
    fn check(log: &str, expect: &[&str]) {
        check_bytes(log.as_bytes(), expect);
    }

    fn check_bytes(log: &[u8], expect: &[&str]) {
        let mut zeek = ZeekTsv::new();
        let mut out = Vec::new();
        let mut actual = Vec::new();
        for line in log.split(|byte| *byte == b'\n') {
            match zeek.take_line(line, &mut out) {
                Ok(true) => {
                    serde_json::from_slice::<serde_json::Value>(&out).unwrap();
                    actual.push(String::from_utf8(out.clone()).unwrap());
                }
                Ok(false) => {}
                Err(error) => actual.push(error.to_string()),
            }
        }
        assert_eq!(actual, expect);
    }

    #[test]
    fn every_type_becomes_what_zeek_itself_would_write() {
        let log = format!(
            "{HEADER}#fields\tts\tid.orig_h\tp\tn\tok\ts\tset\tv\td\tempty\n\
             #types\ttime\taddr\tport\tcount\tbool\tstring\tset[enum]\tvector[interval]\tdouble\tset[string]\n\
             1379288667.706265\t192.0.2.1\t80\t0\tT\ta \"b\"\tX,Y\t1.500000,-,2.0\t-0.5\t(empty)\n\
             0.000000\tfe80::1\t0\t18446744073709551615\tF\t(empty)\t-\t1e-5\tnan\tx"
        );
        check(
            &log,
            &[
                r#"{"ts":1379288667.706265,"id.orig_h":"192.0.2.1","p":80,"n":0,"ok":true,"s":"a \"b\"","set":["X","Y"],"v":[1.500000,null,2.0],"d":-0.5,"empty":[]}"#,
                r#"{"ts":0.000000,"id.orig_h":"fe80::1","p":0,"n":18446744073709551615,"ok":false,"s":"","v":[1e-5],"d":null,"empty":["x"]}"#,
            ],
        );
    }

    #[test]
    fn unset_fields_are_left_out_and_an_escaped_dash_is_a_dash() {
        let log = format!("{HEADER}#fields\ta\tb\n#types\tstring\tcount\n-\t-\n\\x2d\t1");
        check(&log, &["{}", r#"{"a":"-","b":1}"#]);
    }

    #[test]
    fn escapes_are_decoded_and_bytes_beyond_utf8_stay_readable() {
        let log = format!(
            "{HEADER}#fields\ta\tb\n#types\tstring\tset[string]\nc3:\\xc3\\xa9 ff:\\xff 01:\\x01 09:\\x09 \\y \\x4\tx\\x2cy,z"
        );
        check(&log, &[r#"{"a":"c3:é ff:\\xff 01:\\x01 09:\t \\y \\x4","b":["x,y","z"]}"#]);
        check_bytes(b"#fields\ta\nraw:\xc3\xa9 \xfe", &[r#"{"a":"raw:é \\xfe"}"#]);
    }

    #[test]
    fn wrong_column_count_is_an_error_of_that_row_only() {
        let log = format!("{HEADER}#fields\ta\tb\n#types\tcount\tcount\n1\n1\t2\t3\t4\n1\t2");
        check(
            &log,
            &[
                "row has 1 columns, header \"#fields\" names 2",
                "row has 4 columns, header \"#fields\" names 2",
                r#"{"a":1,"b":2}"#,
            ],
        );
    }

    #[test]
    fn value_of_another_type_is_an_error_with_its_text_escaped() {
        let log = format!("{HEADER}#fields\ta\n#types\tcount\n1\u{1b}[31m\n007");
        check(
            &log,
            &[
                "value \"1\\u{1b}[31m\" of column \"a\" is not of type integer",
                "value \"007\" of column \"a\" is not of type integer",
            ],
        );
    }

    #[test]
    fn headers_that_come_again_count_from_there_on() {
        let log = "#separator \\x09\n#fields\ta\n#types\tcount\n1\n#close\t2014\n#separator \\x7c\n#path|p\n#fields|b|c\n#types|string|bool\nx|T";
        check(log, &[r#"{"a":1}"#, r#"{"b":"x","c":true}"#]);
    }

    #[test]
    fn broken_headers_are_errors_and_bounded() {
        check("1\t2", &["row comes before a header \"#fields\""]);
        check(
            "#fields\ta\tb\n#types\tcount\nx\ty",
            &["header \"#types\" has 1 columns, header \"#fields\" has 2", r#"{"a":"x","b":"y"}"#],
        );
        check("#separator", &["header \"#separator\" has no usable value"]);
        let wide = format!("#fields{}", "\ta".repeat(COLUMNS_MAX + 1));
        check(&wide, &["header \"#fields\" names more than 4096 columns"]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_every_event_is_json(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..10)
        ) {
            let mut zeek = ZeekTsv::new();
            let mut out = Vec::new();
            for line in lines {
                if zeek.take_line(&line, &mut out) == Ok(true) {
                    prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
                }
            }
        }

        #[test]
        fn near_logs_never_panic_and_every_event_is_json(
            lines in prop::collection::vec("(#separator |#fields|#types|#set_separator|#path|)([\t,]|\\\\x|2c|set\\[|count\\]?|bool|time|T|-|1|\\.|e|\\(empty\\)|a|\u{7f}|\"){0,12}", 0..12)
        ) {
            let mut zeek = ZeekTsv::new();
            let mut out = Vec::new();
            for line in lines {
                if zeek.take_line(line.as_bytes(), &mut out) == Ok(true) {
                    prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
                }
            }
        }

        #[test]
        fn text_that_zeek_escaped_is_read_back(text in "\\PC{1,20}") {
            let escaped: String = text.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
            let mut zeek = ZeekTsv::new();
            let mut out = Vec::new();
            zeek.take_line(b"#fields\ta", &mut out).unwrap();
            zeek.take_line(escaped.as_bytes(), &mut out).unwrap();
            let event: serde_json::Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(event["a"].as_str(), Some(text.as_str()));
        }
    }
}
