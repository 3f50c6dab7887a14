//! JAAS text, in which Kafka keeps names and passwords: `MODULE required NAME="VALUE" …;`.
//!
//! Read as Kafka does, with Java's `StreamTokenizer`: values stand in double or single quotes or are one word, and a
//! backslash in quotes begins an escape. There may be spaces around `=`.

use std::iter::Peekable;
use std::str::Chars;

/// What cannot be read, without showing it: it holds passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JaasError {
    /// A quote is opened and not closed.
    #[error("has a value without its closing quote")]
    Unclosed,
    /// Nothing stands behind a `=`.
    #[error("has a name without a value")]
    NoValue,
    /// A value without a name.
    #[error("has a value without a name")]
    NoName,
    /// Something follows the `;`.
    #[error("goes on behind its \";\"")]
    Behind,
}

/// What a text says. It cannot be printed.
#[derive(Default)]
pub struct Jaas {
    /// The words without a value: the module and how it is used.
    pub words: Vec<String>,
    /// Names and values, in order.
    pub options: Vec<(String, String)>,
    /// There is a `;` at the end.
    pub is_ended: bool,
}

/// Reads a text.
pub fn parse(text: &str) -> Result<Jaas, JaasError> {
    let mut jaas = Jaas::default();
    let mut chars = text.chars().peekable();
    while let Some(token) = next_token(&mut chars)? {
        if jaas.is_ended {
            return Err(JaasError::Behind);
        }
        match token {
            Token::Word(word) => jaas.words.push(word),
            Token::Quoted(_) => return Err(JaasError::NoName),
            Token::End => jaas.is_ended = true,
            Token::Equals => {
                let name = jaas.words.pop().ok_or(JaasError::NoName)?;
                match next_token(&mut chars)? {
                    Some(Token::Word(value) | Token::Quoted(value)) => jaas.options.push((name, value)),
                    _ => return Err(JaasError::NoValue),
                }
            }
        }
    }
    Ok(jaas)
}

enum Token {
    Word(String),
    Quoted(String),
    Equals,
    End,
}

fn next_token(chars: &mut Peekable<Chars<'_>>) -> Result<Option<Token>, JaasError> {
    while chars.next_if(|c| c.is_whitespace()).is_some() {}
    let Some(first) = chars.next() else { return Ok(None) };
    Ok(Some(match first {
        '=' => Token::Equals,
        ';' => Token::End,
        '"' | '\'' => Token::Quoted(quoted(chars, first).ok_or(JaasError::Unclosed)?),
        first => {
            let mut word = String::from(first);
            while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !matches!(c, '=' | ';' | '"' | '\''))
            {
                word.push(c);
            }
            Token::Word(word)
        }
    }))
}

/// Reads to the closing quote; `None` if there is none.
fn quoted(chars: &mut Peekable<Chars<'_>>, quote: char) -> Option<String> {
    let mut value = String::new();
    loop {
        match chars.next()? {
            '\\' => value.push(escaped(chars)?),
            c if c == quote => return Some(value),
            c => value.push(c),
        }
    }
}

/// Reads what follows a backslash, by Java's rules: up to three octal digits, the letters of C, or the character itself.
fn escaped(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    let first = chars.next()?;
    Some(match first {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '0'..='7' => {
            let mut code = first.to_digit(8)?;
            let more = if first <= '3' { 2 } else { 1 };
            for _ in 0..more {
                let Some(digit) = chars.peek().and_then(|c| c.to_digit(8)) else { break };
                chars.next();
                code = code * 8 + digit;
            }
            char::from_u32(code)?
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn options(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().options
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn module_and_options_are_read() {
        let jaas = parse("a.b.PlainLoginModule required\n  username=\"u\" password='p' x = y ;").unwrap();
        assert_eq!(jaas.words, ["a.b.PlainLoginModule", "required"]);
        assert_eq!(jaas.options, pairs(&[("username", "u"), ("password", "p"), ("x", "y")]));
        assert!(jaas.is_ended);
        let jaas = parse("user_a=\"=;\"user_b=''").unwrap();
        assert_eq!((jaas.options, jaas.is_ended), (pairs(&[("user_a", "=;"), ("user_b", "")]), false));
    }

    #[test]
    fn escapes_are_javas() {
        assert_eq!(options(r#"a="\"\\\n\t\v\q\'""#), pairs(&[("a", "\"\\\n\t\x0bq'")]));
        assert_eq!(options(r#"a="\101\1019\477\0""#), pairs(&[("a", "AA9'7\0")]));
        assert_eq!(options(r"a=b\n"), pairs(&[("a", r"b\n")]));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let refused = |text| parse(text).err().unwrap();
        assert_eq!(refused("m required a=\"b;"), JaasError::Unclosed);
        assert_eq!(refused("a='\\"), JaasError::Unclosed);
        assert_eq!(refused("a=;"), JaasError::NoValue);
        assert_eq!(refused("a="), JaasError::NoValue);
        assert_eq!(refused("=b"), JaasError::NoName);
        assert_eq!(refused("a \"b\""), JaasError::NoName);
        assert_eq!(refused("a=b; c"), JaasError::Behind);
    }

    proptest! {
        #[test]
        fn a_quoted_value_comes_back(name in "[a-z_]{1,5}", value in "\\PC{0,20}") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            prop_assert_eq!(options(&format!("m r {name}=\"{escaped}\";")), pairs(&[(&name, &value)]));
        }

        #[test]
        fn never_panics(text in "(required|username|[= ;'\"\\\\0-9]|\\PC){0,40}") {
            let _ = parse(&text);
        }
    }
}
