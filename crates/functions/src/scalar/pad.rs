//! LPAD and RPAD: text or bytes of exactly a length, filled or cut.

use types::EvalError;

use super::bounded::{TEXT_BYTES_MAX, too_long};
use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("LPAD", "STRING", "Fills or cuts to a length, padding on the left.")
            .overload(
                "(STRING, INT, STRING) → STRING",
                lift!(|text: &str, length: i32, padding: &str| pad_text("LPAD", text, length, padding, true)),
            )
            .overload(
                "(BYTES, INT, BYTES) → BYTES",
                lift!(|bytes: &[u8], length: i32, padding: &[u8]| pad("LPAD", bytes, length, padding, true)),
            ),
        Scalar::new("RPAD", "STRING", "Fills or cuts to a length, padding on the right.")
            .overload(
                "(STRING, INT, STRING) → STRING",
                lift!(|text: &str, length: i32, padding: &str| pad_text(
                    "RPAD", text, length, padding, false
                )),
            )
            .overload(
                "(BYTES, INT, BYTES) → BYTES",
                lift!(|bytes: &[u8], length: i32, padding: &[u8]| pad("RPAD", bytes, length, padding, false)),
            ),
    ]
}

fn pad_text(
    name: &str,
    text: &str,
    length: i32,
    padding: &str,
    is_left: bool,
) -> Result<Option<String>, EvalError> {
    let (text, padding): (Vec<_>, Vec<_>) = (text.chars().collect(), padding.chars().collect());
    Ok(pad(name, &text, length, &padding, is_left)?.map(String::from_iter))
}

/// NULL for a negative length or an empty padding.
fn pad<T: Copy>(
    name: &str,
    items: &[T],
    length: i32,
    padding: &[T],
    is_left: bool,
) -> Result<Option<Vec<T>>, EvalError> {
    let Ok(length) = usize::try_from(length) else { return Ok(None) };
    if padding.is_empty() {
        return Ok(None);
    }
    if length > TEXT_BYTES_MAX / 4 {
        return Err(too_long(name));
    }
    let kept = &items[..items.len().min(length)];
    let filling = padding.iter().copied().cycle().take(length - kept.len());
    Ok(Some(if is_left {
        filling.chain(kept.iter().copied()).collect()
    } else {
        kept.iter().copied().chain(filling).collect()
    }))
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, fails};

    #[test]
    fn text_gets_its_length() {
        cases!("LPAD":
            ("foo", 7, "Bar") => "BarBfoo";
            ("foo", 2, "Bar") => "fo";
            ("foo", 0, "Bar") => "";
            ("foo", -1, "Bar") => NULL;
            ("foo", 4, "") => NULL;
            ("", 4, "ä") => "ääää";
            (b"yes".to_vec(), 5, b"no".to_vec()) => b"noyes".to_vec();
        );
        cases!("RPAD": ("foo", 7, "Bar") => "fooBarB"; ("foo", NULL, "x") => NULL;);
    }

    #[test]
    fn huge_length_is_an_error() {
        fails!("RPAD": ("a", i32::MAX, "b"););
    }
}
