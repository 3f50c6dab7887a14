//! Writing JSON text by hand: one object after another into a buffer that is used again.

/// Writes `text` as a JSON string, with its quotes.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

/// Writes the inside of a JSON string.
pub(crate) fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => {
                out.extend_from_slice(b"\\u00");
                write_hex(out, byte);
            }
        }
        written = at + 1;
    }
    out.extend_from_slice(&bytes[written..]);
}

/// Writes a byte as two hexadecimal digits.
pub(crate) fn write_hex(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(DIGITS[usize::from(byte >> 4)]);
    out.push(DIGITS[usize::from(byte & 15)]);
}

/// One JSON object under construction; fields appear in the order they are added.
pub(crate) struct ObjectText {
    out: Vec<u8>,
}

impl ObjectText {
    pub(crate) fn new() -> Self {
        Self { out: vec![b'{'] }
    }

    /// Adds a field whose value is already JSON text.
    pub(crate) fn raw(mut self, key: &str, json: &str) -> Self {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        write_string(&mut self.out, key);
        self.out.push(b':');
        self.out.extend_from_slice(json.as_bytes());
        self
    }

    pub(crate) fn text(self, key: &str, text: &str) -> Self {
        let mut value = Vec::with_capacity(text.len() + 2);
        write_string(&mut value, text);
        let value = String::from_utf8(value).expect("escaping keeps text valid UTF-8");
        self.raw(key, &value)
    }

    pub(crate) fn int(self, key: &str, number: i64) -> Self {
        self.raw(key, itoa::Buffer::new().format(number))
    }

    pub(crate) fn bool(self, key: &str, value: bool) -> Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    /// Adds a number of seconds given in microseconds, as Zeek's JSON writer prints it (`1.5`, `2.0`).
    pub(crate) fn seconds(self, key: &str, micros: i64) -> Self {
        self.raw(key, &seconds_text(micros))
    }

    pub(crate) fn texts(self, key: &str, texts: &[&str]) -> Self {
        let mut value = vec![b'['];
        for (at, text) in texts.iter().enumerate() {
            if at > 0 {
                value.push(b',');
            }
            write_string(&mut value, text);
        }
        value.push(b']');
        let value = String::from_utf8(value).expect("escaping keeps text valid UTF-8");
        self.raw(key, &value)
    }

    pub(crate) fn object(self, key: &str, object: ObjectText) -> Self {
        let value = object.finish();
        self.raw(key, &value)
    }

    pub(crate) fn finish(mut self) -> String {
        self.out.push(b'}');
        String::from_utf8(self.out).expect("keys and values were text")
    }
}

/// Prints microseconds as seconds without needless zeros, one digit after the point at least.
pub(crate) fn seconds_text(micros: i64) -> String {
    let whole = micros.div_euclid(1_000_000);
    let text = format!("{whole}.{:06}", micros.rem_euclid(1_000_000));
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_printed_as_zeek_prints_them() {
        assert_eq!(seconds_text(1_589_364_400_639_986), "1589364400.639986");
        assert_eq!(seconds_text(1_575_413_122_231_460), "1575413122.23146");
        assert_eq!(seconds_text(2_136_422_885_000_000), "2136422885.0");
    }

    #[test]
    fn strings_are_read_back_as_they_were() {
        let text = "C:\\a \"b\" \n\r\t\u{8}\u{c}\u{1}é\u{7f}";
        let mut out = Vec::new();
        write_string(&mut out, text);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}
