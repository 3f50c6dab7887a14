//! The server's own numbers for `/metrics`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the HTTP side has done since it was started.
#[derive(Default)]
pub struct Gauges {
    pub connections_open: AtomicU64,
    pub connections_refused: AtomicU64,
    pub bytes_received: AtomicU64,
    pub bytes_sent: AtomicU64,
    /// By route pattern and status: both from small fixed sets.
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
}

impl Gauges {
    /// Counts an answered request.
    pub fn count_request(&self, route: &'static str, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *requests.entry((route, status)).or_insert(0) += 1;
    }

    /// Returns the answered requests by route and status.
    pub fn requests(&self) -> Vec<(&'static str, u16, u64)> {
        let requests = self.requests.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        requests.iter().map(|((route, status), count)| (*route, *status, *count)).collect()
    }
}

/// Adds one while it lives.
pub struct Held<T: AsRef<AtomicU64>>(T);

impl<T: AsRef<AtomicU64>> Held<T> {
    pub fn new(gauge: T) -> Self {
        gauge.as_ref().fetch_add(1, Relaxed);
        Self(gauge)
    }
}

impl<T: AsRef<AtomicU64>> Drop for Held<T> {
    fn drop(&mut self) {
        self.0.as_ref().fetch_sub(1, Relaxed);
    }
}
