//! Rows of push and pull queries on their way from a worker to whoever asked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use types::Value;

use crate::entity::ResultRow;
use crate::error::EngineError;
use crate::worker::Client;

/// Rows kept for a client that does not read; then its query is not fed any more.
const ROWS_MAX: usize = 20_000;

/// What comes out of a query.
#[derive(Debug)]
pub enum RowEvent {
    /// Some rows (never empty).
    Rows(Vec<ResultRow>),
    /// The query has ended: LIMIT reached, or all rows of a pull query were given.
    End {
        /// Whether it ended because of LIMIT.
        limit_reached: bool,
    },
    /// The query failed.
    Failed(EngineError),
}

type Wake = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Queue {
    rows: VecDeque<ResultRow>,
    ended: bool,
    failed: Option<EngineError>,
    wake: Option<Wake>,
}

/// Shared by the worker's and the reader's side.
#[derive(Default)]
pub(crate) struct Channel {
    queue: Mutex<Queue>,
    changed: Condvar,
    closed: AtomicBool,
}

impl Channel {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn notify(&self, queue: std::sync::MutexGuard<'_, Queue>) {
        let wake = queue.wake.clone();
        drop(queue);
        self.changed.notify_all();
        if let Some(wake) = wake {
            wake();
        }
    }

    /// Adds rows.
    pub fn push(&self, rows: impl IntoIterator<Item = ResultRow>) {
        let mut queue = self.lock();
        queue.rows.extend(rows);
        self.notify(queue);
    }

    /// No more rows will come.
    pub fn end(&self) {
        let mut queue = self.lock();
        if !queue.ended {
            queue.ended = true;
            self.notify(queue);
        }
    }

    /// The query has failed.
    pub fn fail(&self, error: EngineError) {
        let mut queue = self.lock();
        queue.failed.get_or_insert(error);
        self.notify(queue);
    }

    pub fn has_room(&self) -> bool {
        self.lock().rows.len() < ROWS_MAX
    }

    /// Nobody wants the rows any more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.end();
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// Rows of a push or pull query, as they come. Dropping it ends the query.
pub struct Rows {
    pub(crate) channel: Arc<Channel>,
    pub(crate) left: Option<u64>,
    pub(crate) is_over: bool,
    pub(crate) on_drop: Option<Box<dyn FnOnce() + Send>>,
}

impl Rows {
    pub(crate) fn new(
        channel: Arc<Channel>,
        limit: Option<u64>,
        on_drop: Option<Box<dyn FnOnce() + Send>>,
    ) -> Self {
        Self { channel, left: limit, is_over: false, on_drop }
    }

    /// The next event; waits up to the time-out, `None` when nothing came. After `End` or `Failed` it
    /// always answers `End`. Blocking: for blocking threads.
    pub fn next(&mut self, timeout: Duration) -> Option<RowEvent> {
        if self.is_over {
            return Some(RowEvent::End { limit_reached: self.left == Some(0) });
        }
        if self.left == Some(0) {
            self.finish();
            return Some(RowEvent::End { limit_reached: true });
        }
        let deadline = Instant::now() + timeout;
        let mut queue = self.channel.lock();
        loop {
            if !queue.rows.is_empty() {
                let count = self.left.map_or(queue.rows.len(), |left| queue.rows.len().min(left as usize));
                let rows: Vec<ResultRow> = queue.rows.drain(..count).collect();
                if let Some(left) = &mut self.left {
                    *left -= rows.len() as u64;
                }
                return Some(RowEvent::Rows(rows));
            }
            if let Some(error) = queue.failed.take() {
                drop(queue);
                self.finish();
                return Some(RowEvent::Failed(error));
            }
            if queue.ended {
                drop(queue);
                self.finish();
                return Some(RowEvent::End { limit_reached: false });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            queue = match self.channel.changed.wait_timeout(queue, left) {
                Ok((queue, _)) => queue,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Has `wake` called (from a worker thread; must be quick and not block) whenever `next` may have
    /// something; for async callers, which then call `next` with a zero time-out.
    pub fn on_ready(&mut self, wake: Arc<dyn Fn() + Send + Sync>) {
        self.channel.lock().wake = Some(wake.clone());
        wake();
    }

    fn finish(&mut self) {
        self.is_over = true;
        self.channel.close();
        if let Some(on_drop) = self.on_drop.take() {
            on_drop();
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.finish();
    }
}

/// What a result column of a deleted row still shows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OfTombstone {
    /// A column of the key.
    Key(usize),
    WindowStart,
    WindowEnd,
    /// It came from the value, which is gone.
    Nothing,
}

/// The worker's side: collects a run's rows, then hands them over at once.
pub(crate) struct RowClient {
    pub channel: Arc<Channel>,
    pub rows: Vec<ResultRow>,
    /// What is known of each result column when its row is deleted.
    pub of_tombstone: Vec<OfTombstone>,
    pub is_table: bool,
}

impl Client for RowClient {
    fn has_room(&self) -> bool {
        self.channel.has_room()
    }

    fn row(&mut self, key: &[Value], window: Option<(i64, i64)>, value: Option<&[Value]>) {
        match value {
            Some(value) => self.rows.push(ResultRow { values: value.to_vec(), is_tombstone: false }),
            // A stream's null value shows nothing; a table's says that the key is gone.
            None if self.is_table => {
                let known = |column: &OfTombstone| match (column, window) {
                    (OfTombstone::Key(n), _) => key.get(*n).cloned().unwrap_or(Value::Null),
                    (OfTombstone::WindowStart, Some((start, _))) => Value::BigInt(start),
                    (OfTombstone::WindowEnd, Some((_, end))) => Value::BigInt(end),
                    _ => Value::Null,
                };
                let values = self.of_tombstone.iter().map(known).collect();
                self.rows.push(ResultRow { values, is_tombstone: true });
            }
            None => {}
        }
    }

    fn flush(&mut self) {
        if !self.rows.is_empty() {
            self.channel.push(self.rows.drain(..));
        }
    }

    fn end(&mut self) {
        self.channel.end();
    }

    fn is_gone(&self) -> bool {
        self.channel.is_closed()
    }
}
