//! Queries that a full disk has stopped go on when there is space again.
//!
//! A worker that cannot write its epoch voids it, and its queries stop. Their tasks in memory are ahead of what is
//! committed, so they are thrown away; new ones begin as after a restart, with the state and the positions of the
//! last commit.

use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use commitlog::LogError;

use crate::core::Inner;
use crate::ddl::{start_tasks, stop};
use crate::worker::Command;

/// Space there must be before queries are tried again.
const ROOM_BYTES: u64 = 4 << 20;
/// How long a worker may take to void its epoch; it may be waiting for a commit.
const VOID_TIME: Duration = Duration::from_secs(10);

/// Ids of the queries that wait for space.
#[derive(Default)]
pub(crate) struct Stalled(Mutex<BTreeSet<Arc<str>>>);

impl Stalled {
    /// Notes a query if the error will pass.
    pub fn note(&self, query_id: &Arc<str>, error: &LogError) {
        // The second: what a transaction meets after a full disk has refused its commit or markers.
        if error.is_disk_full() || matches!(error, LogError::TransactionState { .. }) {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(query_id.clone());
        }
    }

    fn all(&self) -> Vec<Arc<str>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter().cloned().collect()
    }

    fn remove(&self, query_id: &str) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(query_id);
    }
}

/// Starts the queries again that wait for space, if there is some.
pub(crate) fn resume_stalled(inner: &Arc<Inner>) {
    let ids = inner.stalled.all();
    if ids.is_empty() || !inner.log.has_room(ROOM_BYTES) {
        return;
    }
    for worker in 0..inner.workers.len() {
        let (done, finished) = channel();
        let sent = inner.send(worker, Command::Void(done));
        if sent.is_err() || finished.recv_timeout(VOID_TIME) != Ok(true) {
            return;
        }
    }
    let mut state = inner.state();
    for id in ids {
        inner.stalled.remove(&id);
        let Some(query) = state.queries.get_mut(&id) else { continue };
        stop(inner, query);
        query.tasks.clear();
        let start = query.start.clone();
        if let Ok(mut error) = query.error.lock() {
            *error = None;
        }
        match start_tasks(inner, &mut state, &id, &start) {
            Ok(()) => tracing::info!(query = &*id, "query goes on, there is space again"),
            Err(error) => {
                tracing::error!(query = &*id, %error, "query could not be started again");
                if let Some(query) = state.queries.get(&id)
                    && let Ok(mut place) = query.error.lock()
                {
                    *place = Some(error.to_string());
                }
            }
        }
    }
}
