//! One statement after the other: variables replaced, sessions changed, the rest handed on.

use std::sync::Arc;

use sql::{Parsed, SqlError, Statement};
use types::ErrorKind;

use crate::core::Inner;
use crate::entity::Entity;
use crate::error::{EngineError, Result};
use crate::session::Session;
use crate::{ddl, produce, settings, show};

/// Executes all statements of a text that are neither queries nor PRINT.
pub(crate) fn execute(
    inner: &Arc<Inner>,
    text: &str,
    session: &mut Session,
    answered: &mut Vec<Entity>,
) -> Result<()> {
    // Variables may be defined by the text itself, so that each statement is replaced when its turn comes.
    let (statements, rest) = sql::split(text);
    let texts = statements.into_iter().map(|s| s.text).chain(rest);
    for text in texts {
        let text = substituted(inner, &text, session)?;
        let parsed = sql::parse(&text).map_err(|e| from_sql(&e, &text))?;
        for parsed in &parsed {
            answered.push(one(inner, parsed, &text, session).map_err(|e| EngineError {
                statement: e.statement.or_else(|| Some(sql::mask(&parsed.text))),
                ..e
            })?);
        }
    }
    Ok(())
}

fn one(inner: &Arc<Inner>, parsed: &Parsed, text: &str, session: &mut Session) -> Result<Entity> {
    match &parsed.statement {
        Statement::Query(_) | Statement::Print(_) => Err(EngineError::user(
            "use_query_endpoint",
            "the statement gives rows and belongs to the query endpoint",
        )
        .hint("send SELECT to /query-stream or /query, PRINT to /query")),
        Statement::Set { name, value } => {
            settings::check_session(name, Some(value))?;
            session.properties.insert(settings::plain_name(name).to_owned(), value.clone());
            Ok(Entity::Warning(format!("Successfully changed local property '{name}' to '{value}'.")))
        }
        Statement::Unset { name } => {
            settings::find_name(name)?;
            session.properties.remove(settings::plain_name(name));
            Ok(Entity::Warning(format!("Successfully unset local property '{name}'.")))
        }
        Statement::Define { name, value } => {
            session.variables.insert(name.text.to_string(), value.clone());
            Ok(Entity::Warning(format!("Variable {} defined.", name.text)))
        }
        Statement::Undefine { name } => {
            session.variables.remove(&*name.text);
            Ok(Entity::Warning(format!("Variable {} removed.", name.text)))
        }
        Statement::InsertValues(insert) => produce::insert_values(inner, insert, text, session),
        Statement::CreateSource(_)
        | Statement::CreateAs(_)
        | Statement::InsertInto(_)
        | Statement::AlterSource(_)
        | Statement::DropSource(_)
        | Statement::CreateType { .. }
        | Statement::DropType { .. }
        | Statement::Terminate { .. }
        | Statement::Pause { .. }
        | Statement::Resume { .. } => ddl::execute(inner, parsed, text, &session.properties),
        other => show::execute(inner, other, text, session),
    }
}

/// The text with `${variables}` replaced.
pub(crate) fn substituted(inner: &Inner, text: &str, session: &Session) -> Result<String> {
    if !inner.settings.boolean("ksql.variable.substitution.enable") {
        return Ok(text.to_owned());
    }
    sql::substitute(text, &session.variables).map_err(|e| from_sql(&e, text))
}

/// An error of the parser with its place.
pub(crate) fn from_sql(error: &SqlError, text: &str) -> EngineError {
    let mut found = EngineError::new(ErrorKind::User, error.code.as_str(), error.message.clone())
        .at(text, Some(error.span));
    found.hint.clone_from(&error.hint);
    found.statement = Some(sql::mask(text));
    found
}
