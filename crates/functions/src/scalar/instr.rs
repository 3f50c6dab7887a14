//! INSTR: where a text occurs, counted from 1; 0 if it does not.

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("INSTR", "STRING", "Returns the position of a text in another, 0 if it does not occur.")
            .overload("(STRING, STRING) → INT", lift!(|text: &str, part: &str| instr(text, part, 1, 1)))
            .overload(
                "(STRING, STRING, INT) → INT",
                lift!(|text: &str, part: &str, from: i32| instr(text, part, from, 1)),
            )
            .overload(
                "(STRING, STRING, INT, INT) → INT",
                lift!(|text: &str, part: &str, from: i32, nth: i32| instr(text, part, from, nth)),
            ),
    ]
}

/// A negative `from` counts from the end and searches backwards. Occurrences may overlap.
fn instr(text: &str, part: &str, from: i32, nth: i32) -> i32 {
    let text: Vec<char> = text.chars().collect();
    let part: Vec<char> = part.chars().collect();
    let (Ok(nth), Some(last)) = (usize::try_from(nth - 1), text.len().checked_sub(part.len())) else {
        return 0;
    };
    let occurs = |at: &usize| text[*at..].starts_with(&part);
    let from = i64::from(from);
    let found = if from < 0 {
        let Ok(start) = usize::try_from(text.len() as i64 + from) else { return 0 };
        (0..=start.min(last)).rev().filter(occurs).nth(nth)
    } else {
        let Ok(start) = usize::try_from(from - 1) else { return 0 };
        (start..=last).filter(occurs).nth(nth)
    };
    found.map_or(0, |at| i32::try_from(at + 1).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases};

    #[test]
    fn occurrence_is_found_from_either_end() {
        cases!("INSTR":
            ("corporate floor", "or") => 2;
            ("corporate floor", "or", 3) => 5;
            ("corporate floor", "or", 3, 2) => 14;
            ("corporate floor", "or", -3) => 5;
            ("corporate floor", "or", -3, 2) => 2;
            ("corporate floor", "or", -100) => 0;
            ("short", "or", 4, 2) => 0;
            ("short", "or", 1, 0) => 0;
            ("short", "or", 1, i32::MIN + 1) => 0;
            ("a", "abc") => 0;
            (NULL, "a") => NULL;
        );
    }
}
