//! CHR: the character of a code point.

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("CHR", "STRING", "Returns the character of a code point, or of a text like \\u004b.")
            .overload(
                "(INT) → STRING",
                lift!(|point: i32| u32::try_from(point).ok().and_then(char::from_u32).map(String::from)),
            )
            .overload("(STRING) → STRING", lift!(|text: &str| from_escapes(text))),
    ]
}

/// Reads UTF-16 units written `\uXXXX`, one or a pair.
fn from_escapes(text: &str) -> Option<String> {
    let rest = text.strip_prefix("\\u")?;
    let units: Option<Vec<u16>> = rest
        .split("\\u")
        .map(|unit| {
            let is_hex = unit.len() == 4 && unit.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_hex { u16::from_str_radix(unit, 16).ok() } else { None }
        })
        .collect();
    String::from_utf16(&units?).ok()
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases};

    #[test]
    fn code_points_become_characters() {
        cases!("CHR":
            (75) => "K";
            (0x1f512) => "🔒";
            (-1) => NULL;
            (0xd800) => NULL;
            ("\\u004b") => "K";
            ("\\ud83d\\udd12") => "🔒";
            ("\\ud83d") => NULL;
            ("75") => NULL;
            ("\\u+04b") => NULL;
            ("") => NULL;
        );
    }
}
