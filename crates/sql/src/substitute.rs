//! `${name}` replaced by the variable's value, before the text is parsed.
//!
//! A value can fill in a name, a literal or a part of one, but never a piece of syntax: inside of quotes
//! its own quotes are doubled, outside it has to be a single word, number or quoted piece. So no value
//! can end a statement and begin another (ksqlDB: how-to guide “substitute variables”).

use std::collections::BTreeMap;

use crate::error::{SqlError, SqlErrorCode, nearest};
use crate::lexer::{TEXT_BYTES_MAX, span_of};
use crate::scan::{PieceKind, pieces};

/// Returns the text with the values of its variables; `$${name}` stands for `${name}` itself.
///
/// Names are compared without case. In comments nothing is replaced; in strings and quoted names an
/// undefined variable stays as it is, elsewhere it is an error.
pub fn substitute(text: &str, variables: &BTreeMap<String, String>) -> Result<String, SqlError> {
    if !text.contains("${") {
        return Ok(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = pieces(text);
    while let Some(piece) = rest.next() {
        let source = &text[piece.start..piece.end];
        match piece.kind {
            PieceKind::Comment => out.push_str(source),
            PieceKind::Text | PieceKind::QuotedName => quoted(&mut out, source, variables),
            PieceKind::Unknown => match reference(&text[piece.start..]) {
                None => out.push_str(source),
                Some(Reference { name, length, is_escaped: true }) => {
                    out.push_str(&format!("${{{name}}}"));
                    rest.seek(piece.start + length);
                }
                Some(Reference { name, length, is_escaped: false }) => {
                    let end = piece.start + length;
                    let error = |error: SqlError| SqlError { span: span_of(piece.start, end), ..error };
                    let value = value_of(name, variables).ok_or_else(|| error(undefined(name, variables)))?;
                    if !is_single_piece(value) {
                        return Err(error(unsafe_value(name)));
                    }
                    join(&mut out, value, text[end..].chars().next());
                    rest.seek(end);
                }
            },
            _ => out.push_str(source),
        }
        if out.len() > TEXT_BYTES_MAX {
            let message =
                format!("text with its variables is longer than the {TEXT_BYTES_MAX} bytes allowed");
            return Err(SqlError::new(SqlErrorCode::TooLong, message, span_of(piece.start, piece.end)));
        }
    }
    Ok(out)
}

struct Reference<'a> {
    name: &'a str,
    length: usize,
    is_escaped: bool,
}

/// The `${name}` or `$${name}` that the text begins with.
fn reference(text: &str) -> Option<Reference<'_>> {
    let is_escaped = text.starts_with("$${");
    let open = if is_escaped { 3 } else { 2 };
    let inner = text.strip_prefix(if is_escaped { "$${" } else { "${" })?;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let length = inner.bytes().take_while(is_part).count();
    let is_name = length > 0 && !inner.as_bytes()[0].is_ascii_digit();
    (is_name && inner[length..].starts_with('}')).then(|| Reference {
        name: &inner[..length],
        length: open + length + 1,
        is_escaped,
    })
}

/// Replaces inside of a quoted piece, whose quotes the values must not close.
fn quoted(out: &mut String, source: &str, variables: &BTreeMap<String, String>) {
    let quote = &source[..1];
    let mut rest = source;
    while let Some(found) = rest.find('$') {
        out.push_str(&rest[..found]);
        rest = &rest[found..];
        match reference(rest) {
            Some(Reference { name, length, is_escaped }) => {
                match value_of(name, variables) {
                    _ if is_escaped => out.push_str(&rest[1..length]),
                    Some(value) => out.push_str(&value.replace(quote, &quote.repeat(2))),
                    None => out.push_str(&rest[..length]),
                }
                rest = &rest[length..];
            }
            None => {
                out.push('$');
                rest = &rest[1..];
            }
        }
        if out.len() > TEXT_BYTES_MAX {
            // The caller refuses the text; what is missing does not matter any more.
            return;
        }
    }
    out.push_str(rest);
}

fn value_of<'a>(name: &str, variables: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let by_case =
        || variables.iter().find(|(each, _)| each.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    variables.get(name).or_else(by_case).map(String::as_str)
}

