//! Keys and values between their bytes and their text in scenario files.
//!
//! ```text
//! null              none
//! 'any text'        these characters, even `null` or none at all
//! int(5) bigint(5) double(1.5)     Kafka's serializers: 4 or 8 bytes, big endian
//! hex(00ff)         any bytes
//! anything else     the text itself
//! ```

use std::fmt::Write as _;

/// The bytes that a text stands for; the outer `None`: it cannot be read.
pub(crate) fn parse(text: &str) -> Option<Option<Vec<u8>>> {
    if text == "null" {
        return Some(None);
    }
    if text.len() >= 2 && text.starts_with('\'') && text.ends_with('\'') {
        return Some(Some(text[1..text.len() - 1].into()));
    }
    let inner = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    let found = if let Some(number) = inner("int") {
        number.parse::<i32>().ok()?.to_be_bytes().into()
    } else if let Some(number) = inner("bigint") {
        number.parse::<i64>().ok()?.to_be_bytes().into()
    } else if let Some(number) = inner("double") {
        number.parse::<f64>().ok()?.to_be_bytes().into()
    } else if let Some(digits) = inner("hex") {
        from_hex(digits)?
    } else {
        text.into()
    };
    Some(Some(found))
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).ok()).collect()
}

/// The text that [`parse`] takes for these bytes. Safe for a terminal.
pub(crate) fn show(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "null".into() };
    if let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.chars().all(is_harmless)) {
        let is_plain = text.trim() == text
            && !text.contains(" | ")
            && !text.starts_with(['\'', '@', '+', '|'])
            && !text.ends_with(']')
            && parse(text).is_some_and(|back| back.as_deref() == Some(bytes));
        let is_json = text.starts_with(['{', '[']) && !text.contains(" | ");
        return if (is_plain || is_json) && !text.is_empty() { text.to_owned() } else { format!("'{text}'") };
    }
    if let Ok(number) = bytes.try_into().map(i32::from_be_bytes) {
        return format!("int({number})");
    }
    if let Ok(number) = bytes.try_into().map(i64::from_be_bytes) {
        // Doubles of a usual size have a high exponent, whole numbers of a usual size do not.
        let double = f64::from_be_bytes(number.to_be_bytes());
        let is_double = number.unsigned_abs() > 1 << 55 && (1e-30..1e30).contains(&double.abs());
        return if is_double { format!("double({double})") } else { format!("bigint({number})") };
    }
    let mut text = String::from("hex(");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text + ")"
}

/// Whether a character neither moves the cursor nor reorders the line.
fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A text with the characters that could fool a terminal replaced; line ends stay.
pub(crate) fn neutral(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || is_harmless(c) { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_gives_its_bytes() {
        assert_eq!(parse("null"), Some(None));
        assert_eq!(parse("'null'"), Some(Some(b"null".to_vec())));
        assert_eq!(parse("''"), Some(Some(vec![])));
        assert_eq!(parse("int(1)"), Some(Some(vec![0, 0, 0, 1])));
        assert_eq!(parse("hex(00fF)"), Some(Some(vec![0, 255])));
        assert_eq!(parse("hex(0)"), None);
        assert_eq!(parse("bigint(x)"), None);
    }

    proptest::proptest! {
        #[test]
        fn shown_bytes_are_read_back(bytes in proptest::option::of(proptest::collection::vec(proptest::num::u8::ANY, 0..20))) {
            let text = show(bytes.as_deref());
            proptest::prop_assert_eq!(parse(&text), Some(bytes), "{}", text);
        }
    }
}
