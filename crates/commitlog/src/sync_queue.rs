//! Frames of the write-ahead files on their way to a sync.
//!
//! A thread syncs them. Where syncs are quick, whoever waits for a frame may do it instead, for all that wait: on a full
//! machine it takes longer to wake the thread, and to be woken by it, than to sync, and a third more records came in from
//! one producer without. Such a frame does not wake the thread; left alone, it is found within a few milliseconds.
//!
//! Not a channel: those yield before they wait, and who yields on a full machine waits for longer.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::disk::DiskFile;
use crate::error::LogError;
use crate::health::Health;
use crate::partition::{Fresh, Partition};
use crate::ticket::CommitTicket;
use crate::vital_thread::VitalThread;

/// Frames that wait for a sync; who writes one more waits.
const UNSYNCED_MAX: usize = 1024;
/// How long syncs take at most, in the mean, for callers to make them.
const QUICK_MAX: Duration = Duration::from_micros(500);
/// How often the thread looks for frames whose writer has promised to sync them and has not.
const LEFT_ALONE: Duration = Duration::from_millis(2);
/// A sync's part of the mean.
const MEAN_OF: u32 = 8;

/// Who syncs a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SyncedBy {
    /// The thread, at once.
    Thread,
    /// Its writer calls [`SyncQueue::help`] before it waits.
    Writer,
}

/// A frame that is written and not synced, or a place between such.
pub(crate) struct Unsynced {
    pub file: Option<Arc<dyn DiskFile>>,
    pub path: PathBuf,
    pub inside: Vec<(Arc<Partition>, Fresh)>,
    pub ticket: CommitTicket,
}

#[derive(Default)]
pub(crate) struct SyncQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    frames: Vec<Unsynced>,
    /// Somebody syncs; one at a time, so that answers are in the order of the frames.
    is_syncing: bool,
    /// Somebody waits who will not sync: the thread must.
    is_wanted: bool,
    /// The thread waits for a frame, for as long as it takes.
    is_idle: bool,
    /// Somebody waits for room.
    is_full: bool,
    is_closed: bool,
    /// Times that frames were taken.
    rounds: u64,
    /// How long syncs take, in the mean of the last ones.
    mean: Duration,
}

impl State {
    fn is_quick(&self) -> bool {
        self.mean <= QUICK_MAX
    }

    fn take_all(&mut self) -> Vec<Unsynced> {
        self.is_syncing = true;
        self.is_wanted = false;
        self.rounds += 1;
        std::mem::take(&mut self.frames)
    }
}

impl SyncQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).expect("no holder panics")
    }

    /// Says whether so much is waiting that who writes more may have to wait too.
    pub(crate) fn is_busy(&self) -> bool {
        self.lock().frames.len() >= UNSYNCED_MAX / 2
    }

    /// Adds a frame; waits while there are too many.
    pub(crate) fn put(&self, frame: Unsynced, by: SyncedBy) {
        let mut state = self.lock();
        while state.frames.len() >= UNSYNCED_MAX {
            state.is_full = true;
            state.is_wanted = true;
            self.changed.notify_all();
            state = self.wait(state);
        }
        state.frames.push(frame);
        let is_urgent = by == SyncedBy::Thread || !state.is_quick();
        state.is_wanted |= is_urgent;
        // Who syncs at this moment looks for more afterwards.
        let wakes = state.is_idle || (is_urgent && !state.is_syncing);
        drop(state);
        if wakes {
            self.changed.notify_all();
        }
    }

    /// Syncs what waits if a ticket is among it, nobody syncs and syncs are quick; returns when that is done, else at once.
    pub(crate) fn help(&self, ticket: &CommitTicket, health: &Health) {
        let mut state = self.lock();
        if !state.frames.iter().any(|frame| frame.ticket.is_same(ticket)) {
            return;
        }
        if state.is_syncing || !state.is_quick() {
            // Under way there is somebody who looks afterwards; else the frame has woken the thread.
            state.is_wanted = true;
            return;
        }
        let frames = state.take_all();
        drop(state);
        self.sync(frames, health);
    }

    /// Syncs what was taken, and has the thread look for more if somebody waits for that.
    pub(crate) fn sync(&self, frames: Vec<Unsynced>, health: &Health) {
        // Nobody else would sync any more.
        let _vital = VitalThread("syncing");
        let begun = Instant::now();
        sync_all(frames, health);
        let took = begun.elapsed();
        let mut state = self.lock();
        state.is_syncing = false;
        state.mean = state.mean - state.mean / MEAN_OF + took / MEAN_OF;
        let wakes = state.is_wanted || state.is_closed || std::mem::take(&mut state.is_full);
        drop(state);
        if wakes {
            self.changed.notify_all();
        }
    }

    /// Takes what the thread is to sync; waits for that, and ends with the queue.
    pub(crate) fn take(&self) -> Option<Vec<Unsynced>> {
        let mut state = self.lock();
        // The rounds when it looked before, and whether there was something.
        let mut before = None;
        loop {
            let now = (state.rounds, !state.frames.is_empty());
            let is_unchanged = before == Some(now) && !state.is_syncing;
            match now {
                (_, false) if state.is_closed && !state.is_syncing => return None,
                (_, true) if !state.is_syncing && (state.is_wanted || state.is_closed || is_unchanged) => {
                    return Some(state.take_all());
                }
                _ => {}
            }
            if is_unchanged {
                // There is nothing, and there was nothing for a while.
                state.is_idle = true;
                state = self.wait(state);
                state.is_idle = false;
                before = None;
            } else {
                before = Some(now);
                state = self.changed.wait_timeout(state, LEFT_ALONE).expect("no holder panics").0;
            }
        }
    }

    /// Ends the thread, after what there is.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }
}

