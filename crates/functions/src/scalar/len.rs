//! LEN: the number of characters or bytes.
//!
//! Unlike ksqlDB, a character is a code point and not half of a UTF-16 pair, here and in every other
//! function that counts characters.

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("LEN", "STRING", "Returns the number of characters or bytes.")
            .overload("(STRING) → INT", lift!(|text: &str| length(text.chars().count())))
            .overload("(BYTES) → INT", lift!(|bytes: &[u8]| length(bytes.len()))),
    ]
}

fn length(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use crate::testing::{call, cases, value};
    use types::Value;

    #[test]
    fn characters_and_bytes_are_counted() {
        cases!("LEN": ("abc") => 3; ("") => 0; ("äö") => 2; (vec![1u8, 2]) => 2;);
        assert_eq!(call("LEN", &[value("x")]), Ok(Value::Int(1)));
    }
}
