//! Frames as they come in: how long they may be and take, and whose memory they take.
//!
//! Nothing is believed of a frame's announced length: the first bytes are free, and only when they have come is the
//! budget asked that all connections share, for some more at a time. So it is held by those who send, and a client that
//! sends slowly is given up.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

/// How long a frame that has begun may pause.
const FRAME_PAUSE_MAX: Duration = Duration::from_secs(30);
/// A frame may take as long as at this rate, and a pause more: a modem's.
const FRAME_BYTES_PER_SECOND_MIN: u32 = 8 * 1024;
/// What a frame may hold without asking the budget that all connections share: a batch of 64 KiB and what is around it.
const FRAME_FREE: usize = 72 * 1024;
/// The longest frame before the login; it never asks the budget.
pub(crate) const LOGIN_FRAME_MAX: usize = 64 * 1024;
/// What is reserved for a frame at first: memory that nobody has written to is none, and most need no more.
const FRAME_RESERVE: usize = 256 * 1024;
/// What a frame may hold when what is free has come; four times as much when that has come too, and so on.
const FRAME_FIRST: usize = 1024 * 1024;
/// How much larger a frame's memory gets when it is full.
const FRAME_GROWTH: usize = 4;

/// A frame without its length, and its part of the budget.
pub(crate) struct Frame {
    pub bytes: Bytes,
    pub budget: Option<OwnedSemaphorePermit>,
}

/// The next frame of a connection, as far as it is there.
pub(crate) struct Incoming {
    length: [u8; 4],
    /// Bytes of the length that are there.
    have: usize,
    idle: Duration,
    /// What all requests may hold together, in KiB.
    request_kib: Arc<Semaphore>,
}

impl Incoming {
    pub(crate) fn new(idle: Duration, request_kib: Arc<Semaphore>) -> Incoming {
        Incoming { length: [0; 4], have: 0, idle, request_kib }
    }

    /// Returns when a connection need not be served any more while its last request waits for something: the client
    /// has gone, or its next request waits for too long. What is read meanwhile is kept.
    pub(crate) async fn is_given_up(&mut self, socket: &mut (impl AsyncRead + Unpin)) {
        while self.have < self.length.len() {
            match socket.read(&mut self.length[self.have..]).await {
                Ok(read) if read > 0 => self.have += read,
                _ => return,
            }
        }
        sleep(self.idle).await;
    }

    /// Reads a frame; `None` at the end of the stream.
    pub(crate) async fn frame(
        &mut self,
        socket: &mut (impl AsyncRead + Unpin),
        length_max: usize,
    ) -> Result<Option<Frame>, &'static str> {
        if self.have == 0 {
            match timeout(self.idle, socket.read(&mut self.length)).await {
                Err(_) => return Err("it was idle"),
                Ok(Err(_)) | Ok(Ok(0)) => return Ok(None),
                Ok(Ok(read)) => self.have = read,
            }
        }
        while self.have < self.length.len() {
            match timeout(FRAME_PAUSE_MAX, socket.read(&mut self.length[self.have..])).await {
                Ok(Ok(read)) if read > 0 => self.have += read,
                _ => return Err("a frame's length was cut"),
            }
        }
        self.have = 0;
        let Ok(length) = usize::try_from(i32::from_be_bytes(self.length)) else {
            return Err("a frame's length is negative");
        };
        if length > length_max {
            return Err("a frame is longer than is taken");
        }
        self.body(socket, length).await.map(Some)
    }

    async fn body(
        &self,
        socket: &mut (impl AsyncRead + Unpin),
        length: usize,
    ) -> Result<Frame, &'static str> {
        let mut begun = Instant::now();
        let mut budget = None;
        let mut bytes = BytesMut::with_capacity(length.min(FRAME_RESERVE));
        let mut allowed = length.min(FRAME_FREE);
        while bytes.len() < length {
            if bytes.len() == allowed {
                let (more, taken) = match budget {
                    None => (FRAME_FIRST.min(length), 0),
                    Some(_) => ((allowed * FRAME_GROWTH).min(length), allowed),
                };
                let asked = Instant::now();
                self.take(&mut budget, more - taken).await?;
                begun += asked.elapsed();
                bytes.reserve(more - bytes.len());
                allowed = more;
            }
            let mut part = (&mut *socket).take((allowed - bytes.len()) as u64);
            match timeout(patience(begun.elapsed(), bytes.len()), part.read_buf(&mut bytes)).await {
                Ok(Ok(read)) if read > 0 => {}
                Ok(_) => return Err("a frame was cut"),
                Err(_) => return Err("a frame came too slowly"),
            }
        }
        Ok(Frame { bytes: bytes.freeze(), budget })
    }

    async fn take(
        &self,
        budget: &mut Option<OwnedSemaphorePermit>,
        bytes: usize,
    ) -> Result<(), &'static str> {
        let wanted = self.request_kib.clone().acquire_many_owned((bytes >> 10) as u32 + 1);
        let Ok(Ok(more)) = timeout(FRAME_PAUSE_MAX, wanted).await else {
            return Err("requests above queued.max.request.bytes are waiting");
        };
        match budget {
            Some(budget) => budget.merge(more),
            None => *budget = Some(more),
        }
        Ok(())
    }
}

