//! The window store.
use crate::{Cursor, Logged, Options, Result, Update};
use std::ops::RangeInclusive;

/// How a window store is set up.
#[derive(Debug, Clone)]
pub struct WindowOptions {
    /// Windows start at multiples of this: the size of tumbling windows, the advance of hopping ones, 1 for any.
    pub grid_ms: i64,
    /// How much time one segment holds, rounded up to a multiple of the grid.
    pub segment_ms: i64,
    /// The options of the stores beneath; the budget is that of all segments together.
    pub store: Options,
}
impl WindowOptions {
    /// Returns options for windows that start every `grid_ms` and are kept for `retention_ms`.
    pub fn new(grid_ms: i64, retention_ms: i64) -> WindowOptions {
        let _ = (grid_ms, retention_ms);
        unimplemented!()
    }
}
/// Values by key and window start.
pub struct WindowStore {}
#[allow(unused)]
impl WindowStore {
    /// Returns an empty store.
    pub fn new(options: WindowOptions) -> WindowStore {
        unimplemented!()
    }
    /// Returns the value of `key` in the window starting at `start`.
    pub fn get(&mut self, key: &[u8], start: i64) -> Result<Option<&[u8]>> {
        unimplemented!()
    }
    /// Sets the value. A window already expired is left out.
    pub fn put(&mut self, key: &[u8], start: i64, value: &[u8]) -> Result<()> {
        unimplemented!()
    }
    /// Removes the value and returns whether it was there.
    pub fn remove(&mut self, key: &[u8], start: i64) -> Result<bool> {
        unimplemented!()
    }
    /// Reads, changes and writes a value with one look-up, as [`crate::Store::update`].
    pub fn update(
        &mut self,
        key: &[u8],
        start: i64,
        change: impl FnOnce(Option<&[u8]>, &mut Vec<u8>) -> Update,
    ) -> Result<()> {
        unimplemented!()
    }
    /// Calls `visit(start, value)` for the windows of `key` that start within `starts`, in time order.
    pub fn fetch(
        &mut self,
        key: &[u8],
        starts: RangeInclusive<i64>,
        visit: &mut dyn FnMut(i64, &[u8]),
    ) -> Result<()> {
        unimplemented!()
    }
    /// Calls `visit(key, start, value)` for all windows that start within `starts`, segment by segment.
    pub fn range(
        &mut self,
        starts: RangeInclusive<i64>,
        visit: &mut dyn FnMut(&[u8], i64, &[u8]),
    ) -> Result<()> {
        unimplemented!()
    }
    /// Drops the windows that start before `start`.
    pub fn expire(&mut self, start: i64) -> Result<()> {
        unimplemented!()
    }
    /// Drops the windows that start before `start`, each given to `visit(key, start, value)`, by start, then in the order of writing.
    pub fn expire_before(&mut self, start: i64, visit: &mut dyn FnMut(&[u8], i64, &[u8])) -> Result<()> {
        unimplemented!()
    }
}
#[allow(unused)]
impl Logged for WindowStore {
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
