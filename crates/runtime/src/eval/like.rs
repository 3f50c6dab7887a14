//! LIKE patterns, compiled once.
//!
//! `%` matches any run of characters and `_` one character, line breaks included. The frequent shapes (no wildcard,
//! `x%`, `%x`, `%x%`) are plain byte searches; the rest is matched with one point to return to, the last `%`, so
//! that the work is at most text × pattern.

use memchr::memmem::Finder;

/// Steps that matching a pattern from a record may take: some ten times the length of a long text.
pub(crate) const STEPS_MAX: usize = 20_000_000;

/// A compiled pattern.
#[derive(Clone)]
pub(crate) struct Like {
    shape: Shape,
    /// All literal characters are written in JSON as they are, so that a text with escapes can be looked at first
    /// without decoding it.
    is_plain: bool,
}

#[derive(Clone)]
enum Shape {
    Exact(Box<str>),
    Prefix(Box<str>),
    Suffix(Box<str>),
    Contains(Box<Finder<'static>>),
    General(Box<[Token]>),
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Token {
    Char(char),
    AnyChar,
    AnyRun,
}

impl Like {
    pub(crate) fn new(pattern: &str, escape: Option<char>) -> Self {
        let tokens = tokens(pattern, escape);
        let is_plain = tokens.iter().all(|token| match token {
            Token::Char(c) => !matches!(c, '"' | '\\' | '/' | '\0'..='\x1f'),
            _ => true,
        });
        Self { shape: Shape::new(&tokens), is_plain }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match &self.shape {
            Shape::General(tokens) => matches(tokens, text, usize::MAX).unwrap_or(false),
            simple => simple.matches_bytes(text.as_bytes()).unwrap_or(false),
        }
    }

    /// As `matches`, for a pattern that comes from a record; `None` when it takes too long.
    pub(crate) fn matches_soon(&self, text: &str) -> Option<bool> {
        match &self.shape {
            Shape::General(tokens) => matches(tokens, text, STEPS_MAX),
            _ => Some(self.matches(text)),
        }
    }

    /// The only text it matches, if there is but one.
    pub(crate) fn exact(&self) -> Option<&str> {
        match &self.shape {
            Shape::Exact(exact) => Some(exact),
            _ => None,
        }
    }

    /// What every text it matches begins with, if that is anything.
    pub(crate) fn prefix(&self) -> Option<String> {
        let prefix: String = match &self.shape {
            Shape::Exact(prefix) | Shape::Prefix(prefix) => prefix.to_string(),
            Shape::General(tokens) => tokens
                .iter()
                .map_while(|token| match token {
                    Token::Char(c) => Some(*c),
                    _ => None,
                })
                .collect(),
            Shape::Suffix(_) | Shape::Contains(_) => return None,
        };
        (!prefix.is_empty()).then_some(prefix)
    }

    /// Matches the bytes of a text; `None` when the pattern needs characters.
    #[inline]
    pub(crate) fn matches_bytes(&self, text: &[u8]) -> Option<bool> {
        self.shape.matches_bytes(text)
    }

    /// Matches a text as it stands in a JSON string with escapes; `None` when it has to be decoded.
    ///
    /// Characters that need no escape and are not given by number stand there as they are, so a text that is not found
    /// does not occur. One that is found may be part of an escape (the `n` of `\n`).
    pub(crate) fn matches_escaped(&self, token: &[u8]) -> Option<bool> {
        if !self.is_plain || self.shape.matches_bytes(token)? {
            return None;
        }
        match memchr::memmem::find(token, b"\\u") {
            None => Some(false),
            Some(_) => None,
        }
    }
}

impl Shape {
    fn new(tokens: &[Token]) -> Self {
        let text = |tokens: &[Token]| -> Option<String> {
            tokens
                .iter()
                .map(|token| match token {
                    Token::Char(c) => Some(*c),
                    _ => None,
                })
                .collect()
        };
        if let Some(exact) = text(tokens) {
            return Self::Exact(exact.into());
        }
        match tokens {
            [Token::AnyRun, middle @ .., Token::AnyRun] => {
                if let Some(middle) = text(middle) {
                    return Self::Contains(Box::new(Finder::new(&middle).into_owned()));
                }
            }
            [Token::AnyRun, suffix @ ..] => {
                if let Some(suffix) = text(suffix) {
                    return Self::Suffix(suffix.into());
                }
            }
            [prefix @ .., Token::AnyRun] => {
                if let Some(prefix) = text(prefix) {
                    return Self::Prefix(prefix.into());
                }
            }
            _ => {}
        }
        Self::General(tokens.into())
    }

    #[inline]
    fn matches_bytes(&self, text: &[u8]) -> Option<bool> {
        Some(match self {
            Self::Exact(exact) => text == exact.as_bytes(),
            Self::Prefix(prefix) => text.starts_with(prefix.as_bytes()),
            Self::Suffix(suffix) => text.ends_with(suffix.as_bytes()),
            Self::Contains(finder) => finder.find(text).is_some(),
            Self::General(_) => return None,
        })
    }
}

fn tokens(pattern: &str, escape: Option<char>) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let token = if Some(c) == escape {
            Token::Char(chars.next().unwrap_or(c))
        } else {
            match c {
                '%' => Token::AnyRun,
                '_' => Token::AnyChar,
                c => Token::Char(c),
            }
        };
        if token != Token::AnyRun || tokens.last() != Some(&Token::AnyRun) {
            tokens.push(token);
        }
    }
    tokens
}

