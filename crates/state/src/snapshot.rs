//! Snapshots.
use crate::{Logged, SnapshotError};
use std::io::{Read, Write};

/// A snapshot being written.
#[derive(Debug, Default)]
pub struct SnapshotWriter {}
#[allow(unused)]
impl SnapshotWriter {
    /// Begins a snapshot. Changes from now on must be replayed after it.
    pub fn begin() -> SnapshotWriter {
        unimplemented!()
    }
    /// Writes about `budget_bytes` more of `store` to `out` and returns whether the snapshot is complete.
    pub fn step(
        &mut self,
        store: &mut dyn Logged,
        budget_bytes: usize,
        out: &mut dyn Write,
    ) -> Result<bool, SnapshotError> {
        unimplemented!()
    }
}
/// Reads a snapshot into `store`, an empty store of the kind it was written from, and returns the number of entries.
#[allow(unused)]
pub fn restore(store: &mut dyn Logged, reader: &mut dyn Read) -> Result<u64, SnapshotError> {
    unimplemented!()
}
