//! Text to statements and back. Knows no catalog.

pub mod ast;
mod error;
mod format;
mod keywords;
mod lexer;
mod mask;
mod parser;
mod scan;
mod split;
mod substitute;

pub use ast::*;
pub use error::{SqlError, SqlErrorCode, nearest};
pub use format::{format_columns, format_expression, format_query, format_statement, format_type};
pub use keywords::{KEYWORDS, is_reserved, quote};
pub use lexer::TEXT_BYTES_MAX;
pub use mask::{is_secret_name, mask};
pub use parser::{NESTING_MAX, TREE_HEIGHT_MAX, TYPE_NESTING_MAX};
pub use split::{StatementText, split};
pub use substitute::substitute;

use parser::Parser;

/// A statement with the text it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The statement's own text, from its first word to its last, without the `;`.
    pub text: String,
    /// Where it stands in the whole text; the spans inside the statement refer to the whole text too.
    pub span: Span,
    /// What it says.
    pub statement: Statement,
}

/// Reads all statements of a text; the last one needs no `;`.
pub fn parse(text: &str) -> Result<Vec<Parsed>, SqlError> {
    let mut parser = Parser::new(text)?;
    let mut statements = Vec::new();
    while parser.skip_to_statement() {
        let (statement, span) = parser.terminated_statement()?;
        let own_text = text[span.start as usize..span.end as usize].to_owned();
        statements.push(Parsed { text: own_text, span, statement });
    }
    Ok(statements)
}

/// Reads a text that is exactly one statement.
pub fn parse_one(text: &str) -> Result<Parsed, SqlError> {
    let mut statements = parse(text)?;
    match (statements.pop(), statements.pop()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(SqlError::new(SqlErrorCode::Syntax, "the text has no statement", Span::default())),
        (Some(second), Some(_)) => {
            Err(SqlError::new(SqlErrorCode::Syntax, "the text has more than one statement", second.span))
        }
    }
}

/// Reads a text that is one expression.
pub fn parse_expression(text: &str) -> Result<Expr, SqlError> {
    Parser::new(text)?.whole_expression()
}

/// Reads a text that is one type, for example `ARRAY<STRING>`.
pub fn parse_type(text: &str) -> Result<TypeName, SqlError> {
    Parser::new(text)?.whole_type()
}

/// Reads columns as schemas show them: `` `ID` STRING KEY, `V` INT ``; an empty text has none.
pub fn parse_columns(text: &str) -> Result<Vec<ColumnDef>, SqlError> {
    Parser::new(text)?.whole_columns()
}
