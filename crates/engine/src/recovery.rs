//! Bringing back what the command log says.
//!
//! The statements are planned and applied again in order, on the catalog alone. When all are done, what was left
//! undone by a crash is done: topics of the streams and tables that there are now are made (not those of dropped
//! ones), topics that were to be deleted and what removed queries left are removed. Then the queries start.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::statement::TopicSpec;

use crate::commands::Command as Logged;
use crate::core::{Inner, State};
use crate::ddl::{
    Starts, apply, cannot_start, forget_query, forget_snapshots, make_processing_log_stream, plan_change,
    start_tasks,
};
use crate::error::{EngineError, Result};
use crate::hold::Hold;

/// What is known only while the command log is read.
#[derive(Default)]
pub(crate) struct Recovery {
    /// Where queries begin that are still to be started.
    pub starts: BTreeMap<Arc<str>, Starts>,
    /// Topics as the last statement for each wants them.
    pub topics: BTreeMap<String, WantedTopic>,
    /// Queries that were removed.
    pub removed: Vec<String>,
}

/// How a topic is made if it is not there.
pub(crate) struct WantedTopic {
    pub spec: TopicSpec,
    pub partitions: u32,
    pub compact: bool,
}

/// Brings back streams, tables and queries, and starts the queries.
pub(crate) fn recover(inner: &Arc<Inner>) -> Result<()> {
    remove_scratch_files(inner);
    let mut state = inner.state();
    make_processing_log_stream(inner, &mut state);
    let Some(commands) = &inner.commands else { return Ok(()) };
    let mut deleted = Vec::new();
    for (sequence, command) in commands.read()? {
        state.next_command = sequence + 1;
        if let Err(error) = replay(inner, &mut state, &command, sequence) {
            tracing::error!(command = command.id, error = %error, "a statement of the command log failed");
        }
        deleted.extend(command.deletes);
    }
    let recovery = std::mem::take(&mut state.recovery);
    finish_removals(inner, &state, &recovery, &deleted);
    make_topics(inner, &state, &recovery);
    let _hold = Hold::new(inner);
    let ids: Vec<Arc<str>> = state.queries.keys().cloned().collect();
    for id in ids {
        let start = recovery.starts.get(&id).cloned().unwrap_or_default();
        if let Err(error) = start_tasks(inner, &mut state, &id, &start) {
            cannot_start(inner, &state, &id, &error);
        }
    }
    forget_snapshots(inner);
    Ok(())
}

fn replay(inner: &Arc<Inner>, state: &mut State, command: &Logged, sequence: i64) -> Result<()> {
    let parsed = sql::parse_one(&command.statement)
        .map_err(|e| EngineError::user("syntax", e.message.clone()).at(&command.statement, Some(e.span)))?;
    let settings = inner.settings.with(&command.properties)?;
    let change = plan_change(inner, &state.catalog, &settings, &parsed, &command.statement)?;
    let start = command.start.iter().map(|(t, p, o)| ((t.clone(), *p), *o)).collect();
    apply(inner, state, change, command, sequence, start, false).map(|_| ())
}

/// Removes what a crash kept from being removed with the statement.
fn finish_removals(inner: &Inner, state: &State, recovery: &Recovery, deleted: &[String]) {
    for topic in inner.log.topics() {
        // By id: a topic of the same name that was made later stays.
        if deleted.contains(&format!("{:032x}", topic.id))
            && let Err(error) = inner.log.delete_topic(&topic.name)
        {
            tracing::warn!(topic = topic.name, %error, "topic not deleted");
        }
    }
    for id in &recovery.removed {
        // A query id given by the user may be there again.
        if !state.queries.contains_key(id.as_str()) {
            forget_query(inner, id);
        }
    }
}

fn make_topics(inner: &Inner, state: &State, recovery: &Recovery) {
    for source in state.catalog.sources() {
        let Some(wanted) = recovery.topics.get(&*source.topic) else { continue };
        if let Err(error) = inner.ensure_topic(&source.topic, &wanted.spec, wanted.partitions, wanted.compact)
        {
            tracing::error!(source = &*source.name, %error, "topic could not be made");
        }
    }
}

/// Removes scratch files of a process that was killed before it could. They are never read again.
fn remove_scratch_files(inner: &Inner) {
    let Ok(entries) = std::fs::read_dir(inner.spill_dir()) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
