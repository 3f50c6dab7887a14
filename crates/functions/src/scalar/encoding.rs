//! ENCODE, FROM_BYTES and TO_BYTES: text in the encodings hex, utf8, ascii and base64.

use types::{EvalError, Value};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("ENCODE", "STRING", "Changes a text from one encoding to another.").overload(
            "(STRING, STRING, STRING) → STRING",
            lift!(|text: &str, from: &str, to: &str| {
                let (from, to) = (Encoding::of(from)?, Encoding::of(to)?);
                let bytes = if matches!(from, Encoding::Hex) { hex_literal(text) } else { from.decode(text) };
                to.encode(&bytes?, "0123456789abcdef")
            }),
        ),
        Scalar::new("FROM_BYTES", "STRING", "Writes bytes as text in an encoding.").overload(
            "(BYTES, STRING) → STRING",
            lift!(|bytes: &[u8], to: &str| Encoding::of(to)?.encode(bytes, "0123456789ABCDEF")),
        ),
        Scalar::new("TO_BYTES", "STRING", "Reads a text in an encoding as bytes.").overload(
            "(STRING, STRING) → BYTES",
            lift!(|text: &str, from: &str| Encoding::of(from)?.decode(text).map(Value::bytes)),
        ),
    ]
}

enum Encoding {
    Hex,
    Utf8,
    Ascii,
    Base64,
}

impl Encoding {
    fn of(name: &str) -> Result<Self, EvalError> {
        match name.to_ascii_lowercase().as_str() {
            "hex" => Ok(Self::Hex),
            "utf8" => Ok(Self::Utf8),
            "ascii" => Ok(Self::Ascii),
            "base64" => Ok(Self::Base64),
            _ => Err(EvalError::new(format!(
                "unknown encoding \"{name}\", expected hex, utf8, ascii or base64"
            ))),
        }
    }

    /// As Java, `?` stands for what ASCII does not have.
    fn decode(&self, text: &str) -> Result<Vec<u8>, EvalError> {
        match self {
            Self::Hex => hex_bytes(text).ok_or_else(|| malformed("hex")),
            Self::Utf8 => Ok(text.as_bytes().to_vec()),
            Self::Ascii => Ok(text.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' }).collect()),
            Self::Base64 => STANDARD.decode(text).map_err(|_| malformed("base64")),
        }
    }

    fn encode(&self, bytes: &[u8], hex_digits: &str) -> Result<String, EvalError> {
        let digit = |at: u8| char::from(hex_digits.as_bytes()[usize::from(at & 15)]);
        Ok(match self {
            Self::Hex => bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect(),
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Ascii => {
                let ascii = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '\u{fffd}' };
                bytes.iter().map(ascii).collect()
            }
            Self::Base64 => STANDARD.encode(bytes),
        })
    }
}

fn malformed(encoding: &str) -> EvalError {
    EvalError::new(format!("text is not {encoding}"))
}

/// ENCODE also reads `0x1f` (an odd number of digits gets a leading zero) and `X'1f'`.
fn hex_literal(text: &str) -> Result<Vec<u8>, EvalError> {
    let bytes = if let Some(digits) = text.strip_prefix("0x") {
        if digits.len() % 2 == 1 { hex_bytes(&format!("0{digits}")) } else { hex_bytes(digits) }
    } else if let Some(quoted) = text.strip_prefix("X'").or_else(|| text.strip_prefix("x'")) {
        quoted.strip_suffix('\'').and_then(hex_bytes)
    } else {
        hex_bytes(text)
    };
    bytes.ok_or_else(|| malformed("hex"))
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match *pair {
            [high, low] => Some((digit(high)? * 16 + digit(low)?) as u8),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, fails};

    #[test]
    fn encodings_are_changed() {
        cases!("ENCODE":
            ("48692D", "hex", "ascii") => "Hi-";
            ("0x48692d", "hex", "base64") => "SGkt";
            ("0x548", "hex", "ascii") => "\u{5}H";
            ("X'4869'", "hex", "utf8") => "Hi";
            ("x''", "hex", "utf8") => "";
            ("Hi-", "ascii", "hex") => "48692d";
            ("ä", "ascii", "utf8") => "?";
            ("c3a4", "hex", "ascii") => "\u{fffd}\u{fffd}";
            (NULL, "hex", "ascii") => NULL;
        );
        fails!("ENCODE":
            ("486", "hex", "ascii");
            ("x'48", "hex", "ascii");
            ("0x0x", "hex", "ascii");
            ("a", "rot13", "ascii");
            ("*", "base64", "ascii");
        );
    }

    #[test]
    fn bytes_and_text_are_converted() {
        cases!("FROM_BYTES": (vec![0x1au8, 0xb2], "hex") => "1AB2"; (b"!".to_vec(), "base64") => "IQ==";);
        cases!("TO_BYTES": ("1aB2", "HEX") => vec![0x1au8, 0xb2]; ("ä", "utf8") => "ä".as_bytes().to_vec(););
    }
}
