//! The unordered store.
use crate::{Cursor, Logged, Result};
use std::path::PathBuf;

/// How a store is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether changes are remembered for [`Logged::drain_changes`].
    pub track_changes: bool,
    /// Memory above which cold entries go to the scratch file.
    pub budget_bytes: usize,
    /// The directory of the scratch file; `None` keeps everything in memory.
    pub spill_dir: Option<PathBuf>,
}
impl Default for Options {
    fn default() -> Options {
        Options { track_changes: true, budget_bytes: usize::MAX, spill_dir: None }
    }
}

/// What [`Store::update`] does after the caller saw the old value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// Leave the entry as it is.
    Keep,
    /// Set the value to what was written to the buffer.
    Put,
    /// Remove the entry.
    Remove,
}

/// Keys and values, in no order.
pub struct Store {}
#[allow(unused)]
impl Store {
    /// Returns an empty store.
    pub fn new(options: Options) -> Store {
        unimplemented!()
    }
    /// Returns the value of `key`.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>> {
        unimplemented!()
    }
    /// Sets the value of `key`.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        unimplemented!()
    }
    /// Removes `key` and returns whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> Result<bool> {
        unimplemented!()
    }
    /// Reads, changes and writes the value of `key` with one look-up. `change` gets the old value and an empty buffer.
    pub fn update(
        &mut self,
        key: &[u8],
        change: impl FnOnce(Option<&[u8]>, &mut Vec<u8>) -> Update,
    ) -> Result<()> {
        unimplemented!()
    }
}
#[allow(unused)]
impl Logged for Store {
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
