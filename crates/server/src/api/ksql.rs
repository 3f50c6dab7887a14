//! `POST /ksql`: statements, in order, each answered by an entity.

use engine::{EngineError, Entity, Session};
use hyper::StatusCode;

use crate::backend::Backend;
use crate::body::{JSON, KSQL_JSON, Reply, respond};
use crate::call::{Answer, Call, StatementRequest};
use crate::entity_json;
use crate::error::{ApiError, statement_text};

/// `POST /ksql`.
pub async fn post(call: Call) -> Answer {
    let state = call.state.clone();
    let content_type = if call.accepts(KSQL_JSON) { KSQL_JSON } else { JSON };
    let mut request: StatementRequest = call.json().await?;
    let (text, session) = (request.sql()?, request.session());
    let entities = state.call(move |backend| execute(backend, &text, session)).await??;
    let mut out = b"[".to_vec();
    out.extend_from_slice(&entities.join(&b',')[..]);
    out.push(b']');
    Ok(respond(StatusCode::OK, content_type, Reply::whole(out)))
}

/// Executes one statement at a time, so that each answer is known to belong to its statement.
fn execute(backend: &dyn Backend, text: &str, mut session: Session) -> Result<Vec<Vec<u8>>, ApiError> {
    check_all(text)?;
    let mut entities = Vec::new();
    let (statements, rest) = sql::split(text);
    let last = rest.map(|rest| (text.rfind(&rest).unwrap_or(0), rest));
    let all =
        statements.into_iter().map(|statement| (statement.span.start as usize, statement.text)).chain(last);
    for (start, statement) in all {
        let shown = statement_text(&statement);
        let mut answered: Vec<Entity> = Vec::new();
        let result = backend.execute(&format!("{statement};"), &mut session, &mut answered);
        entities.extend(answered.iter().map(|entity| entity_json::entity(entity, &shown)));
        if let Err(error) = result {
            let mut error = ApiError::of_statement(moved(error, &text[..start]), &statement);
            error.entities = entities;
            return Err(error);
        }
    }
    Ok(entities)
}

/// Nothing is executed when a later statement does not parse or does not belong here.
fn check_all(text: &str) -> Result<(), ApiError> {
    let (statements, rest) = sql::split(text);
    let mut texts = statements.iter().map(|statement| &*statement.text).chain(rest.as_deref());
    if let Some(query) = texts.find(|statement| is_query(statement)) {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            2,
            "wrong_endpoint",
            "SELECT and PRINT are not answered by \"/ksql\"",
        )
        .hint("send them to \"/query-stream\" or \"/query\"")
        .statement(query));
    }
    // What variables stand for is only known while executing.
    if !text.contains("${")
        && let Err(error) = sql::parse(text)
    {
        let mut found =
            EngineError::user(error.code.as_str(), error.message.clone()).at(text, Some(error.span));
        found.hint = error.hint;
        return Err(ApiError::of_statement(found, text));
    }
    Ok(())
}

/// Whether a statement is SELECT or PRINT.
fn is_query(statement: &str) -> bool {
    let word: String = statement.chars().take_while(char::is_ascii_alphabetic).collect();
    word.eq_ignore_ascii_case("SELECT") || word.eq_ignore_ascii_case("PRINT")
}

/// Moves the place of an error from its statement into the whole text.
fn moved(mut error: EngineError, before: &str) -> EngineError {
    if let Some((line, column)) = &mut error.line_column {
        let last_line = before.rsplit('\n').next().unwrap_or("");
        if *line == 1 {
            *column += last_line.chars().count() as u32;
        }
        *line += before.bytes().filter(|byte| *byte == b'\n').count() as u32;
    }
    error
}
