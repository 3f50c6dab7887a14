//! Answers that wait for their clients to read: how many bytes, of all connections and of one.
//!
//! A client that does not read holds at most what it asked for with two requests: its third waits for the first to be
//! written. When all that wait together reach `queued.max.answer.bytes`, answers hold little until they are fewer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer_room::Room;

/// Answers of one connection that wait together, in KiB; a larger one waits alone.
const OWN_KIB_MAX: usize = 1024;
/// What a fetch may give even when very much is waiting.
const FETCH_BYTES_MIN: usize = 64 * 1024;

/// What other answers may hold then: who describes or asks for positions cannot ask for the rest later.
const ROOM_MIN: usize = 4 << 20;

/// Counts for all connections.
pub(crate) struct AnswerBytes {
    waiting: AtomicUsize,
    max: usize,
}

/// The part of one connection.
pub(crate) struct OwnAnswerBytes {
    all: Arc<AnswerBytes>,
    own: Arc<Semaphore>,
}

/// An answer's place, given back when it is written.
pub(crate) struct Waiting {
    all: Arc<AnswerBytes>,
    len: usize,
    _own: Option<OwnedSemaphorePermit>,
}

impl AnswerBytes {
    pub(crate) fn new(max: usize) -> Arc<AnswerBytes> {
        Arc::new(AnswerBytes { waiting: AtomicUsize::new(0), max })
    }

    /// Returns how much a fetch may give that asks for `wanted`.
    pub(crate) fn for_fetch(&self, wanted: usize) -> usize {
        wanted.min(self.left().max(FETCH_BYTES_MIN))
    }

    fn left(&self) -> usize {
        self.max.saturating_sub(self.waiting.load(Ordering::Relaxed))
    }

    /// Returns what an answer may hold that is not a fetch's.
    pub(crate) fn room(&self) -> Room {
        Room::of(self.left().max(ROOM_MIN))
    }

    /// Returns how many bytes wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn of_connection(self: &Arc<AnswerBytes>) -> OwnAnswerBytes {
        OwnAnswerBytes { all: self.clone(), own: Arc::new(Semaphore::new(OWN_KIB_MAX)) }
    }
}

impl OwnAnswerBytes {
    /// Takes a place for an answer, waiting while the client has too much to read already.
    pub(crate) async fn take(&self, len: usize) -> Waiting {
        self.all.waiting.fetch_add(len, Ordering::Relaxed);
        let mut waiting = Waiting { all: self.all.clone(), len, _own: None };
        let kib = (len >> 10).min(OWN_KIB_MAX) as u32;
        if kib > 0 {
            waiting._own = self.own.clone().acquire_many_owned(kib).await.ok();
        }
        waiting
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.all.waiting.fetch_sub(self.len, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetches_give_little_while_much_is_waiting() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let all = AnswerBytes::new(1 << 20);
        let own = all.of_connection();
        assert_eq!(all.for_fetch(10 << 20), 1 << 20);
        let first = runtime.block_on(own.take(4 << 20));
        assert_eq!((all.for_fetch(10 << 20), all.for_fetch(100)), (FETCH_BYTES_MIN, 100));
        // Small ones do not wait, large ones do.
        drop(runtime.block_on(own.take(100)));
        let mut second = Box::pin(own.take(1 << 20));
        let noop = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(noop);
        assert!(std::future::Future::poll(second.as_mut(), &mut context).is_pending());
        drop(first);
        assert!(std::future::Future::poll(second.as_mut(), &mut context).is_ready());
        drop(second);
        assert_eq!(all.waiting.load(Ordering::Relaxed), 0);
    }
}
