//! What a worker writes between two commits: one transaction for all its queries.

use std::sync::Arc;

use commitlog::{EpochTx, LogError};

use super::output::Problems;

/// Why an epoch cannot be committed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The log takes nothing, whoever writes.
    Log(LogError),
    /// A query cannot go on, and part of what it did is in the transaction. The others can.
    Query { id: Arc<str>, error: String },
}

impl Failure {
    /// What it means that the log has refused something of a query.
    pub fn of(query_id: &Arc<str>, error: LogError) -> Self {
        match error {
            LogError::BatchTooLarge { .. }
            | LogError::InvalidBatch { .. }
            | LogError::UnknownTopic { .. }
            | LogError::UnknownPartition { .. } => Self::query(query_id, &error),
            error => Self::Log(error),
        }
    }

    pub fn query(query_id: &Arc<str>, error: &dyn std::fmt::Display) -> Self {
        Self::Query { id: query_id.clone(), error: error.to_string() }
    }
}

/// What is written since the last commit, or a part of it.
pub(crate) struct Epoch<'a> {
    pub tx: &'a mut EpochTx,
    pub problems: &'a mut Problems,
    pub now_ms: i64,
    /// Bytes of batches.
    pub written: u64,
    failure: Option<Failure>,
}

impl<'a> Epoch<'a> {
    pub fn new(tx: &'a mut EpochTx, problems: &'a mut Problems, now_ms: i64) -> Self {
        Self { tx, problems, now_ms, written: 0, failure: None }
    }

    /// Notes that it cannot be committed; the first reason counts.
    pub fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// An error if something has failed.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.failure.take().map_or(Ok(()), Err)
    }
}
