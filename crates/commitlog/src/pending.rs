//! Positions that transactions will set and have not yet: readers who want stable ones only are told to ask again.
//!
//! One look at an index answers for all transactions, without waiting for any of them: those that end hold their locks
//! while the disk works.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, RwLock, RwLockWriteGuard};

use hashbrown::{Equivalent, HashMap};

use crate::error::LogError;
use crate::ledger::OffsetEntry;
use crate::ticket::CommitTicket;

/// Positions one transaction may set.
const OFFSETS_MAX: usize = 100_000;

/// Group, topic, partition.
type Key = (String, String, u32);

/// A [`Key`] that is looked up.
struct KeyRef<'a>(&'a str, &'a str, u32);

impl Hash for KeyRef<'_> {
    // As a tuple is hashed.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
        self.1.hash(state);
        self.2.hash(state);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        key.2 == self.2 && key.1 == self.1 && key.0 == self.0
    }
}

/// Who will set a position.
#[derive(Default)]
struct Setters {
    /// Open transactions.
    open: usize,
    /// Commits on their way.
    commits: Vec<CommitTicket>,
}

/// The positions that all transactions will set.
#[derive(Default)]
pub(crate) struct PendingOffsets {
    by_key: RwLock<HashMap<Key, Setters>>,
}

impl PendingOffsets {
    pub(crate) fn contains(&self, group: &str, topic: &str, partition: u32) -> bool {
        let by_key = self.by_key.read().expect("no holder panics");
        let setters = by_key.get(&KeyRef(group, topic, partition));
        // A commit counts as done as soon as its ticket says so, as for whoever waits for it.
        setters.is_some_and(|s| s.open > 0 || s.commits.iter().any(|commit| commit.poll().is_none()))
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Key, Setters>> {
        self.by_key.write().expect("no holder panics")
    }

    fn change<'k>(&self, keys: impl Iterator<Item = &'k Key>, change: impl Fn(&mut Setters)) {
        let mut by_key = self.write();
        for key in keys {
            let Some(setters) = by_key.get_mut(key) else { continue };
            change(setters);
            if setters.open == 0 && setters.commits.is_empty() {
                by_key.remove(key);
            }
        }
    }
}

/// The positions that one open transaction will set; they are pending until this goes.
pub(crate) struct OpenOffsets {
    pending: Arc<PendingOffsets>,
    entries: BTreeMap<Key, OffsetEntry>,
}

impl OpenOffsets {
    pub(crate) fn new(pending: &Arc<PendingOffsets>) -> OpenOffsets {
        OpenOffsets { pending: pending.clone(), entries: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sets a position, in the place of one that was set before.
    pub(crate) fn set(&mut self, entry: OffsetEntry) -> Result<(), LogError> {
        let key = (entry.group.clone(), entry.topic.clone(), entry.partition);
        if let Some(before) = self.entries.get_mut(&key) {
            *before = entry;
            return Ok(());
        }
        if self.entries.len() == OFFSETS_MAX {
            let what = "number of a transaction's offsets";
            return Err(LogError::Limit { what, size: OFFSETS_MAX + 1, max: OFFSETS_MAX });
        }
        self.pending.write().entry(key.clone()).or_default().open += 1;
        self.entries.insert(key, entry);
        Ok(())
    }

    /// Returns them for a commit, and keeps them pending until it is done.
    pub(crate) fn handed_over(mut self, commit: &CommitTicket) -> Vec<OffsetEntry> {
        let entries = std::mem::take(&mut self.entries);
        if entries.is_empty() {
            return Vec::new();
        }
        self.pending.change(entries.keys(), |setters| {
            setters.open -= 1;
            setters.commits.push(commit.clone());
        });
        let (keys, entries): (Vec<Key>, Vec<OffsetEntry>) = entries.into_iter().unzip();
        let pending = self.pending.clone();
        commit.on_done(move |_| {
            let is_done = |commit: &mut CommitTicket| commit.poll().is_none();
            pending.change(keys.iter(), |setters| setters.commits.retain_mut(is_done));
        });
        entries
    }

    /// Returns them for a commit; what it sets is not pending any more.
    pub(crate) fn taken(mut self) -> Vec<OffsetEntry> {
        self.release();
        std::mem::take(&mut self.entries).into_values().collect()
    }

    fn release(&self) {
        if !self.entries.is_empty() {
            self.pending.change(self.entries.keys(), |setters| setters.open -= 1);
        }
    }
}

impl Drop for OpenOffsets {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::CommittedOffset;

    fn entry(group: &str, partition: u32) -> OffsetEntry {
        let committed =
            CommittedOffset { offset: 1, leader_epoch: -1, metadata: String::new(), committed_ms: 0 };
        OffsetEntry { group: group.to_owned(), topic: "t".to_owned(), partition, committed }
    }

    fn open(pending: &Arc<PendingOffsets>, partitions: &[u32]) -> OpenOffsets {
        let mut open = OpenOffsets::new(pending);
        for partition in partitions {
            open.set(entry("g", *partition)).unwrap();
            open.set(entry("g", *partition)).unwrap();
        }
        open
    }

    #[test]
    fn offsets_are_pending_until_the_last_transaction_that_sets_them_has_ended() {
        let pending = Arc::new(PendingOffsets::default());
        let (first, second) = (open(&pending, &[0, 1]), open(&pending, &[1]));
        assert!(pending.contains("g", "t", 0) && pending.contains("g", "t", 1));
        assert!(!pending.contains("g", "t", 2) && !pending.contains("h", "t", 0));
        let commit = CommitTicket::default();
        assert_eq!(first.handed_over(&commit).len(), 2);
        drop(second);
        assert!(pending.contains("g", "t", 0) && pending.contains("g", "t", 1));
        commit.complete(Ok(()));
        assert!(pending.write().is_empty());
        let own = open(&pending, &[3]);
        assert!(pending.contains("g", "t", 3));
        assert_eq!(own.taken().len(), 1);
        assert!(pending.write().is_empty());
    }

    #[test]
    fn commit_that_is_done_at_once_leaves_nothing() {
        let pending = Arc::new(PendingOffsets::default());
        open(&pending, &[0]).handed_over(&CommitTicket::ready());
        assert!(pending.write().is_empty());
    }
}
