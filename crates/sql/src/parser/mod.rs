//! Tokens to statements, by recursive descent; expressions by binding power.
//!
//! The grammar is ksqlDB's (developer guide, SQL syntax reference) plus the older KSQL 5 forms, which
//! the functions name where they accept them. No rule goes back over more than a bounded number of
//! tokens, so time is linear in the text; recursion and the height of the tree are bounded.

mod create;
mod expression;
mod inspect;
pub(crate) mod literal;
mod properties;
mod query;
mod statement;
pub(crate) mod type_name;

pub use expression::TREE_HEIGHT_MAX;
pub use type_name::TYPE_NESTING_MAX;

use std::sync::Arc;

use crate::ast::{Ident, Span};
use crate::error::{SqlError, SqlErrorCode, nearest};
use crate::keywords::{KEYWORDS, is_reserved};
use crate::lexer::{Token, TokenKind, tokenize};

/// How deep brackets, operators and types may be nested.
pub const NESTING_MAX: usize = 128;

/// How many words an error lists as expected; more would not help.
const EXPECTED_LISTED_MAX: usize = 4;

/// How many words are remembered as expected at one place.
const EXPECTED_KEPT_MAX: usize = 32;

type Result<T> = std::result::Result<T, SqlError>;

pub(crate) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    place: usize,
    /// Calls of recursive rules that are under way.
    nesting: usize,
    /// The words and marks that were looked for at `place` in vain.
    expected: Vec<&'static str>,
    /// A name taken for an alias just before, which may have been meant as a keyword.
    doubtful_alias: Option<usize>,
}

impl<'a> Parser<'a> {
    pub fn new(text: &'a str) -> Result<Self> {
        let tokens = tokenize(text)?;
        Ok(Self { text, tokens, place: 0, nesting: 0, expected: Vec::new(), doubtful_alias: None })
    }

    fn token(&self) -> &Token {
        self.token_after(0)
    }

    /// The token `n` behind the current one; the `End` stands for everything behind it.
    fn token_after(&self, n: usize) -> &Token {
        &self.tokens[(self.place + n).min(self.tokens.len() - 1)]
    }

