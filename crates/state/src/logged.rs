//! What all stores have in common for changelog and snapshot: entries of key bytes and value bytes.
//!
//! Window start, session bounds, row time and sequence are encoded into the entry's key by the store itself, so the
//! runtime treats all stores alike. A change is absolute (the latest value, or a tombstone), so applying a change
//! twice, or after a snapshot that already contains it, does no harm.

use crate::Result;

/// A place in a store, for [`Logged::scan`]. Starts before the first entry.
#[derive(Debug, Clone, Default)]
pub struct Cursor {
    /// The segment under the cursor and the last one to visit, for stores made of time segments.
    pub(crate) segments: Option<(i64, i64)>,
    pub(crate) place: ChunkPlace,
}

/// A place in the chunks of one [`crate::Store`].
#[derive(Debug, Clone, Default)]
pub(crate) struct ChunkPlace {
    /// The chunk (by sequence) and the offset within.
    pub(crate) chunk: u64,
    pub(crate) offset: usize,
    /// What the store had appended in total at the last step; `None` before the first one.
    pub(crate) appended: Option<u64>,
}

/// Is called with the key of a changed entry and its value, `None` when it was removed.
pub type VisitChange<'a> = dyn FnMut(&[u8], Option<&[u8]>) + 'a;

/// A store whose changes can be logged, applied and snapshotted.
pub trait Logged {
    /// Applies one entry of the changelog or a snapshot: sets the value, or removes the entry. Not a change itself.
    fn apply(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()>;

    /// Does what `apply` does, many entries at a time: an entry may come into effect as late as [`Logged::finish_loading`],
    /// in the order given. In between only `load` may be called.
    fn load(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        self.apply(key, value)
    }

    /// Ends a run of `load`.
    fn finish_loading(&mut self) -> Result<()> {
        Ok(())
    }

    /// Calls `visit` for each entry changed since the last drain, once, with its latest value or `None` when it was
    /// removed; afterwards there are no changes.
    fn drain_changes(&mut self, visit: &mut VisitChange<'_>) -> Result<()>;

    /// Returns whether something changed since the last drain.
    fn has_changes(&self) -> bool;

    /// Calls `visit` for the entries after `cursor`, about `budget_bytes` of them, and returns whether all were
    /// visited. Between two calls the store may change: every entry that did not change since the first call is
    /// visited at least once; one that changed may be missed, or visited in any version it had.
    fn scan(
        &mut self,
        cursor: &mut Cursor,
        budget_bytes: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<bool>;

    /// Returns the number of entries.
    fn len(&self) -> usize;

    /// Returns whether the store has no entry.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes of memory in use.
    fn bytes_used(&self) -> usize;

    /// Sets the memory above which cold entries are spilled, and spills what is above it. Without a spill directory it
    /// has no effect.
    fn set_budget(&mut self, budget_bytes: usize) -> Result<()>;

    /// Prepares for about this many more entries.
    fn reserve(&mut self, entries: usize) {
        let _ = entries;
    }

    /// Forgets the changes since the last drain; the entries keep their values.
    fn clear_changes(&mut self) -> Result<()> {
        self.drain_changes(&mut |_, _| {})
    }

    /// Calls `visit` for every entry.
    fn for_each_entry(&mut self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let mut cursor = Cursor::default();
        while !self.scan(&mut cursor, usize::MAX, visit)? {}
        Ok(())
    }
}