/// Syncs what frames are in and answers them in their order. A failure is final for the whole log.
pub(crate) fn sync_all(frames: Vec<Unsynced>, health: &Health) {
    let mut result = health.check();
    let mut synced: Option<&Arc<dyn DiskFile>> = None;
    for frame in &frames {
        if result.is_ok()
            && let Some(file) = &frame.file
            && synced.is_none_or(|synced| !Arc::ptr_eq(synced, file))
        {
            let done = file.sync_data().map_err(|error| LogError::io("syncing", &frame.path, &error));
            result = done.map_err(|error| health.fail(error));
            synced = Some(file);
        }
    }
    for frame in &frames {
        if result.is_ok() {
            frame.inside.iter().for_each(|(partition, fresh)| partition.note_durable_ahead(fresh));
        }
        frame.ticket.complete(result.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with nothing to sync, and its ticket.
    fn frame() -> (Unsynced, CommitTicket) {
        let ticket = CommitTicket::default();
        let frame = Unsynced { file: None, path: PathBuf::new(), inside: Vec::new(), ticket: ticket.clone() };
        (frame, ticket)
    }

    fn put(queue: &SyncQueue, by: SyncedBy) -> CommitTicket {
        let (frame, ticket) = frame();
        queue.put(frame, by);
        ticket
    }

    /// A queue where syncs have taken long so far.
    fn slow_queue() -> SyncQueue {
        let queue = SyncQueue::default();
        queue.lock().mean = Duration::from_millis(1);
        queue
    }

    /// What the thread does.
    fn sync_waiting(queue: &SyncQueue) {
        let frames = queue.take().unwrap();
        queue.sync(frames, &Health::default());
    }

    #[test]
    fn who_waits_syncs_for_all() {
        let queue = SyncQueue::default();
        let tickets = [(); 3].map(|()| put(&queue, SyncedBy::Writer));
        queue.help(&tickets[1], &Health::default());
        assert!(tickets.iter().all(|ticket| ticket.poll().is_some()));
    }

    #[test]
    fn who_waits_for_nothing_here_does_not_sync() {
        let queue = SyncQueue::default();
        let ticket = put(&queue, SyncedBy::Writer);
        queue.help(&CommitTicket::default(), &Health::default());
        assert!(ticket.poll().is_none());
    }

    #[test]
    fn where_syncs_are_slow_the_thread_does_it() {
        let queue = slow_queue();
        let ticket = put(&queue, SyncedBy::Writer);
        assert!(queue.lock().is_wanted);
        queue.help(&ticket, &Health::default());
        assert!(ticket.poll().is_none());
        sync_waiting(&queue);
        assert!(ticket.poll().is_some());
    }

    #[test]
    fn the_mean_follows_what_syncs_take() {
        let queue = slow_queue();
        for _ in 0..20 {
            put(&queue, SyncedBy::Thread);
            sync_waiting(&queue);
        }
        assert!(queue.lock().is_quick());
    }

    #[test]
    fn what_comes_during_a_sync_is_taken_after_it_only_if_somebody_waits() {
        let queue = SyncQueue::default();
        put(&queue, SyncedBy::Writer);
        let under_way = queue.lock().take_all();
        let next = put(&queue, SyncedBy::Writer);
        assert!(!queue.lock().is_wanted);
        // Its writer comes for it.
        queue.help(&next, &Health::default());
        assert!(next.poll().is_none() && queue.lock().is_wanted);
        queue.sync(under_way, &Health::default());
        assert_eq!(queue.take().unwrap().len(), 1);
    }

    #[test]
    fn what_is_left_alone_is_found() {
        let queue = SyncQueue::default();
        let ticket = put(&queue, SyncedBy::Writer);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while let Some(frames) = queue.take() {
                    queue.sync(frames, &Health::default());
                }
            });
            ticket.wait().unwrap();
            queue.close();
        });
    }

    #[test]
    fn many_writers_and_the_thread_lose_nothing() {
        let queue = SyncQueue::default();
        let health = Health::default();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                while let Some(frames) = queue.take() {
                    queue.sync(frames, &health);
                }
            });
            let writers = [0, 1, 2, 3].map(|writer| {
                let (queue, health) = (&queue, &health);
                scope.spawn(move || {
                    for number in 0..2000 {
                        let helps = (number + writer) % 3 > 0;
                        let ticket = put(queue, if helps { SyncedBy::Writer } else { SyncedBy::Thread });
                        if helps {
                            queue.help(&ticket, health);
                        }
                        ticket.wait().unwrap();
                    }
                })
            });
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            queue.close();
            thread.join().unwrap();
        });
        assert!(queue.lock().frames.is_empty());
    }
}
