//! The memory of all stores together, kept below `tripline.state.memory.bytes`.
//!
//! Each worker looks at its stores from time to time and divides anew: while there is room, every store may grow by an
//! equal part of what is free; when there is none, every store gives up the same share of what it has, and what is over
//! goes to disk. Between two looks no store grows beyond its part, so the sum stays below the limit, but for changes of
//! the open epoch and the indexes, which are always in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Unit;
use super::panics::{self, Blame};

/// How often a worker looks, when it has something to do.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A store keeps so much in memory, however little there is.
const STORE_BYTES_MIN: usize = 64 << 10;

/// What all workers' stores use together.
#[derive(Debug)]
pub(crate) struct StateMemory {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
    stores: AtomicUsize,
}

impl StateMemory {
    pub fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, used_bytes: AtomicUsize::new(0), stores: AtomicUsize::new(0) }
    }

    /// What one of so many tasks may use before a worker has looked at it.
    pub fn first_budget(&self, tasks: usize) -> usize {
        let free = self.limit_bytes.saturating_sub(self.used_bytes.load(Ordering::Relaxed));
        (free / tasks.max(1)).max(STORE_BYTES_MIN)
    }

    fn budget(&self, used_bytes: usize) -> usize {
        let all = self.used_bytes.load(Ordering::Relaxed);
        let part = match self.limit_bytes.checked_sub(all) {
            Some(free) => used_bytes + free / self.stores.load(Ordering::Relaxed).max(1),
            None => (used_bytes as u128 * self.limit_bytes as u128 / all as u128) as usize,
        };
        part.max(STORE_BYTES_MIN)
    }
}

/// One worker's part in it.
pub(crate) struct MemoryShare {
    memory: Arc<StateMemory>,
    used_bytes: usize,
    stores: usize,
    looked: Instant,
}

impl MemoryShare {
    pub fn new(memory: Arc<StateMemory>) -> Self {
        Self { memory, used_bytes: 0, stores: 0, looked: Instant::now() }
    }

    pub fn is_due(&self) -> bool {
        self.looked.elapsed() >= LOOK_EVERY
    }

    /// Counts what the stores of these units use, and sets their budgets.
    pub fn divide(&mut self, units: &mut [Unit], paused: &mut [Unit]) {
        self.looked = Instant::now();
        let (mut used_bytes, mut stores) = (0, 0);
        let slots = units.iter_mut().chain(paused.iter_mut()).flat_map(|unit| &mut unit.tasks);
        for slot in slots {
            let own: usize =
                slot.task.stores_mut().inspect(|_| stores += 1).map(|(_, s)| s.bytes_used()).sum();
            used_bytes += own;
        }
        self.count(used_bytes, stores);
        if stores == 0 {
            return;
        }
        for slot in units.iter_mut().chain(paused).flat_map(|unit| &mut unit.tasks) {
            let _behalf = panics::on_behalf(Blame::Task(slot.id));
            let memory = &self.memory;
            let kept = slot.task.stores_mut().try_for_each(|(_, store)| {
                let budget = memory.budget(store.bytes_used());
                store.set_budget(budget)
            });
            if let Err(error) = kept {
                slot.fail(error.to_string());
            }
        }
    }

    fn count(&mut self, used_bytes: usize, stores: usize) {
        // Added before the old part is taken off: never below zero.
        self.memory.used_bytes.fetch_add(used_bytes, Ordering::Relaxed);
        self.memory.used_bytes.fetch_sub(self.used_bytes, Ordering::Relaxed);
        self.memory.stores.fetch_add(stores, Ordering::Relaxed);
        self.memory.stores.fetch_sub(self.stores, Ordering::Relaxed);
        (self.used_bytes, self.stores) = (used_bytes, stores);
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.count(0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_together_stay_below_the_limit() {
        let memory = Arc::new(StateMemory::new(10 << 20));
        let (mut first, mut second) = (MemoryShare::new(memory.clone()), MemoryShare::new(memory.clone()));
        first.count(2 << 20, 2);
        second.count(5 << 20, 1);
        // Three MiB are free, for three stores.
        assert_eq!([1 << 20, 5 << 20].map(|used| memory.budget(used)), [2 << 20, 6 << 20]);
        first.count(15 << 20, 2);
        assert_eq!([10 << 20, 5 << 20].map(|used| memory.budget(used)), [5 << 20, 5 << 19]);
        drop((first, second));
        assert_eq!(memory.budget(0), 10 << 20);
    }
}
