//! LCASE and UCASE.

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("LCASE", "STRING", "Returns the text in lower case.")
            .overload("(STRING) → STRING", lift!(|text: &str| text.to_lowercase())),
        Scalar::new("UCASE", "STRING", "Returns the text in upper case.")
            .overload("(STRING) → STRING", lift!(|text: &str| text.to_uppercase())),
    ]
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases};

    #[test]
    fn case_is_changed() {
        cases!("LCASE": ("MiXeD Ä") => "mixed ä"; (NULL) => NULL;);
        cases!("UCASE": ("MiXeD ß") => "MIXED SS"; (NULL) => NULL;);
    }
}
