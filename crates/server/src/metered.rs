//! A socket that counts its bytes and notes when the peer stopped reading.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::gauge::Gauges;

/// What a connection is doing, for the one who closes idle ones.
pub struct Activity {
    start: Instant,
    /// Requests that are being answered.
    pub requests_open: AtomicU64,
    /// When the last request was finished, ms since `start`.
    last_request_ms: AtomicU64,
    /// Since when the peer does not read, ms since `start` plus one; 0: it reads.
    blocked_since_ms: AtomicU64,
}

impl Activity {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            requests_open: AtomicU64::new(0),
            last_request_ms: AtomicU64::new(0),
            blocked_since_ms: AtomicU64::new(0),
        }
    }

    fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    /// How long there has been no request, ms.
    pub fn idle_ms(&self) -> u64 {
        match self.requests_open.load(Relaxed) {
            0 => self.now_ms().saturating_sub(self.last_request_ms.load(Relaxed)),
            _ => 0,
        }
    }

    /// How long the peer has not read what is to be sent, ms.
    pub fn blocked_ms(&self) -> u64 {
        match self.blocked_since_ms.load(Relaxed) {
            0 => 0,
            since => self.now_ms().saturating_sub(since - 1),
        }
    }
}

/// A request being answered: while it lives, the connection is not idle.
pub struct OpenRequest(Arc<Activity>);

impl OpenRequest {
    pub fn new(activity: Arc<Activity>) -> Self {
        activity.requests_open.fetch_add(1, Relaxed);
        Self(activity)
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.last_request_ms.store(self.0.now_ms(), Relaxed);
        self.0.requests_open.fetch_sub(1, Relaxed);
    }
}

/// The socket.
pub struct Metered<S> {
    pub socket: S,
    pub gauges: Arc<Gauges>,
    pub activity: Arc<Activity>,
}

impl<S> Metered<S> {
    fn wrote(&self, result: &Poll<io::Result<usize>>) {
        match result {
            Poll::Ready(Ok(count)) => {
                self.gauges.bytes_sent.fetch_add(*count as u64, Relaxed);
                self.activity.blocked_since_ms.store(0, Relaxed);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                let now = self.activity.now_ms() + 1;
                let _ = self.activity.blocked_since_ms.compare_exchange(0, now, Relaxed, Relaxed);
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.socket).poll_read(cx, buf);
        let count = buf.filled().len() - before;
        self.gauges.bytes_received.fetch_add(count as u64, Relaxed);
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.wrote(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
