//! A text cut into pieces without judging it: nothing is lost and nothing is refused.
//!
//! Everything that must know where strings and comments end stands on this: the lexer, the shell's
//! splitter, variable substitution and masking.

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PieceKind {
    /// White space, also a backslash before white space: the shell's line continuation, which pasted
    /// tutorials keep in the middle of a line.
    Space,
    /// `-- …` or `/* … */`
    Comment,
    /// A letter or underscore, then letters, digits, `_` and `@`.
    Word,
    /// Digits, perhaps with a point and an exponent.
    Number(NumberKind),
    /// Digits with letters behind them: no number and no name.
    DigitWord,
    /// `'…'`
    Text,
    /// `` `…` `` or `"…"`
    QuotedName,
    /// An operator or punctuation mark of the language.
    Symbol,
    /// Any other character.
    Unknown,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberKind {
    Whole,
    WithPoint,
    WithExponent,
}

/// A piece of the text, as byte offsets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub kind: PieceKind,
    pub start: usize,
    pub end: usize,
    /// Whether the end mark of a quoted piece or comment is there.
    pub terminated: bool,
}

/// Operators of two characters; each is looked for before those of one.
const SYMBOLS_LONG: &[&str] = &["->", "=>", ":=", "||", "!=", "<>", "<=", ">="];
const SYMBOLS_SHORT: &[u8] = b"()[]<>,;.=+-*/%:{}";

/// Returns the pieces of a text from its start to its end.
pub(crate) fn pieces(text: &str) -> Pieces<'_> {
    Pieces { text, place: 0 }
}

pub(crate) struct Pieces<'a> {
    text: &'a str,
    place: usize,
}

impl Pieces<'_> {
    /// Goes on from another place, which must be between two characters.
    pub fn seek(&mut self, place: usize) {
        self.place = place;
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let start = self.place;
        let rest = &self.text[start..];
        let first = rest.chars().next()?;
        let (kind, length, terminated) = match first {
            '\'' => quoted(PieceKind::Text, rest, b'\''),
            '"' => quoted(PieceKind::QuotedName, rest, b'"'),
            '`' => quoted(PieceKind::QuotedName, rest, b'`'),
            '-' if rest.starts_with("--") => {
                (PieceKind::Comment, rest.find('\n').unwrap_or(rest.len()), true)
            }
            '/' if rest.starts_with("/*") => match rest[2..].find("*/") {
                Some(i) => (PieceKind::Comment, i + 4, true),
                None => (PieceKind::Comment, rest.len(), false),
            },
            'A'..='Z' | 'a'..='z' | '_' => (PieceKind::Word, word_length(rest), true),
            '0'..='9' => number(rest),
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => number(rest),
            _ => match space_length(rest) {
                0 => symbol(rest, first),
                length => (PieceKind::Space, length, true),
            },
        };
        self.place = start + length;
        Some(Piece { kind, start, end: self.place, terminated })
    }
}

fn word_length(rest: &str) -> usize {
    rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@')).count()
}

fn digits(rest: &[u8]) -> usize {
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// A doubled quote stands for the quote itself.
fn quoted(kind: PieceKind, rest: &str, quote: u8) -> (PieceKind, usize, bool) {
    let bytes = rest.as_bytes();
    let mut i = 1;
    while let Some(found) = bytes[i..].iter().position(|byte| *byte == quote) {
        i += found + 1;
        if bytes.get(i) != Some(&quote) {
            return (kind, i, true);
        }
        i += 1;
    }
    (kind, bytes.len(), false)
}

fn number(rest: &str) -> (PieceKind, usize, bool) {
    let bytes = rest.as_bytes();
    let mut length = digits(bytes);
    let mut kind = NumberKind::Whole;
    if bytes.get(length) == Some(&b'.') {
        kind = NumberKind::WithPoint;
        length += 1;
        length += digits(&bytes[length..]);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits(&bytes[length + 1 + sign..]);
        if exponent > 0 {
            kind = NumberKind::WithExponent;
            length += 1 + sign + exponent;
        }
    }
    match word_length(&rest[length..]) {
        0 => (PieceKind::Number(kind), length, true),
        more => (PieceKind::DigitWord, length + more, true),
    }
}

/// White space as in Unicode, marks of text files, and backslashes in front of white space.
fn space_length(rest: &str) -> usize {
    let mut length = 0;
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        let is_space = match c {
            '\\' => chars.peek().is_none_or(|next| next.is_whitespace()),
            '\u{feff}' | '\u{200b}' => true,
            c => c.is_whitespace(),
        };
        if !is_space {
            break;
        }
        length += c.len_utf8();
    }
    length
}

fn symbol(rest: &str, first: char) -> (PieceKind, usize, bool) {
    if SYMBOLS_LONG.iter().any(|symbol| rest.starts_with(symbol)) {
        return (PieceKind::Symbol, 2, true);
    }
    let known = u8::try_from(first).is_ok_and(|byte| SYMBOLS_SHORT.contains(&byte));
    (if known { PieceKind::Symbol } else { PieceKind::Unknown }, first.len_utf8(), true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let found: Vec<&str> = pieces(text)
            .filter(|piece| !matches!(piece.kind, PieceKind::Space | PieceKind::Comment))
            .map(|piece| &text[piece.start..piece.end])
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn longer_operators_win() {
        check(
            "a->b=>c:=d||e!=f<>g<=h>=i",
            &["a", "->", "b", "=>", "c", ":=", "d", "||", "e", "!=", "f", "<>", "g", "<=", "h", ">=", "i"],
        );
        check("ARRAY<ARRAY<INT>>", &["ARRAY", "<", "ARRAY", "<", "INT", ">", ">"]);
    }

    #[test]
    fn numbers_and_words_that_begin_with_digits() {
        check(
            "1 1.5 .5 5. 1e5 1.5E-3 1abc 1e5x 1e",
            &["1", "1.5", ".5", "5.", "1e5", "1.5E-3", "1abc", "1e5x", "1e"],
        );
        assert_eq!(pieces("1abc").next().unwrap().kind, PieceKind::DigitWord);
        assert_eq!(pieces("1e").next().unwrap().kind, PieceKind::DigitWord);
    }

    #[test]
    fn backslash_before_white_space_is_white_space() {
        check("a \\\n b \\ c\\  \r\n d \\", &["a", "b", "c", "d"]);
        check("a\\b", &["a", "\\", "b"]);
    }

    #[test]
    fn comments_and_quotes_hide_each_other() {
        check("a -- 'b\nc /* ; ' */ '--d' `/*`", &["a", "c", "'--d'", "`/*`"]);
        check("'it''s' \"a\"\"b\"", &["'it''s'", "\"a\"\"b\""]);
    }

    proptest! {
        #[test]
        fn pieces_cover_any_text(text in any::<String>()) {
            let mut place = 0;
            for piece in pieces(&text) {
                prop_assert_eq!(piece.start, place);
                prop_assert!(piece.end > piece.start && text.is_char_boundary(piece.end));
                place = piece.end;
            }
            prop_assert_eq!(place, text.len());
        }
    }
}
