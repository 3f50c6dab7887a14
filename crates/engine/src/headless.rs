//! Headless: the statements of a file (`ksql.queries.file`) are all that is run; there is no command log.
//!
//! The file is read at each start. Its queries are numbered in its order, so that they have the same ids and with
//! them the same positions and state as before: nothing is done twice. As in ksqlDB a file holds SET, UNSET, CREATE
//! STREAM, TABLE and TYPE, and INSERT INTO … SELECT, among them at least one query; also DEFINE and UNDEFINE.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use sql::{Span, Statement};
use types::ErrorKind;

use crate::core::Inner;
use crate::error::{EngineError, Result};
use crate::hold::Hold;
use crate::session::Session;
use crate::statement;

/// Largest file.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Runs the statements of the file, all or an error with its line.
pub(crate) fn run(inner: &Arc<Inner>, path: &str) -> Result<()> {
    let text = read(path)?;
    let (statements, rest) = sql::split(&text);
    if let Some(rest) = rest {
        let start = text.rfind(&rest).unwrap_or(0) as u32;
        let span = Span { start, end: start + rest.len() as u32 };
        let error = EngineError::user("syntax_error", "the last statement does not end with ';'");
        return Err(of_file(error.at(&text, Some(span)), path));
    }
    let _hold = Hold::new(inner);
    let mut session = Session::default();
    for each in statements {
        let before = &text[..each.span.start as usize];
        let done = one(inner, &format!("{};", each.text), &mut session);
        done.map_err(|error| of_file(moved(error, before), path))?;
    }
    if inner.state().queries.values().all(|query| query.sink.is_none()) {
        let error = EngineError::user("no_query", "the file starts no query");
        return Err(of_file(error.hint("it needs a CREATE … AS SELECT or INSERT INTO … SELECT"), path));
    }
    Ok(())
}

fn read(path: &str) -> Result<String> {
    let fail = |reason: String| {
        EngineError::new(
            ErrorKind::User,
            "queries_file",
            format!("cannot read queries file \"{path}\": {reason}"),
        )
    };
    let mut text = String::new();
    let file = File::open(path).map_err(|error| fail(error.to_string()))?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| fail(error.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(fail(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn one(inner: &Arc<Inner>, text: &str, session: &mut Session) -> Result<()> {
    let replaced = statement::substituted(inner, text, session)?;
    let parsed = sql::parse_one(&replaced).map_err(|error| statement::from_sql(&error, &replaced))?;
    let is_allowed = matches!(
        parsed.statement,
        Statement::Set { .. }
            | Statement::Unset { .. }
            | Statement::Define { .. }
            | Statement::Undefine { .. }
            | Statement::CreateSource(_)
            | Statement::CreateAs(_)
            | Statement::CreateType { .. }
            | Statement::InsertInto(_)
    );
    if !is_allowed {
        let error = EngineError::user("not_in_queries_file", "the statement cannot stand in a queries file");
        let span = Span { start: 0, end: replaced.trim_end_matches(';').len() as u32 };
        return Err(error.at(&replaced, Some(span)).hint(
            "it takes SET, UNSET, DEFINE, CREATE STREAM, CREATE TABLE, CREATE TYPE and INSERT INTO … SELECT",
        ));
    }
    statement::execute(inner, text, session, &mut Vec::new())
}

/// Moves the place of an error from its statement into the whole file.
fn moved(mut error: EngineError, before: &str) -> EngineError {
    if let Some((line, column)) = &mut error.line_column {
        if *line == 1 {
            *column += before.rsplit('\n').next().unwrap_or("").chars().count() as u32;
        }
        *line += before.bytes().filter(|byte| *byte == b'\n').count() as u32;
    }
    error
}

fn of_file(error: EngineError, path: &str) -> EngineError {
    EngineError { message: format!("queries file \"{path}\": {}", error.message), ..error }
}
