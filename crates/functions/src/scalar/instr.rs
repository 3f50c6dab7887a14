//! INSTR: where a text occurs, counted from 1; 0 if it does not.

use memchr::memmem;

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
    let found = nth.checked_sub(1).and_then(|nth| place(text, part, from, usize::try_from(nth).ok()?));
    found.map_or(0, |at| i32::try_from(at + 1).unwrap_or(i32::MAX))
}

/// The characters before an occurrence. Bytes are searched: in UTF-8 a character is found nowhere but at a character.
fn place(text: &str, part: &str, from: i32, nth: usize) -> Option<usize> {
    let chars = Chars { text, are_bytes: text.is_ascii() };
    let count = chars.before(text.len());
    let from = i64::from(from);
    let is_backwards = from < 0;
    let start = usize::try_from(if is_backwards { count as i64 + from } else { from - 1 }).ok()?;
    if start > count {
        return None;
    }
    if part.is_empty() {
        return if is_backwards {
            start.checked_sub(nth)
        } else {
            Some(start + nth).filter(|at| *at <= count)
        };
    }
    let (bytes, part) = (text.as_bytes(), part.as_bytes());
    let at = if is_backwards {
        let end = (chars.byte(start) + part.len()).min(bytes.len());
        match nth {
            0 => memmem::rfind(&bytes[..end], part)?,
            _ => {
                let reversed: Vec<u8> = part.iter().rev().copied().collect();
                end - nth_overlapping(bytes[..end].iter().rev(), &reversed, nth)?
            }
        }
    } else {
        let start = chars.byte(start);
        match nth {
            0 => start + memmem::find(&bytes[start..], part)?,
            _ => start + nth_overlapping(bytes[start..].iter(), part, nth)? - part.len(),
        }
    };
    Some(chars.before(at))
}

/// Where the nth occurrence, counted from 0, ends: each byte is looked at about twice, however often the part begins.
fn nth_overlapping<'b>(bytes: impl Iterator<Item = &'b u8>, part: &[u8], nth: usize) -> Option<usize> {
    let prefixes = prefixes(part);
    let (mut matched, mut left) = (0, nth);
    for (at, &byte) in bytes.enumerate() {
        matched = longer(part, &prefixes, matched, byte);
        if matched == part.len() {
            if left == 0 {
                return Some(at + 1);
            }
            left -= 1;
            matched = prefixes[matched - 1];
        }
    }
    None
}

/// For each byte of a part how much of the part, but not all, also ends there (Knuth, Morris and Pratt).
fn prefixes(part: &[u8]) -> Vec<usize> {
    let mut prefixes = vec![0; part.len()];
    for at in 1..part.len() {
        prefixes[at] = longer(part, &prefixes, prefixes[at - 1], part[at]);
    }
    prefixes
}

/// How much of the part is matched with one more byte; not all of it was before.
fn longer(part: &[u8], prefixes: &[usize], mut matched: usize, byte: u8) -> usize {
    while matched > 0 && part[matched] != byte {
        matched = prefixes[matched - 1];
    }
    matched + usize::from(part[matched] == byte)
}

/// Places of characters in a text.
struct Chars<'t> {
    text: &'t str,
    are_bytes: bool,
}

impl Chars<'_> {
    /// How many are before a byte.
    fn before(&self, byte: usize) -> usize {
        if self.are_bytes { byte } else { self.text[..byte].chars().count() }
    }

    /// The first byte of one.
    fn byte(&self, char: usize) -> usize {
        if self.are_bytes {
            return char;
        }
        self.text.char_indices().nth(char).map_or(self.text.len(), |(at, _)| at)
    }
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
            ("a", "a", 1, i32::MIN) => 0;
            ("aaaa", "aa", 1, 3) => 3;
            ("aaaa", "aa", -1, 3) => 1;
            ("\u{e4}b\u{e4}b", "b\u{e4}", -1) => 2;
            ("ab", "", 3) => 3;
        );
    }

    /// Both texts come from records: the time must not be their lengths multiplied.
    #[test]
    fn long_texts_that_nearly_match_take_no_time() {
        let (text, part) = ("a".repeat(4 << 20), "a".repeat(1 << 20) + "b");
        cases!("INSTR":
            (text.as_str(), part.as_str()) => 0;
            (text.as_str(), part.as_str(), -1) => 0;
            (text.as_str(), part.as_str(), 1, 2) => 0;
            (text.as_str(), &part[..1 << 20], -1, 1000) => (3 << 20) - 998;
        );
    }

    /// The definition: at each place, all characters.
    fn model(text: &str, part: &str, from: i32, nth: i32) -> i32 {
        let (text, part): (Vec<char>, Vec<char>) = (text.chars().collect(), part.chars().collect());
        let is_there = |at: &usize| text[*at..].starts_with(&part);
        let all: Vec<usize> = (0..=text.len()).filter(is_there).collect();
        let nth = nth as usize - 1;
        let found = match from {
            0 => None,
            1.. => all.into_iter().filter(|at| *at + 1 >= from as usize).nth(nth),
            _ => match usize::try_from(text.len() as i32 + from) {
                Ok(start) => all.into_iter().rev().filter(|at| *at <= start).nth(nth),
                Err(_) => None,
            },
        };
        found.map_or(0, |at| at as i32 + 1)
    }

    proptest::proptest! {
        #[test]
        fn places_are_those_of_the_definition(text in "[ab\u{e4}]{0,12}", part in "[ab\u{e4}]{0,3}", from in -14..14i32, nth in 1..5i32) {
            proptest::prop_assert_eq!(super::instr(&text, &part, from, nth), model(&text, &part, from, nth));
        }
    }
}
