//! REPLACE: every occurrence of a text by another.

use types::EvalError;

use super::bounded::{TEXT_BYTES_MAX, too_long};
use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![Scalar::new("REPLACE", "STRING", "Replaces every occurrence of a text by another.").overload(
        "(STRING, STRING, STRING) → STRING",
        lift!(|text: &str, old: &str, new: &str| replace(text, old, new)),
    )]
}

fn replace(text: &str, old: &str, new: &str) -> Result<String, EvalError> {
    let count = if new.len() > old.len() { text.matches(old).count() } else { 0 };
    if text.len() + count.saturating_mul(new.len()) > TEXT_BYTES_MAX.max(text.len()) {
        return Err(too_long("REPLACE"));
    }
    Ok(text.replace(old, new))
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, fails};

    #[test]
    fn occurrences_are_replaced() {
        cases!("REPLACE":
            ("foobar", "foo", "bar") => "barbar";
            ("a.b.c", ".", "") => "abc";
            ("ab", "", "-") => "-a-b-";
            (NULL, "a", "b") => NULL;
            ("a", NULL, "b") => NULL;
        );
    }

    #[test]
    fn result_beyond_the_bound_is_an_error() {
        fails!("REPLACE": ("a".repeat(10_000), "a", "b".repeat(10_000)););
    }
}
