//! Tells waiting readers that something was appended or became visible, anywhere in the log.
//!
//! One generation counter for all partitions: a waiter looks at its partitions, waits for the generation to move,
//! and looks again. An append with nobody waiting costs one atomic addition.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::time::{Duration, Instant};

/// Called after every change; must be quick and must not call into the log.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Wakes readers. Clone the `Arc` from `Log::notifier`.
#[derive(Default)]
pub struct Notifier {
    generation: AtomicU64,
    waiting: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
    wakers: RwLock<Vec<(u64, Waker)>>,
    waker_count: AtomicUsize,
    next_waker: AtomicU64,
}

impl Notifier {
    /// Returns the present generation; it grows with every change.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Waits until the generation differs from `seen` or the time is over; returns the generation.
    pub fn wait(&self, seen: u64, timeout: Duration) -> u64 {
        let now = self.generation();
        if now != seen {
            return now;
        }
        let deadline = Instant::now().checked_add(timeout);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut guard = self.lock.lock().expect("no holder panics");
        loop {
            let now = self.generation();
            let left =
                deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            if now != seen || left.is_zero() {
                self.waiting.fetch_sub(1, Ordering::SeqCst);
                return now;
            }
            (guard, _) = self.changed.wait_timeout(guard, left).expect("no holder panics");
        }
    }

    /// Registers a function to be called after every change; returns its number for [`Notifier::remove_waker`].
    pub fn add_waker(&self, waker: Waker) -> u64 {
        let id = self.next_waker.fetch_add(1, Ordering::SeqCst);
        let mut wakers = self.wakers.write().expect("no holder panics");
        wakers.push((id, waker));
        self.waker_count.store(wakers.len(), Ordering::SeqCst);
        id
    }

    /// Forgets a waker.
    pub fn remove_waker(&self, id: u64) {
        let mut wakers = self.wakers.write().expect("no holder panics");
        wakers.retain(|(other, _)| *other != id);
        self.waker_count.store(wakers.len(), Ordering::SeqCst);
    }

    /// Wakes all waiters though nothing changed in the log, so that they look at something else.
    pub fn nudge(&self) {
        self.notify();
    }

    pub(crate) fn notify(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            // The empty critical section orders this behind a waiter that has looked but does not sleep yet.
            drop(self.lock.lock().expect("no holder panics"));
            self.changed.notify_all();
        }
        if self.waker_count.load(Ordering::SeqCst) > 0 {
            for (_, waker) in self.wakers.read().expect("no holder panics").iter() {
                waker();
            }
        }
    }
}
