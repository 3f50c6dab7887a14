//! Text to tokens: white space and comments are gone, quotes are taken off.

use crate::ast::Span;
use crate::error::{SqlError, SqlErrorCode};
use crate::scan::{NumberKind, PieceKind, pieces};

/// The longest text that is parsed at once; longer scripts are split first.
pub const TEXT_BYTES_MAX: usize = 4 << 20;

/// One word, name, literal or mark with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub span: Span,
}

/// What a token is; the text of words, numbers and marks is that of its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// A keyword or a name without quotes.
    Word,
    /// A name that was quoted, without the quotes.
    QuotedName(String),
    /// A text literal, without the quotes.
    Text(String),
    Whole,
    WithPoint,
    WithExponent,
    /// A word that begins with a digit: only a part of topic names and file names.
    DigitWord,
    Symbol,
    /// A character that is no part of the language: only in topic names and file names.
    Unknown,
    /// After the last.
    End,
}

/// Returns the tokens of a text, with an `End` behind them.
pub(crate) fn tokenize(text: &str) -> Result<Vec<Token>, SqlError> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("text of {} bytes is longer than the {TEXT_BYTES_MAX} allowed", text.len());
        return Err(SqlError::new(SqlErrorCode::TooLong, message, Span::default()));
    }
    let mut tokens = Vec::with_capacity(text.len() / 5 + 1);
    for piece in pieces(text) {
        let span = span_of(piece.start, piece.end);
        let source = &text[piece.start..piece.end];
        if !piece.terminated {
            return Err(unterminated(piece.kind, source, piece.start));
        }
        let kind = match piece.kind {
            PieceKind::Space | PieceKind::Comment => continue,
            PieceKind::Word => TokenKind::Word,
            PieceKind::Number(NumberKind::Whole) => TokenKind::Whole,
            PieceKind::Number(NumberKind::WithPoint) => TokenKind::WithPoint,
            PieceKind::Number(NumberKind::WithExponent) => TokenKind::WithExponent,
            PieceKind::DigitWord => TokenKind::DigitWord,
            PieceKind::Text => TokenKind::Text(unquote(source)),
            PieceKind::QuotedName if source.len() == 2 => {
                return Err(SqlError::new(SqlErrorCode::Syntax, "quoted name is empty", span));
            }
            PieceKind::QuotedName => TokenKind::QuotedName(unquote(source)),
            PieceKind::Symbol => TokenKind::Symbol,
            PieceKind::Unknown => TokenKind::Unknown,
        };
        tokens.push(Token { kind, span });
    }
    tokens.push(Token { kind: TokenKind::End, span: span_of(text.len(), text.len()) });
    Ok(tokens)
}

/// The offsets fit: `TEXT_BYTES_MAX` is far below 4 GiB, and splitting clamps.
pub(crate) fn span_of(start: usize, end: usize) -> Span {
    Span { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
}

/// Takes off the quotes and undoubles the doubled ones.
pub(crate) fn unquote(source: &str) -> String {
    let quote = &source[..1];
    source[1..source.len() - 1].replace(&quote.repeat(2), quote)
}

fn unterminated(kind: PieceKind, source: &str, start: usize) -> SqlError {
    let mark = &source[..1];
    let (what, hint) = match kind {
        PieceKind::Comment => ("comment", "close it with */".to_owned()),
        PieceKind::Text => ("text literal", "close it with '; a ' inside is written ''".to_owned()),
        _ => ("quoted name", format!("close it with {mark}")),
    };
    SqlError::new(SqlErrorCode::Unterminated, format!("{what} has no end"), span_of(start, start + 1))
        .with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_taken_off_and_undoubled() {
        let kinds: Vec<TokenKind> =
            tokenize("'it''s' \"a\"\"b\" `c``d`").unwrap().into_iter().map(|token| token.kind).collect();
        assert_eq!(
            kinds,
            [
                TokenKind::Text("it's".into()),
                TokenKind::QuotedName("a\"b".into()),
                TokenKind::QuotedName("c`d".into()),
                TokenKind::End,
            ]
        );
    }

    #[test]
    fn text_without_end_is_placed_at_its_start() {
        let error = tokenize("SELECT 'abc").unwrap_err();
        assert_eq!((error.code, error.span.start), (SqlErrorCode::Unterminated, 7));
    }

    #[test]
    fn too_long_text_is_refused_before_it_is_read() {
        assert_eq!(tokenize(&" ".repeat(TEXT_BYTES_MAX + 1)).unwrap_err().code, SqlErrorCode::TooLong);
    }
}
