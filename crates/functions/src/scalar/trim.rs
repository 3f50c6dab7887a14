//! TRIM: without blanks and control characters at both ends, as Java's `String.trim`.

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("TRIM", "STRING", "Removes white space at both ends.")
            .overload("(STRING) → STRING", lift!(|text: &str| text.trim_matches(|c| c <= ' '))),
    ]
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases};

    #[test]
    fn ends_are_trimmed() {
        cases!("TRIM": (" \t a b \t") => "a b"; ("\u{a0}x") => "\u{a0}x"; ("  ") => ""; (NULL) => NULL;);
    }
}
