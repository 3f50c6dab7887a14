//! MASK, MASK_LEFT, MASK_RIGHT, MASK_KEEP_LEFT, MASK_KEEP_RIGHT: letters and digits made unreadable.
//!
//! Upper-case letters become `X`, lower-case ones `x`, digits `n`, all else `-`. The long forms name
//! the four replacements; NULL for one of them keeps that kind of character.

use types::{EvalError, Value};

use crate::adapter::lift;
use crate::function::Scalar;

/// What replaces each kind of character.
#[derive(Clone, Copy)]
struct Masks {
    upper: Option<char>,
    lower: Option<char>,
    digit: Option<char>,
    other: Option<char>,
}

const DEFAULT: Masks = Masks { upper: Some('X'), lower: Some('x'), digit: Some('n'), other: Some('-') };

/// Which characters of how many are masked.
type Masked = fn(usize, usize, usize) -> bool;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("MASK", "STRING", "Masks every character.")
            .overload("(STRING) → STRING", lift!(|text: &str| mask(text, DEFAULT, |_, _| true)))
            .overload(
                "(STRING, STRING, STRING, STRING, STRING) → STRING",
                lift!(|text: &str,
                       upper: Option<&str>,
                       lower: Option<&str>,
                       digit: Option<&str>,
                       other: Option<&str>| {
                    mask(text, masks(upper, lower, digit, other), |_, _| true)
                }),
            ),
        partial("MASK_LEFT", "Masks the first characters.", |at, n, _| at < n),
        partial("MASK_RIGHT", "Masks the last characters.", |at, n, count| at + n >= count),
        partial("MASK_KEEP_LEFT", "Masks all but the first characters.", |at, n, _| at >= n),
        partial("MASK_KEEP_RIGHT", "Masks all but the last characters.", |at, n, count| at + n < count),
    ]
}

fn partial(name: &'static str, description: &'static str, masked: Masked) -> Scalar {
    Scalar::new(name, "STRING", description)
        .overload(
            "(STRING, INT) → STRING",
            lift!(|text: &str, n: i32| mask_part(name, text, n, DEFAULT, masked)),
        )
        .overload(
            "(STRING, INT, STRING, STRING, STRING, STRING) → STRING",
            lift!(|text: &str,
                   n: i32,
                   upper: Option<&str>,
                   lower: Option<&str>,
                   digit: Option<&str>,
                   other: Option<&str>| {
                mask_part(name, text, n, masks(upper, lower, digit, other), masked)
            }),
        )
}

fn masks(upper: Option<&str>, lower: Option<&str>, digit: Option<&str>, other: Option<&str>) -> Masks {
    let first = |text: Option<&str>| text.and_then(|text| text.chars().next());
    Masks { upper: first(upper), lower: first(lower), digit: first(digit), other: first(other) }
}

fn mask_part(name: &str, text: &str, n: i32, masks: Masks, masked: Masked) -> Result<Value, EvalError> {
    let n = usize::try_from(n).map_err(|_| {
        EvalError::new(format!("number of characters for {name} must not be negative, was {n}"))
    })?;
    Ok(Value::text(mask(text, masks, |at, count| masked(at, n, count))))
}

fn mask(text: &str, masks: Masks, is_masked: impl Fn(usize, usize) -> bool) -> String {
    let count = text.chars().count();
    let masked = text.chars().enumerate().map(|(at, c)| if is_masked(at, count) { masks.of(c) } else { c });
    masked.collect()
}

impl Masks {
    fn of(self, c: char) -> char {
        let mask = if c.is_uppercase() {
            self.upper
        } else if c.is_lowercase() {
            self.lower
        } else if c.is_numeric() {
            self.digit
        } else {
            self.other
        };
        mask.unwrap_or(c)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, fails};

    #[test]
    fn kinds_of_characters_are_masked() {
        cases!("MASK":
            ("My Test $123") => "Xx-Xxxx--nnn";
            ("AbC-1", "Z", NULL, "9", NULL) => "ZbZ-9";
            (NULL, "a", "b", "c", "d") => NULL;
        );
    }

    #[test]
    fn only_the_named_part_is_masked() {
        cases!("MASK_LEFT": ("aB1-", 2) => "xX1-"; ("ab", 5) => "xx"; ("ab", 0) => "ab";);
        cases!("MASK_RIGHT": ("aB1-", 2) => "aBn-"; ("ab", 5) => "xx";);
        cases!("MASK_KEEP_LEFT": ("aB1-", 2) => "aBn-"; ("ab", 5) => "ab";);
        cases!("MASK_KEEP_RIGHT": ("aB1-", 2) => "xX1-"; ("aB1-", 1, "U", "l", NULL, NULL) => "lU1-";);
        fails!("MASK_LEFT": ("a", -1););
    }
}
