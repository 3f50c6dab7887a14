//! A script cut into its statements at each `;`, without judging them: for the shell.

use crate::ast::Span;
use crate::lexer::span_of;
use crate::scan::{PieceKind, pieces};

/// The text of one statement, not yet parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct StatementText {
    /// From the first word to the last, without the `;`.
    pub text: String,
    /// Where it stands in the whole text.
    pub span: Span,
}

/// Returns the statements that are complete, and what follows the last `;` if that is more than blanks
/// and comments.
///
/// A `;` inside of strings, quoted names and comments ends nothing.
pub fn split(text: &str) -> (Vec<StatementText>, Option<String>) {
    let mut statements = Vec::new();
    let mut own: Option<(usize, usize)> = None;
    let mut open_comment: Option<usize> = None;
    for piece in pieces(text) {
        match piece.kind {
            PieceKind::Space => {}
            PieceKind::Comment if piece.terminated => {}
            PieceKind::Comment => open_comment = Some(piece.start),
            PieceKind::Symbol if &text[piece.start..piece.end] == ";" => {
                if let Some((start, end)) = own.take() {
                    statements
                        .push(StatementText { text: text[start..end].to_owned(), span: span_of(start, end) });
                }
            }
            _ => own = Some((own.map_or(piece.start, |(start, _)| start), piece.end)),
        }
    }
    // A comment that is still open belongs to the rest: its next line is comment too.
    let rest = match (own, open_comment) {
        (Some((start, end)), None) => Some(text[start..end].to_owned()),
        (Some((start, _)), Some(_)) | (None, Some(start)) => Some(text[start..].to_owned()),
        (None, None) => None,
    };
    (statements, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, statements: &[&str], rest: Option<&str>) {
        let (found, found_rest) = split(text);
        assert_eq!(found.iter().map(|each| &*each.text).collect::<Vec<_>>(), statements);
        assert_eq!(found_rest.as_deref(), rest);
        for each in found {
            assert_eq!(&text[each.span.start as usize..each.span.end as usize], each.text);
        }
    }

    #[test]
    fn semicolon_in_strings_names_and_comments_ends_nothing() {
        check("SET 'a;b'='c'; -- d;\n/* ; */ LIST `e;f` ;;", &["SET 'a;b'='c'", "LIST `e;f`"], None);
    }

    #[test]
    fn unfinished_statement_is_the_rest() {
        check("a; SELECT 'b;", &["a"], Some("SELECT 'b;"));
        check("  \n", &[], None);
        check("a; -- b", &["a"], None);
        check("a /* b; ", &[], Some("a /* b; "));
        check("/* b; /* c", &[], Some("/* b; /* c"));
    }
}
