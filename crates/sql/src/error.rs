//! What is wrong with a text, where, and what was perhaps meant.

use std::fmt::Write;

use unicode_width::UnicodeWidthChar;

use crate::ast::Span;

/// What kind of mistake a text has; every one of them is the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SqlErrorCode {
    /// The words do not make a statement.
    Syntax,
    /// A quoted text or comment has no end.
    Unterminated,
    /// The text has more bytes than one request may have.
    TooLong,
    /// Brackets or operators are nested too deeply.
    TooDeep,
    /// A number does not fit any type.
    NumberOutOfRange,
    /// A `${variable}` is not defined.
    UndefinedVariable,
    /// The value of a `${variable}` would change the statement's structure.
    UnsafeVariable,
}

impl SqlErrorCode {
    /// Returns the name that programs may depend on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax_error",
            Self::Unterminated => "unterminated",
            Self::TooLong => "text_too_long",
            Self::TooDeep => "nested_too_deeply",
            Self::NumberOutOfRange => "number_out_of_range",
            Self::UndefinedVariable => "undefined_variable",
            Self::UnsafeVariable => "unsafe_variable",
        }
    }
}

/// Why a text is not a statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    /// The kind of mistake.
    pub code: SqlErrorCode,
    /// What is wrong, without the place.
    pub message: String,
    /// The place in the text that was parsed.
    pub span: Span,
    /// What could help.
    pub hint: Option<String>,
}

/// How much of a long line is shown on either side of the place.
const LINE_CHARS_SHOWN: usize = 60;

impl SqlError {
    /// Takes a finished sentence fragment.
    pub fn new(code: SqlErrorCode, message: impl Into<String>, span: Span) -> Self {
        Self { code, message: message.into(), span, hint: None }
    }

    /// Adds what could help.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the place as line and column, both from 1, columns in characters.
    pub fn line_column(&self, text: &str) -> (usize, usize) {
        let (line_start, place) = self.line_bounds(text);
        let line = 1 + text.as_bytes()[..line_start].iter().filter(|byte| **byte == b'\n').count();
        (line, 1 + text[line_start..place].chars().count())
    }

    /// Returns the message with the line it is about, a caret under the place, and the hint.
    ///
    /// Control characters of the line are shown as `?`, so that a pasted text cannot drive the terminal.
    pub fn render(&self, text: &str) -> String {
        let (line, column) = self.line_column(text);
        let (line_start, place) = self.line_bounds(text);
        let shown_start = text[line_start..place]
            .char_indices()
            .rev()
            .take(LINE_CHARS_SHOWN)
            .last()
            .map_or(place, |(i, _)| line_start + i);
        let after: String =
            text[place..].chars().take_while(|c| *c != '\n').take(LINE_CHARS_SHOWN).map(neutral).collect();
        let before: String = text[shown_start..place].chars().map(neutral).collect();

        let marked = text.get(place..self.span.end as usize).unwrap_or("");
        let marked: String =
            marked.chars().take_while(|c| *c != '\n').take(LINE_CHARS_SHOWN).map(neutral).collect();
        let mut out = format!("{}   line {line}:{column}\n", neutral_text(&self.message));
        let _ = writeln!(out, "  {before}{}", after.trim_end());
        let _ = write!(out, "  {}{}", " ".repeat(width(&before)), "^".repeat(width(&marked).max(1)));
        if let Some(hint) = &self.hint {
            let _ = write!(out, "\n  hint: {}", neutral_text(hint));
        }
        out
    }

    /// The start of the line and the place itself, both moved onto character boundaries of `text`.
    fn line_bounds(&self, text: &str) -> (usize, usize) {
        let mut place = (self.span.start as usize).min(text.len());
        while !text.is_char_boundary(place) {
            place -= 1;
        }
        (text[..place].rfind('\n').map_or(0, |i| i + 1), place)
    }
}

/// The character as it may be shown: nothing that moves the cursor or reorders the line.
fn neutral(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => '?',
        c if c.is_control() => '?',
        c => c,
    }
}

fn neutral_text(text: &str) -> String {
    text.chars().map(neutral).collect()
}

fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Words longer than this are not compared: they are no one's typing mistake.
const NEAREST_CHARS_MAX: usize = 64;

/// Returns the candidate that `word` was perhaps meant to be; case is ignored.
///
/// Counts inserted, missing, wrong and swapped letters; about one mistake in three letters is allowed.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(NEAREST_CHARS_MAX + 1).map(|c| c.to_ascii_uppercase()).collect();
    if word.len() > NEAREST_CHARS_MAX {
        return None;
    }
    let allowed = match word.len() {
        0..=2 => 0,
        3..=5 => 1,
        n => n / 3,
    };
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other: Vec<char> =
            candidate.chars().take(NEAREST_CHARS_MAX + 1).map(|c| c.to_ascii_uppercase()).collect();
        if other.len().abs_diff(word.len()) > allowed {
            continue;
        }
        let mistakes = mistakes_between(&word, &other);
        if mistakes <= allowed && best.is_none_or(|(fewest, _)| mistakes < fewest) {
            best = Some((mistakes, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The optimal string alignment distance: Levenshtein's with swapped neighbours as one mistake.
fn mistakes_between(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let wrong = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + wrong);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = last;
        last = row;
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: u32, end: u32) -> SqlError {
        SqlError::new(SqlErrorCode::Syntax, "unexpected \"FORM\"", Span { start, end })
    }

    #[test]
    fn place_is_shown_with_a_caret() {
        let rendered = at(9, 13).with_hint("did you mean FROM?").render("SELECT *\nFORM x;\n");
        assert_eq!(rendered, "unexpected \"FORM\"   line 2:1\n  FORM x;\n  ^^^^\n  hint: did you mean FROM?");
    }

    #[test]
    fn control_characters_of_the_line_are_neutralised() {
        let rendered = at(5, 6).render("\u{1b}[2J\u{202e}x\r\n");
        assert!(!rendered.contains('\u{1b}') && !rendered.contains('\u{202e}') && !rendered.contains('\r'));
        assert!(rendered.contains("?[2J"));
    }

    #[test]
    fn place_outside_or_inside_a_character_is_moved() {
        assert_eq!(at(1, 2).line_column("é"), (1, 1));
        assert_eq!(at(900, 901).line_column("a\nb"), (2, 2));
        assert!(at(900, 901).render("a\nb").contains("line 2:2"));
    }

    #[test]
    fn caret_stands_under_wide_characters() {
        assert!(at(6, 7).render("日本x").contains("\n      ^"));
    }

    #[test]
    fn long_line_is_cut_around_the_place() {
        let text = format!("{}x{}", "a".repeat(5000), "b".repeat(5000));
        assert!(at(5000, 5001).render(&text).len() < 400);
    }

    #[test]
    fn nearest_word_allows_a_mistake_in_three_letters() {
        assert_eq!(nearest("FORM", ["WHERE", "FROM"]), Some("FROM"));
        assert_eq!(nearest("slect", ["SELECT", "SET"]), Some("SELECT"));
        assert_eq!(nearest("a", ["b"]), None);
        assert_eq!(nearest("zebra", ["FROM"]), None);
        assert_eq!(nearest(&"x".repeat(1000), ["FROM"]), None);
    }
}
