//! The join store.
use crate::{Cursor, Logged, Options, Result};
use std::ops::RangeInclusive;

/// How a join store is set up.
#[derive(Debug, Clone)]
pub struct JoinOptions {
    /// How much time one segment holds.
    pub segment_ms: i64,
    /// The options of the stores beneath; the budget is that of all segments together.
    pub store: Options,
}
impl JoinOptions {
    /// Returns options for rows kept for `retention_ms`.
    pub fn new(retention_ms: i64) -> JoinOptions {
        let _ = retention_ms;
        unimplemented!()
    }
}
/// Rows by key, several per key, in order of (time, sequence).
pub struct JoinStore {}
#[allow(unused)]
impl JoinStore {
    /// Returns an empty store.
    pub fn new(options: JoinOptions) -> JoinStore {
        unimplemented!()
    }
    /// Adds a row with flag 0 and returns its sequence number. A row already expired is left out.
    pub fn put(&mut self, key: &[u8], ts: i64, row: &[u8]) -> Result<u64> {
        unimplemented!()
    }
    /// Calls `visit(ts, seq, row, flag)` for the rows of `key` within `times`, in order; `visit` may change the flag.
    pub fn fetch(
        &mut self,
        key: &[u8],
        times: RangeInclusive<i64>,
        visit: &mut dyn FnMut(i64, u64, &[u8], &mut u8),
    ) -> Result<()> {
        unimplemented!()
    }
    /// Calls `visit(key, ts, seq, row)` once, in order, for each row before `ts` whose flag is 0, and sets that flag to 1.
    pub fn pending_before(&mut self, ts: i64, visit: &mut dyn FnMut(&[u8], i64, u64, &[u8])) -> Result<()> {
        unimplemented!()
    }
    /// Drops the rows before `ts`.
    pub fn expire(&mut self, ts: i64) -> Result<()> {
        unimplemented!()
    }
    /// Drops the rows before `ts`, each given to `visit(key, ts, seq, row, flag)`, in order.
    pub fn expire_before(
        &mut self,
        ts: i64,
        visit: &mut dyn FnMut(&[u8], i64, u64, &[u8], u8),
    ) -> Result<()> {
        unimplemented!()
    }
    /// Calls `visit(key, ts, seq, row, flag)` for all rows, in no order.
    pub fn for_each(&mut self, visit: &mut dyn FnMut(&[u8], i64, u64, &[u8], u8)) -> Result<()> {
        unimplemented!()
    }
}
#[allow(unused)]
impl Logged for JoinStore {
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
