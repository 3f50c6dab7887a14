//! When groups are to be looked at: at once after something was done to them, else at their next deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Whoever has no deadline.
const NEVER: i64 = i64::MAX;

/// The earliest time of all groups.
#[derive(Debug)]
pub(crate) struct Earliest(AtomicI64);

impl Default for Earliest {
    fn default() -> Earliest {
        Earliest(AtomicI64::new(NEVER))
    }
}

impl Earliest {
    /// Returns whether some group is due. Those that become due from here on are due the next time.
    pub(crate) fn take(&self, now_ms: i64) -> bool {
        self.0.load(Ordering::Acquire) <= now_ms && self.0.swap(NEVER, Ordering::AcqRel) <= now_ms
    }

    /// Takes in what is left after a look.
    pub(crate) fn put_back(&self, at_ms: i64) {
        self.0.fetch_min(at_ms, Ordering::AcqRel);
    }
}

/// When one group is to be looked at. Changed under the group's lock, read without it.
#[derive(Debug)]
pub(crate) struct Due {
    at_ms: AtomicI64,
    earliest: Arc<Earliest>,
}

impl Default for Due {
    fn default() -> Due {
        Due::new(&Arc::default())
    }
}

impl Due {
    pub(crate) fn new(earliest: &Arc<Earliest>) -> Due {
        Due { at_ms: AtomicI64::new(NEVER), earliest: earliest.clone() }
    }

    pub(crate) fn at_ms(&self) -> i64 {
        self.at_ms.load(Ordering::Acquire)
    }

    /// Something was done to the group: its deadlines may be others.
    pub(crate) fn soon(&self) {
        self.at_ms.store(i64::MIN, Ordering::Release);
        self.earliest.put_back(i64::MIN);
    }

    /// It was looked at; the next time is its next deadline, if it has one.
    pub(crate) fn set(&self, at_ms: Option<i64>) {
        self.at_ms.store(at_ms.unwrap_or(NEVER), Ordering::Release);
    }
}
