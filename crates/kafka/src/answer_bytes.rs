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

/// Bytes of an answer, counted among those of all from when they are read until they are written.
pub(crate) struct Counted {
    all: Arc<AnswerBytes>,
    len: usize,
}

/// An answer's place, given back when it is written.
pub(crate) struct Waiting {
    _counted: Counted,
    _own: Option<OwnedSemaphorePermit>,
}

impl AnswerBytes {
    pub(crate) fn new(max: usize) -> Arc<AnswerBytes> {
        Arc::new(AnswerBytes { waiting: AtomicUsize::new(0), max })
    }

    /// Begins to count an answer.
    pub(crate) fn count(self: &Arc<AnswerBytes>) -> Counted {
        Counted { all: self.clone(), len: 0 }
    }

    /// Returns what an answer may hold that is not a fetch's.
    pub(crate) fn room(&self) -> Room {
        Room::of(self.max.saturating_sub(self.waiting.load(Ordering::Relaxed)).max(ROOM_MIN))
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

impl Counted {
    /// Counts what is about to be read, before it is: others see it at once. Returns how much of it may be read.
    pub(crate) fn add(&mut self, wanted: usize) -> usize {
        let before = self.all.waiting.fetch_add(wanted, Ordering::Relaxed);
        let left = self.all.max.saturating_sub(before).max(FETCH_BYTES_MIN.saturating_sub(self.len));
        let granted = wanted.min(left);
        self.all.waiting.fetch_sub(wanted - granted, Ordering::Relaxed);
        self.len += granted;
        granted
    }

    /// Returns how many bytes are counted.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Corrects the count to what there is.
    pub(crate) fn set(&mut self, len: usize) {
        // Never less in between: what was counted stays so.
        self.all.waiting.fetch_add(len.saturating_sub(self.len), Ordering::Relaxed);
        self.all.waiting.fetch_sub(self.len.saturating_sub(len), Ordering::Relaxed);
        self.len = len;
    }
}

impl OwnAnswerBytes {
    /// Takes a place for an answer, waiting while the client has too much to read already.
    pub(crate) async fn take(&self, len: usize, counted: Option<Counted>) -> Waiting {
        let mut counted = counted.unwrap_or_else(|| self.all.count());
        counted.set(len);
        let mut waiting = Waiting { _counted: counted, _own: None };
        let kib = (len >> 10).min(OWN_KIB_MAX) as u32;
        if kib > 0 {
            waiting._own = self.own.clone().acquire_many_owned(kib).await.ok();
        }
        waiting
    }
}

impl Drop for Counted {
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
        assert_eq!(all.count().add(10 << 20), 1 << 20);
        let first = runtime.block_on(own.take(4 << 20, None));
        assert_eq!((all.count().add(10 << 20), all.count().add(100)), (FETCH_BYTES_MIN, 100));
        // Small ones do not wait, large ones do.
        drop(runtime.block_on(own.take(100, None)));
        let mut second = Box::pin(own.take(1 << 20, None));
        let noop = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(noop);
        assert!(std::future::Future::poll(second.as_mut(), &mut context).is_pending());
        drop(first);
        assert!(std::future::Future::poll(second.as_mut(), &mut context).is_ready());
        drop(second);
        assert_eq!(all.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn fetches_that_read_at_the_same_time_share_what_is_left() {
        let all = AnswerBytes::new(1 << 20);
        let (mut one, mut two) = (all.count(), all.count());
        assert_eq!(one.add(600_000), 600_000);
        assert_eq!(two.add(600_000), (1 << 20) - 600_000);
        // A little in all, not of each partition.
        assert_eq!(two.add(600_000), 0);
        let mut three = all.count();
        assert_eq!((three.add(600_000), three.add(600_000)), (FETCH_BYTES_MIN, 0));
        // What was not there is given back, a batch longer than was asked for is counted.
        one.set(100_000);
        three.set(900_000);
        assert_eq!(all.waiting(), 100_000 + ((1 << 20) - 600_000) + 900_000);
        drop((one, two, three));
        assert_eq!(all.waiting(), 0);
    }
}
