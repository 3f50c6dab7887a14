//! SPLIT: the parts between delimiters.

use memchr::memmem;
use types::Value;

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("SPLIT", "STRING", "Splits at a delimiter; an empty one splits every character.")
            .overload(
                "(STRING, STRING) → ARRAY<STRING>",
                lift!(|text: &str, delimiter: &str| split(text, delimiter)),
            )
            .overload(
                "(BYTES, BYTES) → ARRAY<BYTES>",
                lift!(|bytes: &[u8], delimiter: &[u8]| split_bytes(bytes, delimiter)),
            ),
    ]
}

fn split(text: &str, delimiter: &str) -> Vec<Value> {
    if delimiter.is_empty() && !text.is_empty() {
        return text.chars().map(|c| Value::text(c.encode_utf8(&mut [0; 4]))).collect();
    }
    if text.is_empty() {
        return vec![Value::text("")];
    }
    let mut chars = delimiter.chars();
    match (chars.next(), chars.next()) {
        // The search for one character needs no preparation.
        (Some(delimiter), None) => text.split(delimiter).map(Value::text).collect(),
        _ => text.split(delimiter).map(Value::text).collect(),
    }
}

fn split_bytes(bytes: &[u8], delimiter: &[u8]) -> Vec<Value> {
    if delimiter.is_empty() && !bytes.is_empty() {
        return bytes.iter().map(|byte| Value::bytes([*byte])).collect();
    }
    let (mut parts, mut start) = (Vec::new(), 0);
    if !bytes.is_empty() {
        for at in memmem::find_iter(bytes, delimiter) {
            parts.push(Value::bytes(&bytes[start..at]));
            start = at + delimiter.len();
        }
    }
    parts.push(Value::bytes(&bytes[start..]));
    parts
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, list};

    #[test]
    fn text_is_split_and_empty_parts_are_kept() {
        cases!("SPLIT":
            ("a.b.c", ".") => list(["a", "b", "c"]);
            (".abc.", ".") => list(["", "abc", ""]);
            ("abc", "") => list(["a", "b", "c"]);
            ("", "") => list([""]);
            ("", ".") => list([""]);
            (NULL, ".") => NULL;
        );
    }

    #[test]
    fn long_bytes_that_nearly_match_take_no_time() {
        let (bytes, delimiter) = (vec![0u8; 4 << 20], [vec![0u8; 1 << 20], vec![1]].concat());
        cases!("SPLIT": (bytes.clone(), delimiter) => list([bytes.clone()]););
    }

    #[test]
    fn bytes_are_split() {
        cases!("SPLIT":
            (b"a--b-c".to_vec(), b"--".to_vec()) => list([b"a".to_vec(), b"b-c".to_vec()]);
            (b"ab".to_vec(), b"".to_vec()) => list([b"a".to_vec(), b"b".to_vec()]);
            (b"".to_vec(), b"".to_vec()) => list([b"".to_vec()]);
            (b"a-".to_vec(), b"-".to_vec()) => list([b"a".to_vec(), b"".to_vec()]);
            (b"---".to_vec(), b"--".to_vec()) => list([b"".to_vec(), b"-".to_vec()]);
            (b"".to_vec(), b"-".to_vec()) => list([b"".to_vec()]);
        );
    }
}