/// How long to wait for a frame's next bytes.
fn patience(elapsed: Duration, received: usize) -> Duration {
    let at_least_rate = Duration::from_secs(received as u64) / FRAME_BYTES_PER_SECOND_MIN;
    FRAME_PAUSE_MAX.min((FRAME_PAUSE_MAX + at_least_rate).saturating_sub(elapsed))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    const KIB: usize = 1024;

    fn run(work: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
    }

    fn incoming(request_kib: usize) -> Incoming {
        Incoming::new(Duration::from_secs(60), Arc::new(Semaphore::new(request_kib)))
    }

    fn free(incoming: &Incoming) -> usize {
        incoming.request_kib.available_permits()
    }

    #[test]
    fn frame_takes_of_the_budget_what_has_come() {
        run(async {
            let mut incoming = incoming(4096);
            let (mut client, mut socket) = duplex(4096 * KIB);
            let length = 3 * 1024 * KIB;
            client.write_all(&(length as u32).to_be_bytes()).await.unwrap();
            let left = {
                let mut reading = Box::pin(incoming.frame(&mut socket, length));
                let mut sent = 0;
                let mut left = Vec::new();
                for upto in [1, FRAME_FREE, FRAME_FIRST, length - 1, length] {
                    client.write_all(&vec![7; upto - sent]).await.unwrap();
                    sent = upto;
                    let done = std::future::poll_fn(|context| {
                        std::task::Poll::Ready(match reading.as_mut().poll(context) {
                            std::task::Poll::Ready(done) => Some(done.unwrap().unwrap()),
                            std::task::Poll::Pending => None,
                        })
                    });
                    let done = done.await;
                    assert_eq!(done.is_some(), upto == length);
                    left.extend(done);
                }
                left
            };
            assert_eq!((left.len(), left[0].bytes.len()), (1, length));
            assert_eq!(4096 - free(&incoming), 3 * 1024 + 2);
            drop(left);
            assert_eq!(free(&incoming), 4096);
        });
    }

    #[test]
    fn announced_length_takes_nothing() {
        run(async {
            let mut incoming = incoming(1024);
            let (mut client, mut socket) = duplex(1024 * KIB);
            client.write_all(&(1000 * KIB as u32).to_be_bytes()).await.unwrap();
            client.write_all(&vec![7; FRAME_FREE - 1]).await.unwrap();
            let budget = incoming.request_kib.clone();
            let mut reading = Box::pin(incoming.frame(&mut socket, 1 << 30));
            let waker = std::task::Waker::noop();
            assert!(reading.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
            assert_eq!(budget.available_permits(), 1024);
            client.write_all(&[7]).await.unwrap();
            assert!(reading.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
            assert_eq!(budget.available_permits(), 1024 - 1001);
        });
    }

    #[test]
    fn length_read_while_a_request_waits_is_kept() {
        run(async {
            let mut incoming = incoming(1024);
            let (mut client, mut socket) = duplex(1024);
            let waker = std::task::Waker::noop();
            for bytes in [&[0][..], &[0, 0], &[3, 1]] {
                client.write_all(bytes).await.unwrap();
                let mut waiting = Box::pin(incoming.is_given_up(&mut socket));
                assert!(waiting.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
            }
            client.write_all(&[2, 3, 0]).await.unwrap();
            let frame = incoming.frame(&mut socket, 100).await.unwrap().unwrap();
            assert_eq!(&*frame.bytes, [1, 2, 3]);
            drop(client);
            // One byte of a length, then the end.
            incoming.is_given_up(&mut socket).await;
            assert!(incoming.frame(&mut socket, 100).await.is_err());
        });
    }

    #[test]
    fn frame_may_be_slow_and_not_too_slow() {
        let seconds = Duration::from_secs;
        assert_eq!(patience(seconds(0), 0), seconds(30));
        assert_eq!(patience(seconds(29), 0), seconds(1));
        assert_eq!(patience(seconds(31), 100), seconds(0));
        // A hundred seconds' worth has come.
        assert_eq!(patience(seconds(90), 100 * 8192), seconds(30));
        assert_eq!(patience(seconds(120), 100 * 8192), seconds(10));
        assert_eq!(patience(seconds(131), 100 * 8192), seconds(0));
        assert_eq!(patience(seconds(1_000_000), 100 << 20), seconds(0));
    }
}
