//! Reading what clients send: whole up to a bound, or line by line as it comes.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// Bytes of an oversize body that are read and thrown away, so that the client gets to read the answer.
const DRAIN_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long that may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads a whole body.
pub async fn read_whole(mut body: Incoming, bytes_max: usize, timeout: Duration) -> Result<Bytes, ApiError> {
    if body.size_hint().lower() > bytes_max as u64 {
        drain(&mut body).await;
        return Err(too_large(bytes_max));
    }
    let reading = async {
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            if whole.len() + data.len() > bytes_max {
                drain(&mut body).await;
                return Err(too_large(bytes_max));
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    };
    tokio::time::timeout(timeout, reading).await.unwrap_or_else(|_| Err(too_slow()))
}

/// Reads JSON; the place of a mistake is told.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        let reason = text.rsplit_once(" at line ").map_or(&*text, |(reason, _)| reason);
        let mut found =
            ApiError::bad_request("bad_json", format!("request body is not as expected: {reason}"));
        found.line_column = Some((error.line() as u32, error.column() as u32));
        found
    })
}

async fn drain(body: &mut Incoming) {
    let reading = async {
        let mut left = DRAIN_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, reading).await;
}

fn too_large(bytes_max: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        0,
        "body_too_large",
        format!("request body has more than {bytes_max} bytes"),
    )
}

/// A line or frame of a streamed body: what becomes one record.
fn part_too_large(bytes_max: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        0,
        "record_too_large",
        format!("a record of the request body has more than {bytes_max} bytes"),
    )
    .hint("records over HTTP are bounded by that and by max.message.bytes of their topic")
}

fn too_slow() -> ApiError {
    ApiError::new(StatusCode::REQUEST_TIMEOUT, 0, "body_too_slow", "request body did not come in time")
}

fn broken(error: hyper::Error) -> ApiError {
    tracing::debug!(%error, "request body broke off");
    ApiError::bad_request("body_broken", "request body broke off")
}

/// A body taken apart as it comes; holds at most one line or frame and what came with it.
pub struct Chunked {
    body: Incoming,
    buffer: BytesMut,
    is_done: bool,
    part_bytes_max: usize,
    pause_max: Duration,
    line: u64,
}

impl Chunked {
    pub fn new(body: Incoming, part_bytes_max: usize, pause_max: Duration) -> Self {
        Self { body, buffer: BytesMut::new(), is_done: false, part_bytes_max, pause_max, line: 0 }
    }

    /// The number of the line that was given last, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next line that is not blank, `None` at the end.
    pub async fn next_line(&mut self) -> Result<Option<Bytes>, ApiError> {
        let mut searched = 0;
        loop {
            if let Some(line) = self.take_line(&mut searched) {
                if line.iter().all(u8::is_ascii_whitespace) {
                    searched = 0;
                    continue;
                }
                return Ok(Some(line));
            }
            if self.is_done {
                let rest = self.buffer.split().freeze();
                self.line += 1;
                return Ok((!rest.iter().all(u8::is_ascii_whitespace)).then_some(rest));
            }
            self.fill().await?;
        }
    }

    /// A line that is here already.
    pub fn ready_line(&mut self) -> Option<Bytes> {
        loop {
            let line = self.take_line(&mut 0)?;
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Some(line);
            }
        }
    }

    fn take_line(&mut self, searched: &mut usize) -> Option<Bytes> {
        let Some(found) = self.buffer[*searched..].iter().position(|byte| *byte == b'\n') else {
            *searched = self.buffer.len();
            return None;
        };
        let line = self.buffer.split_to(*searched + found).freeze();
        self.buffer.advance(1);
        self.line += 1;
        Some(line)
    }

    /// Exactly so many bytes; `None` when the body ends before the first of them.
    pub async fn next_bytes(&mut self, length: usize) -> Result<Option<Bytes>, ApiError> {
        if length > self.part_bytes_max {
            return Err(part_too_large(self.part_bytes_max));
        }
        while self.buffer.len() < length {
            if self.is_done {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => {
                        Err(ApiError::bad_request("bad_frame", "cannot read frame: the last one is cut off"))
                    }
                };
            }
            self.fill().await?;
        }
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    async fn fill(&mut self) -> Result<(), ApiError> {
        if self.buffer.len() > self.part_bytes_max {
            drain(&mut self.body).await;
            return Err(ApiError {
                code: "line_too_long",
                message: format!("line {} has more than {} bytes", self.line + 1, self.part_bytes_max),
                ..part_too_large(self.part_bytes_max)
            });
        }
        let frame = tokio::time::timeout(self.pause_max, self.body.frame()).await.map_err(|_| too_slow())?;
        match frame {
            None => self.is_done = true,
            Some(frame) => {
                if let Ok(data) = frame.map_err(broken)?.into_data() {
                    self.buffer.extend_from_slice(&data);
                }
            }
        }
        Ok(())
    }
}