/// One word, number, string or quoted name; also names with points and dashes, as topics have.
fn is_single_piece(value: &str) -> bool {
    let mut pieces = pieces(value);
    if let (Some(only), None) = (pieces.next(), pieces.next()) {
        return only.terminated
            && !matches!(only.kind, PieceKind::Space | PieceKind::Comment)
            && (only.kind != PieceKind::Symbol && only.kind != PieceKind::Unknown);
    }
    let unsigned = value.strip_prefix('-').unwrap_or(value);
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit());
    let body = if is_number { unsigned } else { value };
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@' | b'.' | b'-');
    let is_edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    body.bytes().all(is_part)
        && is_edge(body.as_bytes().first())
        && is_edge(body.as_bytes().last())
        && !body.contains("--")
}

/// Appends the value so that it makes no comment and no longer string with what stands beside it.
fn join(out: &mut String, value: &str, next: Option<char>) {
    let merges = |left: Option<char>, right: Option<char>| {
        left == right && matches!(left, Some('-' | '\'' | '"' | '`'))
    };
    if merges(out.chars().next_back(), value.chars().next()) {
        out.push(' ');
    }
    out.push_str(value);
    if merges(value.chars().next_back(), next) {
        out.push(' ');
    }
}

fn undefined(name: &str, variables: &BTreeMap<String, String>) -> SqlError {
    let message = format!("variable \"{name}\" is not defined");
    let error = SqlError::new(SqlErrorCode::UndefinedVariable, message, span_of(0, 0));
    match nearest(name, variables.keys().map(String::as_str)) {
        Some(meant) => error.with_hint(format!("did you mean {meant}?")),
        None => error.with_hint(format!("define it with DEFINE {name} = 'value'")),
    }
}

fn unsafe_value(name: &str) -> SqlError {
    let message = format!("value of variable \"{name}\" is not a single name or literal");
    SqlError::new(SqlErrorCode::UnsafeVariable, message, span_of(0, 0))
        .with_hint("outside of quotes a variable stands for one name, number or quoted text")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(text: &str, variables: &[(&str, &str)]) -> Result<String, SqlErrorCode> {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        substitute(text, &variables).map_err(|error| error.code)
    }

    #[test]
    fn values_stand_for_names_numbers_and_texts() {
        let variables = [("s", "LOGINS"), ("n", "-5"), ("f", "'JSON'"), ("t", "my-topic.v1")];
        assert_eq!(run("FROM ${s} x > ${N}", &variables).unwrap(), "FROM LOGINS x > -5");
        assert_eq!(run("f=${f}, 't-${s}', `${s}`", &variables).unwrap(), "f='JSON', 't-LOGINS', `LOGINS`");
        assert_eq!(run("PRINT ${t}", &variables).unwrap(), "PRINT my-topic.v1");
    }

    #[test]
    fn escaped_and_commented_references_stay() {
        assert_eq!(run("$${s} '$${s}' -- ${s}", &[("s", "x")]).unwrap(), "${s} '${s}' -- ${s}");
    }

    #[test]
    fn value_cannot_leave_its_place() {
        for value in ["x; DROP STREAM y", "x --", "'a", "a, b", "1 OR 1=1", "(SELECT", ";", "", "/* x"] {
            assert_eq!(run("SELECT ${v}", &[("v", value)]), Err(SqlErrorCode::UnsafeVariable), "{value}");
        }
        assert_eq!(run("SELECT '${v}'", &[("v", "'; DROP")]).unwrap(), "SELECT '''; DROP'");
        assert_eq!(run("1 -${v}", &[("v", "-1")]).unwrap(), "1 - -1");
        assert_eq!(run("'a'${v}'c'", &[("v", "'b'")]).unwrap(), "'a' 'b' 'c'");
    }

    #[test]
    fn undefined_variable_is_an_error_outside_of_quotes_only() {
        assert_eq!(run("SELECT ${v}", &[]), Err(SqlErrorCode::UndefinedVariable));
        assert_eq!(run("REGEXP_EXTRACT('a${v}$')", &[]).unwrap(), "REGEXP_EXTRACT('a${v}$')");
    }

    proptest! {
        #[test]
        fn number_of_statements_never_changes(value in "[ a-z0-9;'\"`/*$(){}.-]{0,12}", place in 0..4usize) {
            let text = ["SELECT ${v} FROM a; x", "'${v}'; x", "a-${v}-b; x", "`${v}` \"${v}\"; x"][place];
            let variables = BTreeMap::from([("v".to_owned(), value)]);
            if let Ok(text) = substitute(text, &variables) {
                let (complete, rest) = crate::split(&text);
                prop_assert_eq!((complete.len(), rest.as_deref()), (1, Some("x")), "{}", text);
            }
        }
    }
}
