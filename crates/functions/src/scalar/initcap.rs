//! INITCAP: each word with a capital first letter.

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("INITCAP", "STRING", "Capitalises the first letter of each word and lowers the rest.")
            .overload("(STRING) → STRING", lift!(|text: &str| initcap(text))),
    ]
}

/// Words are parted by white space.
fn initcap(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_start = true;
    for c in text.chars() {
        if is_start {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        is_start = c.is_whitespace();
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases};

    #[test]
    fn words_are_capitalised_and_white_space_is_kept() {
        cases!("INITCAP":
            ("some_string") => "Some_string";
            ("a   Bc br0wn fOx") => "A   Bc Br0wn Fox";
            ("") => "";
            (NULL) => NULL;
        );
    }
}