/// Matches in at most so many steps.
fn matches(tokens: &[Token], text: &str, steps_max: usize) -> Option<bool> {
    let (mut at, mut rest) = (0, text.chars());
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    for _ in 0..steps_max {
        let matched = match tokens.get(at) {
            Some(Token::AnyRun) => {
                retry = Some((at, rest.clone()));
                true
            }
            Some(Token::AnyChar) => rest.next().is_some(),
            Some(Token::Char(c)) => rest.next() == Some(*c),
            None => {
                if rest.as_str().is_empty() {
                    return Some(true);
                }
                false
            }
        };
        if matched {
            at += 1;
            continue;
        }
        // The last run takes one more character.
        let Some((run, mut from)) = retry.take() else { return Some(false) };
        if from.next().is_none() {
            return Some(false);
        }
        at = run + 1;
        rest = from.clone();
        retry = Some((run, from));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn like(text: &str, pattern: &str) -> bool {
        Like::new(pattern, Some('!')).matches(text)
    }

    #[test]
    fn wildcards_match_runs_and_single_characters() {
        assert!(like("192.168.1.7", "192.168.1%"));
        assert!(like("cmd.exe", "%.exe"));
        assert!(like("a mimikatz b", "%mimikatz%"));
        assert!(like("äb\nc", "__\n_"));
        assert!(like("aXbXc", "a%b%c"));
        assert!(!like("aXbX", "a%b%c"));
        assert!(like("", "%"));
        assert!(!like("", "_"));
    }

    #[test]
    fn escaped_wildcards_are_plain() {
        assert!(like("100%", "100!%"));
        assert!(!like("1000", "100!%"));
        assert!(like("a_b", "%!_%"));
        assert!(!like("ab", "%!_%"));
    }

    /// The text as a JSON string without its quotes, with every escape that is usual.
    fn formats_token(text: &str) -> String {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        escaped.replace('/', "\\/")
    }

    #[test]
    fn escaped_text_is_decoded_only_where_that_can_matter() {
        let like = |pattern: &str, token: &[u8]| Like::new(pattern, None).matches_escaped(token);
        assert_eq!(like("%mimikatz%", br"C:\\tools\\x.exe"), Some(false));
        assert_eq!(like("%name%", br"a\name"), None);
        assert_eq!(like("%a/b%", br"a\/b"), None);
        assert_eq!(like("%abc%", br"\u0061bc"), None);
        assert_eq!(like("%.exe", br"a\tb.dll"), Some(false));
    }

    #[test]
    fn a_pattern_that_nearly_matches_everywhere_is_given_up() {
        let (text, pattern) = ("a".repeat(1 << 20), format!("%{}b%c%", "a".repeat(1 << 10)));
        assert_eq!(Like::new(&pattern, None).matches_soon(&text), None);
        assert_eq!(Like::new("%a_a%a", None).matches_soon(&text), Some(true));
        let contained = format!("%{}b%", "a".repeat(1 << 19));
        assert_eq!(Like::new(&contained, None).matches_soon(&text), Some(false));
    }

    fn model(tokens: &[Token], text: &[char]) -> bool {
        match tokens.split_first() {
            None => text.is_empty(),
            Some((Token::AnyRun, rest)) => (0..=text.len()).any(|n| model(rest, &text[n..])),
            Some((Token::AnyChar, rest)) => !text.is_empty() && model(rest, &text[1..]),
            Some((Token::Char(c), rest)) => text.first() == Some(c) && model(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_escaped_text_agrees_with_decoding_it(text in "[ab\n\"\\\\/]{0,8}", pattern in "[abn\"/%]{0,5}") {
            let token = formats_token(&text);
            let like = Like::new(&pattern, None);
            if let Some(matched) = like.matches_escaped(token.as_bytes()) {
                prop_assert_eq!(matched, like.matches(&text));
            }
        }

        #[test]
        fn matching_agrees_with_the_definition(text in "[ab]{0,8}", pattern in "[ab%_]{0,6}") {
            let chars: Vec<char> = text.chars().collect();
            prop_assert_eq!(like(&text, &pattern), model(&tokens(&pattern, None), &chars));
        }
    }
}
