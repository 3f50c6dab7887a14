//! URL_ENCODE_PARAM and URL_DECODE_PARAM: `application/x-www-form-urlencoded`, as Java's URLEncoder.

use types::EvalError;

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("URL_DECODE_PARAM", "URL", "Decodes a URL parameter.")
            .overload("(STRING) → STRING", lift!(|text: &str| decode(text, true))),
        Scalar::new("URL_ENCODE_PARAM", "URL", "Encodes a text as URL parameter.")
            .overload("(STRING) → STRING", lift!(|text: &str| encode(text))),
    ]
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(byte.into()),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Decodes `%41`, and `+` as a blank if so asked.
pub(super) fn decode(text: &str, is_plus_blank: bool) -> Result<String, EvalError> {
    let malformed = || EvalError::new(format!("malformed escape in URL part \"{text}\""));
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' if is_plus_blank => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (high, low) = (digit().ok_or_else(malformed)?, digit().ok_or_else(malformed)?);
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, fails};

    #[test]
    fn parameters_are_encoded_and_decoded() {
        cases!("URL_ENCODE_PARAM": ("?a $b") => "%3Fa+%24b"; ("ä*") => "%C3%A4*"; (NULL) => NULL;);
        cases!("URL_DECODE_PARAM": ("%3Fa+%24b") => "?a $b"; ("%c3%a4") => "ä"; ("x") => "x";);
        fails!("URL_DECODE_PARAM": ("%"); ("%4"); ("%zz"););
    }
}
