//! Rows of a query as the body of an answer, made as fast as the client reads.
//!
//! No thread waits: the engine wakes the connection's task, which asks for rows without waiting. When the
//! client does not read, nobody asks, and the engine's own bounded queue is the only buffer. Dropping
//! the body, as hyper does when the client leaves, drops the rows, which ends the query.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use engine::{ResultRow, RowEvent};
use tokio::sync::{OwnedSemaphorePermit, watch};
use types::DataType;

use crate::backend::RowSource;
use crate::body::Pieces;
use crate::error::ApiError;
use crate::json;

/// Bytes after which a piece is handed on.
const PIECE_BYTES: usize = 32 * 1024;

/// How a result is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// ksqlDB's `/query`: an array of `{"header"}`, `{"row"}`, `{"finalMessage"}`.
    Array,
    /// Lines: the metadata, then an array for each row.
    Delimited,
    /// An array of the metadata and an array for each row.
    PlainArray,
}

/// Where the engine says that there is something.
struct Signal {
    is_ready: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Signal {
    fn wake(&self) {
        self.is_ready.store(true, Ordering::SeqCst);
        let waker = self.waker.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn register(&self, waker: &Waker) {
        let mut place = self.waker.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match &*place {
            Some(present) if present.will_wake(waker) => {}
            _ => *place = Some(waker.clone()),
        }
    }
}

/// The rows of one query on their way to a client.
pub struct RowStream {
    rows: Option<Box<dyn RowSource>>,
    signal: Arc<Signal>,
    types: Vec<DataType>,
    layout: Layout,
    /// Whether `{"finalMessage":"Query Completed"}` is said when there are no more rows.
    says_completed: bool,
    waiting: VecDeque<ResultRow>,
    out: Vec<u8>,
    is_ended: bool,
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl RowStream {
    /// `head` is what comes before the rows.
    pub fn new(
        mut rows: Box<dyn RowSource>,
        types: Vec<DataType>,
        layout: Layout,
        head: Vec<u8>,
        says_completed: bool,
        mut stopping: watch::Receiver<bool>,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let signal = Arc::new(Signal { is_ready: AtomicBool::new(true), waker: Mutex::new(None) });
        let wake = Arc::clone(&signal);
        rows.on_ready(Arc::new(move || wake.wake()));
        Self {
            rows: Some(rows),
            signal,
            types,
            layout,
            says_completed,
            waiting: VecDeque::new(),
            out: head,
            is_ended: false,
            stopping: Box::pin(async move {
                // A sender that is gone means that the server is gone.
                let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
            }),
            _place: place,
        }
    }

    fn push_row(&mut self, row: &ResultRow) {
        let out = &mut self.out;
        match self.layout {
            Layout::Array => out.extend_from_slice(b",\n{\"row\":{\"columns\":"),
            Layout::PlainArray => out.extend_from_slice(b",\n"),
            Layout::Delimited => {}
        }
        let columns = row.values.iter().zip(&self.types);
        json::push_list(out, columns, |out, (value, data_type)| json::push_value(out, value, data_type));
        match self.layout {
            Layout::Array if row.is_tombstone => out.extend_from_slice(b",\"tombstone\":true}}"),
            Layout::Array => out.extend_from_slice(b"}}"),
            Layout::PlainArray => {}
            Layout::Delimited => out.push(b'\n'),
        }
    }

    fn end(&mut self, limit_reached: bool) {
        let message = match limit_reached {
            true => Some("Limit Reached"),
            false => self.says_completed.then_some("Query Completed"),
        };
        if let (Layout::Array, Some(message)) = (self.layout, message) {
            self.out.extend_from_slice(b",\n");
            json::push_object(&mut self.out, |o| o.text("finalMessage", message));
        }
        self.close();
    }

    /// The status is long sent: an error is told among the rows.
    fn fail(&mut self, error: &ApiError) {
        match self.layout {
            Layout::Array => {
                self.out.extend_from_slice(b",\n");
                json::push_object(&mut self.out, |o| o.object("errorMessage", |o| error.members(o)));
            }
            Layout::PlainArray => {
                self.out.extend_from_slice(b",\n");
                self.out.extend_from_slice(&error.to_json());
            }
            Layout::Delimited => {
                self.out.extend_from_slice(&error.to_json());
                self.out.push(b'\n');
            }
        }
        self.close();
    }

    fn close(&mut self) {
        if self.layout != Layout::Delimited {
            self.out.extend_from_slice(b"]\n");
        }
        self.is_ended = true;
        self.waiting.clear();
        self.release();
    }

    /// Ending a query may wait for a worker: not on this thread.
    fn release(&mut self) {
        if let Some(rows) = self.rows.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn_blocking(move || drop(rows));
        }
    }

    fn take_rows(&mut self) {
        while self.out.len() < PIECE_BYTES
            && let Some(row) = self.waiting.pop_front()
        {
            self.push_row(&row);
        }
    }
}

impl Pieces for RowStream {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            self.take_rows();
            if self.out.len() >= PIECE_BYTES {
                break;
            }
            let Some(rows) = &mut self.rows else { break };
            if self.stopping.as_mut().poll(cx).is_ready() {
                self.fail(&ApiError::stopping());
                break;
            }
            // Registered before asking, so that what comes in between is not missed.
            self.signal.register(cx.waker());
            if !self.signal.is_ready.swap(false, Ordering::SeqCst) {
                break;
            }
            match rows.next(Duration::ZERO) {
                None => break,
                Some(event) => {
                    self.signal.is_ready.store(true, Ordering::SeqCst);
                    match event {
                        RowEvent::Rows(rows) => self.waiting.extend(rows),
                        RowEvent::End { limit_reached } => self.end(limit_reached),
                        RowEvent::Failed(error) => self.fail(&ApiError::from(error)),
                    }
                }
            }
        }
        match (self.out.is_empty(), self.is_ended) {
            (false, _) => Poll::Ready(Some(std::mem::take(&mut self.out).into())),
            (true, true) => Poll::Ready(None),
            (true, false) => Poll::Pending,
        }
    }
}

impl Drop for RowStream {
    fn drop(&mut self) {
        self.release();
    }
}
