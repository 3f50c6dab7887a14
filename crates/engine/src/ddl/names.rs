//! The ids of commands and queries.

use sql::SourceKind;

use super::Change;
use crate::core::State;

/// The command's id, and the id of the query that it starts.
pub(super) fn of(change: &Change, sequence: i64, state: &State) -> (String, Option<String>) {
    let kind = |k: SourceKind| if k == SourceKind::Stream { "stream" } else { "table" };
    match change {
        Change::Source { planned } => {
            (format!("{}/`{}`/create", kind(planned.source.kind), planned.source.name), None)
        }
        Change::Persistent { planned, prefix, .. } => {
            let query_id = match &planned.query_id {
                Some(id) => id.clone(),
                None => free_id(state, prefix, sequence),
            };
            let id = match &planned.creates {
                Some(source) => format!("{}/`{}`/create", kind(source.kind), source.name),
                None => format!("stream/`{query_id}`/create"),
            };
            (id, Some(query_id))
        }
        Change::Drop { name, kind: k, .. } => (format!("{}/`{name}`/drop", kind(*k)), None),
        Change::Alter { source } => (format!("{}/`{}`/alter", kind(source.kind), source.name), None),
        Change::Type { name, .. } => (format!("type/`{name}`/create"), None),
        Change::DropType { name } => (format!("type/`{name}`/drop"), None),
        Change::Terminate { query } => {
            (format!("terminate/{}/execute", query.as_deref().unwrap_or("ALL")), None)
        }
        Change::Pause { query, resume } => {
            let verb = if *resume { "resume" } else { "pause" };
            (format!("{verb}/{}/execute", query.as_deref().unwrap_or("ALL")), None)
        }
        Change::Nothing(_) => (String::new(), None),
    }
}

/// The id of the query that keeps the rows of a source table.
pub(super) fn keeper(state: &State, name: &str, sequence: i64) -> String {
    free_id(state, &format!("CST_{name}"), sequence)
}

/// An id made for a query: with a number behind it where a user has given it to another one. A quoted name may have
/// anything in it; what a topic's name may not have is replaced, for the id becomes part of one.
fn free_id(state: &State, name: &str, sequence: i64) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    let id = format!("{name}_{sequence}");
    let mut free = id.clone();
    let mut number = 2;
    while state.queries.contains_key(free.as_str()) {
        free = format!("{id}_{number}");
        number += 1;
    }
    free
}
