//! Queries that were stopped for no fault of theirs go on.
//!
//! A worker that cannot write its epoch voids it, and its queries stop: all of them when the disk is full, all but one
//! when that one cannot go on. Their tasks in memory are ahead of what is committed, so they are thrown away; new
//! ones begin as after a restart, with the state and the positions of the last commit.

use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use commitlog::LogError;

use crate::core::Inner;
use crate::ddl::{cannot_start, start_tasks, stop};
use crate::entity::QueryState;
use crate::hold::Hold;
use crate::worker::Command;

/// Space there must be before queries are tried again.
const ROOM_BYTES: u64 = 4 << 20;
/// How long a worker may take to void its epoch; it may be waiting for a commit.
const VOID_TIME: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Waiting {
    /// Queries that failed and are tried again when there is space.
    for_space: BTreeSet<Arc<str>>,
    /// Queries without a fault.
    for_restart: BTreeSet<Arc<str>>,
    /// Some are being started.
    is_restarting: bool,
    /// How often a query was noted for a restart.
    restarts: u64,
}

/// Ids of the queries that wait to go on.
#[derive(Default)]
pub(crate) struct Stalled(Mutex<Waiting>);

impl Stalled {
    /// Notes a query if the error will pass.
    pub fn note(&self, query_id: &Arc<str>, error: &LogError) {
        // The second: what a transaction meets after a full disk has refused its commit or markers.
        if error.is_disk_full() || matches!(error, LogError::TransactionState { .. }) {
            self.lock().for_space.insert(query_id.clone());
        }
    }

    /// Notes a query that could not be started, to be tried again when there is space.
    pub fn wait_for_space(&self, query_id: &Arc<str>) {
        self.lock().for_space.insert(query_id.clone());
    }

    /// Notes a query that is to begin again from the last commit.
    pub fn begin_again(&self, query_id: &Arc<str>) {
        let mut waiting = self.lock();
        waiting.for_restart.insert(query_id.clone());
        waiting.restarts += 1;
    }

    /// How often a query has begun again; `None` while one is about to.
    pub fn restarts(&self) -> Option<u64> {
        let waiting = self.lock();
        (!waiting.is_restarting && waiting.for_restart.is_empty()).then_some(waiting.restarts)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Starts the queries again that were stopped for no fault of theirs, if there is space.
pub(crate) fn resume_stalled(inner: &Arc<Inner>) {
    let is_idle = {
        let waiting = inner.stalled.lock();
        waiting.for_space.is_empty() && waiting.for_restart.is_empty()
    };
    if is_idle || !inner.log.has_room(ROOM_BYTES) {
        return;
    }
    for worker in 0..inner.workers.len() {
        let (done, finished) = channel();
        let sent = inner.send(worker, Command::Void(done));
        if sent.is_err() || finished.recv_timeout(VOID_TIME) != Ok(true) {
            return;
        }
    }
    // Not before: a worker that is long in voiding its epoch keeps no other from reading.
    let _hold = Hold::new(inner);
    // What is restored must be as far as the positions are.
    if !matches!(inner.log.complete_commits(), Ok(true)) {
        return;
    }
    let (for_space, for_restart) = {
        let mut waiting = inner.stalled.lock();
        waiting.is_restarting = true;
        (std::mem::take(&mut waiting.for_space), std::mem::take(&mut waiting.for_restart))
    };
    for id in &for_space {
        begin_again(inner, id, false);
    }
    for id in for_restart.difference(&for_space) {
        begin_again(inner, id, true);
    }
    inner.stalled.lock().is_restarting = false;
}

/// Sets up a query's tasks anew; with `only_without_fault` unless it has stopped by an error of its own.
pub(crate) fn begin_again(inner: &Arc<Inner>, id: &Arc<str>, only_without_fault: bool) {
    let mut state = inner.state();
    let Some(query) = state.queries.get_mut(id) else { return };
    if only_without_fault && query.state() == QueryState::Error {
        return;
    }
    if let Err(error) = stop(inner, query) {
        tracing::warn!(query = &**id, %error, "query waits to be started again");
        let mut waiting = inner.stalled.lock();
        let set = if only_without_fault { &mut waiting.for_restart } else { &mut waiting.for_space };
        set.insert(id.clone());
        return;
    }
    if let Ok(mut error) = query.error.lock() {
        *error = None;
    }
    let start = query.start.clone();
    match start_tasks(inner, &mut state, id, &start) {
        Ok(()) => tracing::info!(query = &**id, "query goes on from its last commit"),
        Err(error) => cannot_start(inner, &state, id, &error),
    }
}
