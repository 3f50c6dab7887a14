//! LIKE patterns, compiled once.
//!
//! `%` matches any run of characters and `_` one character, line breaks included. The frequent shapes (no wildcard,
//! `x%`, `%x`, `%x%`) are plain byte searches; the rest is matched with one point to return to, the last `%`, so
//! that the work is at most text × pattern.

use memchr::memmem::Finder;

/// A compiled pattern.
pub(crate) enum Like {
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
        let text = |tokens: &[Token]| -> Option<String> {
            tokens
                .iter()
                .map(|token| match token {
                    Token::Char(c) => Some(*c),
                    _ => None,
                })
                .collect()
        };
        if let Some(exact) = text(&tokens) {
            return Self::Exact(exact.into());
        }
        match tokens.as_slice() {
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

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::General(tokens) => matches(tokens, text),
            simple => simple.matches_bytes(text.as_bytes()).unwrap_or(false),
        }
    }

    /// Matches the bytes of a text; `None` when the pattern needs characters.
    pub(crate) fn matches_bytes(&self, text: &[u8]) -> Option<bool> {
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

fn matches(tokens: &[Token], text: &str) -> bool {
    let (mut at, mut rest) = (0, text.chars());
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        let matched = match tokens.get(at) {
            Some(Token::AnyRun) => {
                retry = Some((at, rest.clone()));
                true
            }
            Some(Token::AnyChar) => rest.next().is_some(),
            Some(Token::Char(c)) => rest.next() == Some(*c),
            None => {
                if rest.as_str().is_empty() {
                    return true;
                }
                false
            }
        };
        if matched {
            at += 1;
            continue;
        }
        // The last run takes one more character.
        let Some((run, mut from)) = retry.take() else { return false };
        if from.next().is_none() {
            return false;
        }
        at = run + 1;
        rest = from.clone();
        retry = Some((run, from));
    }
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
        fn matching_agrees_with_the_definition(text in "[ab]{0,8}", pattern in "[ab%_]{0,6}") {
            let chars: Vec<char> = text.chars().collect();
            prop_assert_eq!(like(&text, &pattern), model(&tokens(&pattern, None), &chars));
        }
    }
}
