//! Whether a planned statement may take effect now.

use plan::catalog::{Catalog, Source};
use types::ErrorKind;

use super::Change;
use crate::core::{Inner, State};
use crate::error::{EngineError, Result};

/// CREATE OR REPLACE may add value columns; the rest stays.
pub(super) fn replacement(catalog: &Catalog, new: &Source) -> Result<()> {
    let Some(old) = catalog.source(&new.name) else { return Ok(()) };
    if new.is_source {
        return Err(EngineError::user("bad_replace", "CREATE OR REPLACE is not for read-only sources"));
    }
    let keys_equal = old.schema.key().eq(new.schema.key());
    let old_value: Vec<_> = old.schema.value().collect();
    let new_value: Vec<_> = new.schema.value().collect();
    let extends = new_value.len() >= old_value.len() && old_value.iter().zip(&new_value).all(|(a, b)| a == b);
    if keys_equal
        && extends
        && old.topic == new.topic
        && old.key_format == new.key_format
        && old.value_format.name == new.value_format.name
    {
        return Ok(());
    }
    Err(EngineError::user(
        "bad_replace",
        format!("\"{}\" can only be replaced by one with more value columns", new.name),
    )
    .hint("key, topic, formats and the columns there are must stay as they are"))
}

/// Checks what cannot be seen from the catalog alone: topics, limits, who still uses what goes.
pub(super) fn effect(inner: &Inner, state: &State, change: &Change) -> Result<()> {
    match change {
        Change::Source { planned, .. } => {
            let topic = &planned.source.topic;
            // What is there may be read.
            if inner.log.describe_topic(topic).is_err() {
                inner.check_not_reserved(topic)?;
            }
        }
        Change::Persistent { planned, .. } => {
            if let Some(sink) = &planned.plan.sink {
                inner.check_not_reserved(&sink.topic)?;
            }
            if let Some(why) = inner.broken_worker() {
                let error = EngineError::new(ErrorKind::Internal, "worker_broken", why);
                return Err(error.hint("no query can be started before that"));
            }
            if let Some(id) = &planned.query_id
                && state.queries.contains_key(id.as_str())
            {
                let error = EngineError::user("query_exists", format!("query \"{id}\" exists already"));
                return Err(error.hint("give another QUERY_ID, or leave it out"));
            }
            let limit = inner.settings.integer("ksql.query.persistent.active.limit");
            if state.queries.len() as i64 >= limit {
                return Err(EngineError::user(
                    "too_many_queries",
                    format!("there are {limit} persistent queries already"),
                ));
            }
        }
        Change::Drop { name, delete_topic, .. } => {
            if let (true, Some(source)) = (delete_topic, state.catalog.source(name)) {
                inner.check_not_reserved(&source.topic)?;
            }
            let readers: Vec<&str> = state
                .queries
                .values()
                .filter(|q| q.reads.contains(name) && q.sink.is_some())
                .map(|q| &*q.id)
                .collect();
            if !readers.is_empty() {
                return Err(EngineError::user(
                    "still_used",
                    format!("\"{name}\" is read by {}", readers.join(", ")),
                )
                .hint(format!("TERMINATE {} first", readers[0])));
            }
            // The query that made it goes with it.
            let own = state.catalog.source(name).and_then(|source| source.created_by.as_deref());
            let inserters: Vec<&str> = state
                .queries
                .values()
                .filter(|q| q.sink.as_ref().is_some_and(|(n, _)| n == name) && Some(&*q.id) != own)
                .map(|q| &*q.id)
                .collect();
            if !inserters.is_empty() {
                return Err(EngineError::user(
                    "still_used",
                    format!("\"{name}\" is written by {}", inserters.join(", ")),
                )
                .hint(format!("TERMINATE {} first", inserters[0])));
            }
        }
        Change::Terminate { query: Some(id) } | Change::Pause { query: Some(id), .. }
            if !state.queries.contains_key(id) =>
        {
            let known = state.queries.keys().map(|k| &**k);
            let error = EngineError::user("unknown_query", format!("query \"{id}\" does not exist"));
            return Err(match sql::nearest(id, known) {
                Some(near) => error.hint(format!("did you mean {}?", sql::quote(near))),
                None => error.hint("SHOW QUERIES lists what there is"),
            });
        }
        _ => {}
    }
    Ok(())
}