    fn source(&self, span: Span) -> &'a str {
        &self.text[span.start as usize..span.end as usize]
    }

    fn advance(&mut self) -> Span {
        let span = self.token().span;
        if self.token().kind != TokenKind::End {
            self.place += 1;
        }
        self.expected.clear();
        span
    }

    fn start(&self) -> u32 {
        self.token().span.start
    }

    /// From `start` to the end of the last token taken.
    fn span_from(&self, start: u32) -> Span {
        let last = self.place.checked_sub(1).map_or(start, |i| self.tokens[i].span.end);
        Span { start, end: last.max(start) }
    }

    fn is_at_end(&self) -> bool {
        self.token().kind == TokenKind::End
    }

    /// Whether the token is the keyword or mark; words in any case.
    fn token_is(&self, n: usize, expected: &str) -> bool {
        let token = self.token_after(n);
        match token.kind {
            TokenKind::Word => self.source(token.span).eq_ignore_ascii_case(expected),
            TokenKind::Symbol => self.source(token.span) == expected,
            _ => false,
        }
    }

    /// Whether the next tokens are these.
    fn is_at_all(&self, expected: &[&'static str]) -> bool {
        expected.iter().enumerate().all(|(n, expected)| self.token_is(n, expected))
    }

    /// Whether the keyword or mark is next; remembers it for the error if it is not.
    fn is_at(&mut self, expected: &'static str) -> bool {
        let found = self.token_is(0, expected);
        if !found && self.expected.len() < EXPECTED_KEPT_MAX && !self.expected.contains(&expected) {
            self.expected.push(expected);
        }
        found
    }

    fn take(&mut self, expected: &'static str) -> bool {
        let found = self.is_at(expected);
        if found {
            self.advance();
        }
        found
    }

    /// Takes the words if all of them are next.
    fn take_all(&mut self, expected: &[&'static str]) -> bool {
        let found = self.is_at_all(expected);
        if found {
            for _ in expected {
                self.advance();
            }
        } else if let Some(first) = expected.first() {
            self.is_at(first);
        }
        found
    }

    fn expect(&mut self, expected: &'static str) -> Result<Span> {
        if self.is_at(expected) { Ok(self.advance()) } else { Err(self.unexpected()) }
    }

    fn expect_all(&mut self, expected: &[&'static str]) -> Result<()> {
        expected.iter().try_for_each(|expected| self.expect(expected).map(drop))
    }

    /// `item, item, …`, at least one.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.take(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Runs a recursive rule one level deeper.
    fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting == NESTING_MAX {
            return Err(self.too_deep());
        }
        self.nesting += 1;
        let result = rule(self);
        self.nesting -= 1;
        result
    }

    fn too_deep(&self) -> SqlError {
        SqlError::new(SqlErrorCode::TooDeep, "expression nested too deeply", self.token().span)
            .with_hint(format!("at most {NESTING_MAX} levels are allowed"))
    }

    /// Whether a name could be next: quoted, or a word that is not reserved.
    fn is_at_name(&self) -> bool {
        self.is_name(0)
    }

    fn is_name(&self, n: usize) -> bool {
        let token = self.token_after(n);
        match token.kind {
            TokenKind::QuotedName(_) => true,
            TokenKind::Word => !is_reserved(self.source(token.span)),
            _ => false,
        }
    }

    /// A name; `what` it is of is for the error.
    fn name(&mut self, what: &'static str) -> Result<Ident> {
        if self.is_at_name() {
            return self.any_name(what);
        }
        let token = self.token().clone();
        let source = self.source(token.span);
        match token.kind {
            TokenKind::Word if is_reserved(source) => {
                let upper = source.to_ascii_uppercase();
                let message = format!("{what} expected, but \"{upper}\" is a reserved word");
                Err(self
                    .error(message, token.span)
                    .with_hint(format!("write `{upper}` in backticks to use it as a name")))
            }
            TokenKind::End => Err(self.error(format!("{what} expected at the end"), token.span)),
            TokenKind::DigitWord | TokenKind::Unknown => Err(self.unexpected_token(token)),
            TokenKind::Text(_) => Err(self
                .error(format!("{what} expected instead of the text {}", shortened(source)), token.span)
                .with_hint("names are written bare, in backticks or in double quotes")),
            _ => Err(self.error(format!("{what} expected instead of \"{}\"", shortened(source)), token.span)),
        }
    }

    /// A name where no keyword can stand, as behind a point: reserved words need no quotes there.
    fn any_name(&mut self, what: &'static str) -> Result<Ident> {
        let token = self.token();
        let span = token.span;
        let (text, quoted): (Arc<str>, bool) = match &token.kind {
            TokenKind::QuotedName(name) => (name.as_str().into(), true),
            TokenKind::Word => (self.source(span).to_ascii_uppercase().into(), false),
            _ => return self.name(what),
        };
        self.advance();
        Ok(Ident { text, quoted, span })
    }

    /// A name that may be written with points and without quotes, as Zeek's `id.orig_h`; with points it
    /// counts as quoted. `None` if there is no point.
    ///
    /// Unlike ksqlDB, which refuses it.
    fn dotted_name(&mut self) -> Option<Ident> {
        let is_part = |parser: &Self, n| parser.token_after(n).kind == TokenKind::Word;
        if !(is_part(self, 0) && self.token_is(1, ".") && is_part(self, 2)) {
            return None;
        }
        let start = self.start();
        self.advance();
        while self.token_is(0, ".") && is_part(self, 1) {
            self.advance();
            self.advance();
        }
        let span = self.span_from(start);
        let text: String = self.source(span).split_whitespace().collect();
        Some(Ident { text: text.into(), quoted: true, span })
    }

    /// A name as it stands in the text, up to the next blank, as topic and file names are written.
    fn raw_name(&mut self, what: &'static str) -> Result<String> {
        let first = self.token().clone();
        match first.kind {
            TokenKind::Text(text) | TokenKind::QuotedName(text) => {
                self.advance();
                return Ok(text);
            }
            TokenKind::End => return Err(self.error(format!("{what} expected at the end"), first.span)),
            _ => {}
        }
        let mut end = first.span.start;
        while self.token().span.start == end
            && !self.is_at_end()
            && !self.token_is(0, ";")
            && !self.token_is(0, ",")
            && !self.token_is(0, "(")
            && !self.token_is(0, ")")
        {
            end = self.advance().end;
        }
        if end == first.span.start {
            return Err(self.unexpected_token(first));
        }
        Ok(self.source(Span { start: first.span.start, end }).to_owned())
    }

    fn text_literal(&mut self, what: &'static str) -> Result<String> {
        if let TokenKind::Text(text) = &self.token().kind {
            let text = text.clone();
            self.advance();
            return Ok(text);
        }
        let span = self.token().span;
        if self.is_at_end() {
            return Err(self.unexpected());
        }
        let message = format!("{what} expected in single quotes instead of {}", shortened(self.source(span)));
        Err(self.error(message, span))
    }

    fn error(&self, message: impl Into<String>, span: Span) -> SqlError {
        SqlError::new(SqlErrorCode::Syntax, message, span)
    }

    /// The error for the next token, with what was looked for in its place.
    fn unexpected(&self) -> SqlError {
        // `SELECT a FORM x` stumbles over x only: FORM was taken for an alias.
        if let Some(alias) = self.doubtful_alias.filter(|alias| alias + 1 == self.place) {
            let span = self.tokens[alias].span;
            if let Some(hint) = self.hint_for(self.source(span)) {
                return self
                    .error(format!("unexpected \"{}\"", shortened(self.source(span))), span)
                    .with_hint(hint);
            }
        }
        self.unexpected_token(self.token().clone())
    }

    fn unexpected_token(&self, token: Token) -> SqlError {
        let source = self.source(token.span);
        let expected = self.expected_text();
        let error = match token.kind {
            TokenKind::End => self.error(format!("unexpected end of the statement{expected}"), token.span),
            TokenKind::DigitWord => {
                return self
                    .error(format!("name \"{}\" begins with a digit", shortened(source)), token.span)
                    .with_hint(format!("write it in backticks: `{}`", shortened(source)));
            }
            TokenKind::Text(_) => {
                self.error(format!("unexpected text {}{expected}", shortened(source)), token.span)
            }
            _ => self.error(format!("unexpected \"{}\"{expected}", shortened(source)), token.span),
        };
        match self.hint_for(source) {
            Some(hint) => {
                SqlError { message: format!("unexpected \"{}\"", shortened(source)), ..error }.with_hint(hint)
            }
            None => error,
        }
    }

    /// What could help somebody who wrote `word` where it does not belong.
    fn hint_for(&self, word: &str) -> Option<String> {
        let known = match &*word.to_ascii_uppercase() {
            "DISTINCT" => "SELECT DISTINCT is not supported; GROUP BY gives each value once",
            "ORDER" => "ORDER BY is not supported: a stream has no end to sort up to",
            "UNION" => "UNION is not supported; INSERT INTO … SELECT adds a second query to a stream",
            "OVER" => "OVER is not supported; WINDOW TUMBLING, HOPPING or SESSION follows FROM",
            "AT" => "AT TIME ZONE is not supported; use CONVERT_TZ",
            "‘" | "’" | "“" | "”" => {
                "typographic quotes are not quotes: write ' around texts and ` around names"
            }
            "@" => "names with @ at the start are written in backticks: `@timestamp`",
            "…" => "a part of the text was left out here",
            "$" => "variables are written ${name} and defined with DEFINE",
            _ => "",
        };
        if !known.is_empty() {
            return Some(known.to_owned());
        }
        let meant = nearest(word, self.expected.iter().copied().filter(|word| KEYWORDS.contains(word)))?;
        (!meant.eq_ignore_ascii_case(word)).then(|| format!("did you mean {meant}?"))
    }

    fn expected_text(&self) -> String {
        let shown = |expected: &&str| match expected.starts_with(|c: char| c.is_ascii_alphabetic()) {
            true => (*expected).to_owned(),
            false => format!("\"{expected}\""),
        };
        let shown: Vec<String> = self.expected.iter().map(shown).collect();
        match &*shown {
            [] => String::new(),
            many if many.len() > EXPECTED_LISTED_MAX => String::new(),
            [only] => format!(", expected {only}"),
            [rest @ .., last] => format!(", expected {} or {last}", rest.join(", ")),
        }
    }
}

/// Text of the user, cut to what fits into a message.
fn shortened(source: &str) -> String {
    const CHARS_MAX: usize = 40;
    match source.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &source[..end]),
        None => source.to_owned(),
    }
}
