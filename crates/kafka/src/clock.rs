//! The broker's clock: the machine's, or one that a test turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Gives the time in ms since 1970.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// Stands still until it is turned.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// Makes a clock that stands at `now_ms`.
    pub fn manual(now_ms: i64) -> Clock {
        Clock::Manual(Arc::new(AtomicI64::new(now_ms)))
    }

    /// Returns the time in ms since 1970.
    pub fn now_ms(&self) -> i64 {
        match self {
            Clock::System => {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
            }
            Clock::Manual(now_ms) => now_ms.load(Ordering::Acquire),
        }
    }

    /// Turns a manual clock forward.
    pub fn advance(&self, ms: i64) {
        if let Clock::Manual(now_ms) = self {
            now_ms.fetch_add(ms, Ordering::AcqRel);
        }
    }
}
