//! Java's regular expressions on an engine that runs in linear time.
//!
//! The syntax is translated where it differs (see `translate`). Look-around, back-references, possessive quantifiers and
//! atomic groups are refused: they need an engine that can be made to hang. Unlike Java's, `$` outside of `(?m)` does not match
//! before a line end that is the last of the text, as that would be look-around too.

mod translate;

use regex::{Regex, RegexBuilder};
use types::EvalError;

/// Bytes a compiled pattern may take.
const SIZE_MAX: usize = 1 << 20;
/// Length of a pattern in bytes.
const PATTERN_BYTES_MAX: usize = 8192;

/// Compiles a pattern in Java's syntax.
pub(crate) fn compile(pattern: &str) -> Result<Regex, EvalError> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(EvalError::new(format!("pattern is longer than {PATTERN_BYTES_MAX} bytes")));
    }
    let refused = |why: &str| EvalError::new(format!("pattern \"{pattern}\" is not supported: {why}"));
    let translated = translate::translate(pattern).map_err(refused)?;
    RegexBuilder::new(&translated)
        .size_limit(SIZE_MAX)
        .build()
        .map_err(|error| refused(error.to_string().lines().last().unwrap_or("invalid")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_to_java_are_translated() {
        let check = |pattern: &str, text: &str, expect: bool| {
            assert_eq!(compile(pattern).unwrap().is_match(text), expect, "{pattern} on {text:?}");
        };
        check(r"^\d+$", "123", true);
        check(r"^\d+$", "١٢٣", false);
        check(r"^[\w.-]+$", "a_b.c-d", true);
        check(r"^\w+$", "ä", false);
        check(r"^[^\s]+$", "a b", false);
        check(r"\bfoo\b", "a foo b", true);
        check(r"^\p{Alpha}\p{Digit}$", "a1", true);
        check(r"^[\p{Upper}x]+$", "AxB", true);
        check(r"^\P{Alpha}$", "1", true);
        check(r"^\p{IsGreek}$", "α", true);
        check(r"^\Qa.b*\E$", "a.b*", true);
        check(r"^\<a\>\/\-$", "<a>/-", true);
        check(r"^a\Z", "a\n", true);
        check(r"^(?<name>a)$", "a", true);
        check(r"^[+--]$", "-", true);
        check("(?i)ABC", "abc", true);
        check(r"^[]a]+$", "a]", true);
    }

    #[test]
    fn a_dot_stops_at_each_of_javas_line_ends() {
        for line_end in ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"] {
            let text = format!("a{line_end}b");
            let matches = |pattern: &str| compile(pattern).unwrap().is_match(&text);
            assert!(!matches("^a.b$"), "{line_end:?}");
            assert!(matches("(?s)^a.b$") && matches("^(?s:a.)b$") && matches("^a[^x]b$"), "{line_end:?}");
            assert!(!matches("(?s)^(?-s:a.b)$") && !matches("(?:(?s)x)?^a.b$"), "{line_end:?}");
            assert_eq!(matches("(?d)^a.b$"), line_end != "\n", "{line_end:?}");
        }
        let lines = |pattern: &str| compile(pattern).unwrap().find_iter("a\r\nb\rc\nd").count();
        assert_eq!((lines("(?m)^."), lines("(?m).$"), lines("(?dm)^."), lines("^.")), (4, 4, 3, 1));
    }

    #[test]
    fn case_is_ignored_for_ascii_unless_asked() {
        let check = |pattern: &str, text: &str, expect: bool| {
            assert_eq!(compile(pattern).unwrap().is_match(text), expect, "{pattern} on {text:?}");
        };
        check("(?i)^stark$", "STARK", true);
        // The long s and the Kelvin sign are s and k to Unicode only.
        check("(?i)^stark$", "\u{17f}tar\u{212a}", false);
        check("(?iu)^stark$", "\u{17f}tar\u{212a}", true);
        check("(?i)^\u{e4}$", "\u{c4}", false);
        check("(?iu)^[\u{e4}]$", "\u{c4}", true);
        check("(?i)^[a-f]+$", "aBcDeF", true);
        check("(?i)^[X-b]+$", "xYzAB`", true);
        check("(?i)^[^a-z]$", "Q", false);
        check("(?i)^[^k]$", "\u{212a}", true);
        check(r"(?i)^\x41\u0062[\x63-\x64]$", "aBD", true);
        check("(?i)^\\Qa.B\\E$", "A.b", true);
        check("^(?i)a(?-i)b$", "Ab", true);
        check("^(?i)a(?-i)b$", "AB", false);
        check("^(?i:a)b$", "AB", false);
        check("(?i)^\\p{Lower}$", "A", true);
        check("(?x)^ a # (a comment\n b $", "ab", true);
        // In Java this is about what \\w knows, in the engine below about greed.
        check("(?U)^a+$", "aa", true);
        assert_eq!(compile("(?U)a+").unwrap().find("aaa").unwrap().as_str(), "aaa");
        assert!(compile("(?R)a").is_err() && compile("(?P<n>a)").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_pattern_does_no_harm(pattern in r"[a-c\[\]\^\$.(){}?*+|&~ix:<>#\-\\QEdwpu0-9 ]{0,24}", text in "[a-cA-C\r\n]{0,8}") {
            if let Ok(regex) = compile(&pattern) {
                let _ = regex.is_match(&text);
            }
        }
    }

    #[test]
    fn what_could_hang_is_refused() {
        for pattern in
            ["(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", r"(a)\1", "a++", "a*+", "a{2}+", "(?>a)", "(", "\\"]
        {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
        assert!(compile(&"a".repeat(PATTERN_BYTES_MAX + 1)).is_err());
        assert!(compile("(a{1000}){1000}").is_err());
    }
}
