//! The session store.
use crate::{Cursor, Logged, Options, Result};

/// How a session store is set up.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// How much time one segment holds.
    pub segment_ms: i64,
    /// The options of the stores beneath; the budget is that of all segments together.
    pub store: Options,
}
impl SessionOptions {
    /// Returns options for sessions closed by a gap of `gap_ms` and kept for `retention_ms`.
    pub fn new(gap_ms: i64, retention_ms: i64) -> SessionOptions {
        let _ = (gap_ms, retention_ms);
        unimplemented!()
    }
}
/// Values by key and session.
pub struct SessionStore {}
#[allow(unused)]
impl SessionStore {
    /// Returns an empty store.
    pub fn new(options: SessionOptions) -> SessionStore {
        unimplemented!()
    }
    /// Returns the value of the session.
    pub fn get(&mut self, key: &[u8], start: i64, end: i64) -> Result<Option<&[u8]>> {
        unimplemented!()
    }
    /// Sets the value of the session. A session already expired is left out.
    pub fn put(&mut self, key: &[u8], start: i64, end: i64, value: &[u8]) -> Result<()> {
        unimplemented!()
    }
    /// Removes the session and returns whether it was there.
    pub fn remove(&mut self, key: &[u8], start: i64, end: i64) -> Result<bool> {
        unimplemented!()
    }
    /// Calls `visit(start, end, value)` for the sessions of `key` that end at `earliest_end` or later and start at `latest_start` or earlier, by (end, start).
    pub fn find(
        &mut self,
        key: &[u8],
        earliest_end: i64,
        latest_start: i64,
        visit: &mut dyn FnMut(i64, i64, &[u8]),
    ) -> Result<()> {
        unimplemented!()
    }
    /// Calls `visit(key, start, end, value)` for all sessions that meet the same bounds.
    pub fn range(
        &mut self,
        earliest_end: i64,
        latest_start: i64,
        visit: &mut dyn FnMut(&[u8], i64, i64, &[u8]),
    ) -> Result<()> {
        unimplemented!()
    }
    /// Drops the sessions that end before `end`.
    pub fn expire(&mut self, end: i64) -> Result<()> {
        unimplemented!()
    }
    /// Drops the sessions that end before `end`, each given to `visit(key, start, end, value)`, by (end, start, key).
    pub fn expire_before(&mut self, end: i64, visit: &mut dyn FnMut(&[u8], i64, i64, &[u8])) -> Result<()> {
        unimplemented!()
    }
}
#[allow(unused)]
impl Logged for SessionStore {
    fn apply(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        unimplemented!()
    }
    fn drain_changes(&mut self, visit: &mut dyn FnMut(&[u8], Option<&[u8]>)) -> Result<()> {
        unimplemented!()
    }
    fn has_changes(&self) -> bool {
        unimplemented!()
    }
    fn scan(
        &mut self,
        cursor: &mut Cursor,
        budget_bytes: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<bool> {
        unimplemented!()
    }
    fn len(&self) -> usize {
        unimplemented!()
    }
    fn bytes_used(&self) -> usize {
        unimplemented!()
    }
    fn set_budget(&mut self, budget_bytes: usize) {
        unimplemented!()
    }
}
