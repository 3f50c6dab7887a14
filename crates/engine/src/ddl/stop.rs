//! Queries that a statement ends: they stop before the statement is written to the command log.
//!
//! A task that does not stop in time may still run, for as long as its worker is held up, and is removed by then. So
//! the statement fails, and nothing takes the query's place: two of it would count everything twice.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use types::ErrorKind;

use super::{Change, chosen};
use crate::core::{Inner, Query, State};
use crate::error::{EngineError, Result};
use crate::worker::Command;

/// How long a query may take to stop; its workers may be waiting for a commit.
const STOP_TIME: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 10 });

/// The queries that a change ends.
pub(super) fn ended_by(state: &State, change: &Change) -> Vec<Arc<str>> {
    match change {
        Change::Persistent { planned, or_replace: true, .. } => {
            let name = planned.creates.as_ref().map(|source| &source.name);
            name.and_then(|name| maker(state, name)).into_iter().collect()
        }
        Change::Drop { name, .. } => of_source(state, name),
        Change::Terminate { query } => chosen(state, query.as_ref()),
        _ => vec![],
    }
}

/// The query that made a stream or table.
fn maker(state: &State, name: &str) -> Option<Arc<str>> {
    state.catalog.source(name)?.created_by.as_deref().map(Arc::from)
}

/// The queries that go with a stream or table: the one that made it, and what keeps the rows of a source table.
pub(super) fn of_source(state: &State, name: &Arc<str>) -> Vec<Arc<str>> {
    let keepers = state.queries.values().filter(|q| q.sink.is_none() && q.reads == [name.clone()]);
    maker(state, name).into_iter().chain(keepers.map(|q| q.id.clone())).collect()
}

/// Stops queries, all or, as far as others can see, none.
pub(super) fn stop_all(inner: &Inner, state: &mut State, ids: &[Arc<str>]) -> Result<()> {
    for (place, id) in ids.iter().enumerate() {
        let Some(query) = state.queries.get_mut(id) else { continue };
        if let Err(error) = stop(inner, query) {
            if let Ok(mut place) = query.error.lock() {
                place.get_or_insert_with(|| error.message.clone());
            }
            start_again(inner, state, &ids[..place]);
            return Err(error);
        }
    }
    Ok(())
}

/// Has queries that were stopped for nothing go on, if they are still there.
pub(super) fn start_again(inner: &Inner, state: &State, ids: &[Arc<str>]) {
    for id in ids.iter().filter(|id| state.queries.contains_key(*id)) {
        inner.stalled.begin_again(id);
    }
}

/// Ends a query's tasks when what they did is committed. After an error they may still run.
pub(crate) fn stop(inner: &Inner, query: &mut Query) -> Result<()> {
    let deadline = Instant::now() + STOP_TIME;
    let ask = |task: &crate::core::TaskHandle| {
        let (done, finished) = channel();
        // Without its thread a task does nothing.
        inner.send(task.worker, Command::Remove(vec![task.id], done)).ok().map(|()| finished)
    };
    let asked: Vec<_> = query.tasks.iter().filter_map(ask).collect();
    for finished in asked {
        let left = deadline.saturating_duration_since(Instant::now());
        if finished.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
            let seconds = STOP_TIME.as_secs();
            let message = format!("query \"{}\" did not stop within {seconds} s", query.id);
            let error = EngineError::new(ErrorKind::External, "query_busy", message);
            return Err(error.hint(
                "it stops as soon as its worker can; give the statement again then, or restart the server first",
            ));
        }
    }
    query.tasks.clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::Engine;
    use crate::entity::QueryState;
    use crate::opened::{execute, open, run};
    use crate::resume::begin_again;
    use crate::worker::held_up::hold_up;

    const SETUP: &str = "CREATE STREAM s (k STRING KEY, v INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
         CREATE STREAM c AS SELECT k, v FROM s;";

    fn produce(engine: &Engine) {
        let record = (Some(1), Some(b"k".to_vec()), Some(br#"{"v":1}"#.to_vec()));
        engine.produce("s", None, &[record]).unwrap();
    }

    fn count(engine: &Engine) -> usize {
        assert!(engine.wait_until_still(Duration::from_secs(20)).unwrap());
        engine.records("C", &[]).unwrap().len()
    }

    fn queries(engine: &Engine) -> Vec<(String, QueryState)> {
        engine.inner.state().queries.values().map(|q| (q.id.to_string(), q.state())).collect()
    }

    #[test]
    fn query_that_does_not_stop_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path());
        run(&engine, SETUP);
        produce(&engine);
        assert_eq!(count(&engine), 1);
        for statement in [
            "CREATE OR REPLACE STREAM c AS SELECT k, v FROM s WHERE v > 0;",
            "TERMINATE ALL;",
            "DROP STREAM c;",
        ] {
            let release = hold_up(&engine, "CSAS_C_1");
            let error = execute(&engine, statement).unwrap_err();
            assert_eq!((error.code, error.hint.is_some()), ("query_busy", true));
            assert_eq!(queries(&engine), [("CSAS_C_1".into(), QueryState::Error)]);
            drop(release);
            assert!(engine.wait_until_still(Duration::from_secs(20)).unwrap());
            // It is none of the statements that are executed again at a start.
            engine.inner.state().queries.values().for_each(|q| *q.error.lock().unwrap() = None);
            begin_again(&engine.inner, &Arc::from("CSAS_C_1"), true);
            assert_eq!(queries(&engine), [("CSAS_C_1".into(), QueryState::Running)]);
        }
        engine.close();

        let engine = open(dir.path());
        assert_eq!(queries(&engine), [("CSAS_C_1".into(), QueryState::Running)]);
        let release = hold_up(&engine, "CSAS_C_1");
        let replace = "CREATE OR REPLACE STREAM c AS SELECT k, v FROM s WHERE v > 0;";
        execute(&engine, replace).unwrap_err();
        drop(release);
        // Given again it is done, and the new query goes on where the old one has stopped.
        produce(&engine);
        run(&engine, replace);
        assert_eq!((queries(&engine), count(&engine)), (vec![("CSAS_C_2".into(), QueryState::Running)], 2));
        engine.close();
    }

    #[test]
    fn stalled_query_is_not_started_beside_itself() {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path());
        run(&engine, SETUP);
        let release = hold_up(&engine, "CSAS_C_1");
        begin_again(&engine.inner, &Arc::from("CSAS_C_1"), true);
        drop(release);
        produce(&engine);
        // It is started as soon as it has stopped.
        assert_eq!(count(&engine), 1);
        engine.close();
    }
}
