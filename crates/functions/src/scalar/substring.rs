//! SUBSTRING: from a position that counts from 1, or from the end if it is negative.

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("SUBSTRING", "STRING", "Returns the part from a position on, with at most that length.")
            .overload("(STRING, INT) → STRING", lift!(|text: &str, at: i32| substring(text, at, None)))
            .overload(
                "(STRING, INT, INT) → STRING",
                lift!(|text: &str, at: i32, length: i32| substring(text, at, Some(length))),
            )
            .overload("(BYTES, INT) → BYTES", lift!(|bytes: &[u8], at: i32| subbytes(bytes, at, None)))
            .overload(
                "(BYTES, INT, INT) → BYTES",
                lift!(|bytes: &[u8], at: i32, length: i32| subbytes(bytes, at, Some(length))),
            ),
    ]
}

fn substring(text: &str, at: i32, length: Option<i32>) -> &str {
    let (start, end) = range(text.chars().count(), at, length);
    let byte_at = |chars: usize| text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at);
    &text[byte_at(start)..byte_at(end)]
}

fn subbytes(bytes: &[u8], at: i32, length: Option<i32>) -> Vec<u8> {
    let (start, end) = range(bytes.len(), at, length);
    bytes[start..end].to_vec()
}

/// Positions outside are moved to the nearest end.
fn range(count: usize, at: i32, length: Option<i32>) -> (usize, usize) {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let at = i64::from(at);
    let start = if at < 0 { count + at } else { at - 1 }.clamp(0, count);
    let end = length.map_or(count, |length| (start + i64::from(length)).clamp(start, count));
    (start as usize, end as usize)
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases};

    #[test]
    fn part_is_cut_within_the_text() {
        cases!("SUBSTRING":
            ("stream", 1, 4) => "stre";
            ("stream", -3) => "eam";
            ("stream", -100, 2) => "st";
            ("stream", 0) => "stream";
            ("stream", 7) => "";
            ("stream", 3, -1) => "";
            ("äöü", 2, 1) => "ö";
            ("stream", i32::MIN, i32::MAX) => "stream";
            (b"abc".to_vec(), 2) => b"bc".to_vec();
            ("stream", NULL) => NULL;
        );
    }
}
