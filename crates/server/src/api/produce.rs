//! `POST /api/v1/topics/:name/records`: appends records to a topic, of any number.
//!
//! The body is read as it comes and appended in bounded batches; what was counted is durable when the
//! answer comes. `?partition=N` picks the partition. By content type:
//!
//! * lines of JSON: `{"timestamp": ms?, "key": any?, "value": any}`. A key or value that is a text is taken
//!   as its characters, `null` is no key or value, anything else is taken as its JSON text, byte for byte.
//!   A wrong line is told and left out.
//! * `application/octet-stream`: frames, numbers big-endian:
//!
//! ```text
//! i64 timestamp in ms, -1: now │ i32 key length, -1: none │ key │ i32 value length, -1: none │ value
//! ```
//!
//! **Exactly once.** Two headers make the body one batch that is written once:
//!
//! * `X-Tripline-Producer`: a name of the client's choice that no other producer has, 1 to 128 printable
//!   ASCII characters;
//! * `X-Tripline-Sequence`: the number of the batch among this producer's batches for this topic, from 0.
//!
//! All of the body is written or nothing of it. A client that got no answer sends the batch again with the
//! same number: a number that was taken before is answered with `"appended": 0` and `"repeated": true`, and
//! nothing is written. A number that leaves one out is refused with 409 and `"code": "sequence_gap"`; so is
//! a producer that does not begin at 0. The server remembers 4096 producers and topics over restarts and
//! crashes, for 24 hours after their last batch. Such a body has 65,536 records and 16 MiB at most.

use std::sync::Arc;

use bytes::Bytes;
use engine::{ProducerSequence, Taken};
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::backend::{Backend, NewRecord};
use crate::body::{JSON, Reply, ok_json, respond};
use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::json;
use crate::request_body::Chunked;
use crate::state::State;

/// Bounds of one batch.
const BATCH_RECORDS_MAX: usize = 4096;
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// Bounds of a body with a sequence, which is one batch.
const SEQUENCED_RECORDS_MAX: usize = 65_536;
const SEQUENCED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Headers of a batch that is written once.
const PRODUCER_HEADER: &str = "x-tripline-producer";
const SEQUENCE_HEADER: &str = "x-tripline-sequence";

/// Wrong lines that are told; more are only counted.
const ERRORS_TOLD_MAX: usize = 100;

/// Frames: timestamp and key length; value length.
const FRAME_HEAD_BYTES: usize = 12;
const FRAME_LENGTH_BYTES: usize = 4;

/// `POST /api/v1/topics/:name/records`.
pub async fn post(call: Call) -> Answer {
    let state = Arc::clone(&call.state);
    let topic: Arc<str> = call.params.first().ok_or_else(ApiError::internal)?.as_str().into();
    let partition = call.query_number("partition")?;
    let sequence = sequence_of(&call)?;
    let is_framed = call.content_type().as_deref() == Some("application/octet-stream");
    let mut body = call.chunked();
    let mut appending = Appending {
        state,
        topic,
        partition,
        sequence,
        batch: Vec::new(),
        bytes: 0,
        appended: 0,
        is_repeated: false,
    };
    let mut wrong = Wrong::default();
    let result = match is_framed {
        true => frames(&mut body, &mut appending).await,
        false => lines(&mut body, &mut appending, &mut wrong).await,
    };
    let result = match result {
        Ok(()) => appending.finish().await,
        failed => failed,
    };
    let appended = appending.appended;
    let members = |o: &mut json::Members<'_>| {
        o.plain("appended", appended);
        if appending.sequence.is_some() {
            o.plain("repeated", appending.is_repeated);
        }
        o.plain("failed", wrong.count);
        o.objects("errors", &wrong.told, |o, (line, message)| {
            o.plain("line", line);
            o.text("message", message);
        });
    };
    match result {
        Ok(()) => Ok(ok_json(json::object(members))),
        Err(error) => Ok(respond(
            error.status,
            JSON,
            Reply::whole(json::object(|o| {
                error.members(o);
                members(o);
            })),
        )),
    }
}

#[derive(Default)]
struct Wrong {
    count: u64,
    told: Vec<(u64, String)>,
}

/// The records that are not yet appended, and how many are.
struct Appending {
    state: Arc<State>,
    topic: Arc<str>,
    partition: Option<u32>,
    sequence: Option<ProducerSequence>,
    batch: Vec<NewRecord>,
    bytes: usize,
    appended: u64,
    /// The batch with this sequence had been written before.
    is_repeated: bool,
}

impl Appending {
    async fn push(&mut self, record: NewRecord) -> Result<(), ApiError> {
        if self.sequence.is_some()
            && (self.batch.len() >= SEQUENCED_RECORDS_MAX || self.bytes >= SEQUENCED_BYTES_MAX)
        {
            return Err(too_large_for_once());
        }
        let (_, key, value) = &record;
        self.bytes += key.as_ref().map_or(0, Vec::len) + value.as_ref().map_or(0, Vec::len);
        self.batch.push(record);
        let is_full = self.batch.len() >= BATCH_RECORDS_MAX || self.bytes >= BATCH_BYTES_MAX;
        if is_full && self.sequence.is_none() {
            self.flush().await?;
        }
        Ok(())
    }

    /// Appends what is left, or all of a body with a sequence.
    async fn finish(&mut self) -> Result<(), ApiError> {
        match self.sequence.clone() {
            None => self.flush().await,
            Some(sequence) => self.write_once(sequence).await,
        }
    }

    async fn flush(&mut self) -> Result<(), ApiError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        let count = batch.len() as u64;
        let (topic, partition) = (Arc::clone(&self.topic), self.partition);
        self.state.call(move |backend| backend.produce(&topic, partition, &batch)).await??;
        self.appended += count;
        Ok(())
    }

    async fn write_once(&mut self, sequence: ProducerSequence) -> Result<(), ApiError> {
        let batch = std::mem::take(&mut self.batch);
        let count = batch.len() as u64;
        let (topic, partition) = (Arc::clone(&self.topic), self.partition);
        let work = move |backend: &dyn Backend| backend.produce_once(&topic, partition, &batch, &sequence);
        match self.state.call(work).await?? {
            Taken::Written => self.appended = count,
            Taken::Repeated => self.is_repeated = true,
        }
        Ok(())
    }
}

/// The batch's place among its producer's, if the client counts.
fn sequence_of(call: &Call) -> Result<Option<ProducerSequence>, ApiError> {
    let header = |name| call.parts.headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let wrong = |message: String| Err(ApiError::bad_request("bad_header", message));
    match (header(PRODUCER_HEADER), header(SEQUENCE_HEADER)) {
        (None, None) => Ok(None),
        (Some(producer), Some(sequence)) => match sequence.parse() {
            Ok(sequence) => Ok(Some(ProducerSequence { producer: producer.to_owned(), sequence })),
            Err(_) => wrong(format!("header \"{SEQUENCE_HEADER}\" is not a number from 0")),
        },
        (Some(_), None) => wrong(format!("header \"{SEQUENCE_HEADER}\" is missing")),
        (None, Some(_)) => wrong(format!("header \"{PRODUCER_HEADER}\" is missing")),
    }
}

fn too_large_for_once() -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        0,
        "body_too_large",
        format!(
            "a body with a sequence has {SEQUENCED_RECORDS_MAX} records and {SEQUENCED_BYTES_MAX} bytes at most"
        ),
    )
    .hint("send it as several batches")
}

async fn lines(body: &mut Chunked, appending: &mut Appending, wrong: &mut Wrong) -> Result<(), ApiError> {
    while let Some(line) = body.next_line().await? {
        match record_of_line(&line) {
            Ok(record) => appending.push(record).await?,
            Err(message) => {
                wrong.count += 1;
                if wrong.told.len() < ERRORS_TOLD_MAX {
                    wrong.told.push((body.line(), message));
                }
            }
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(default)]
    timestamp: Option<i64>,
    #[serde(default, borrow)]
    key: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    value: Option<Option<&'a RawValue>>,
}

/// Tells `"value": null`, which deletes, from a value that was forgotten.
fn present<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Option<&'de RawValue>>, D::Error> {
    Option::<&RawValue>::deserialize(d).map(Some)
}

fn record_of_line(line: &[u8]) -> Result<NewRecord, String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        let reason = text.rsplit_once(" at line ").map_or(&*text, |(reason, _)| reason);
        format!("{reason}, at column {}", error.column())
    })?;
    if line.timestamp.is_some_and(|ms| ms < 0) {
        return Err("\"timestamp\" is negative".to_owned());
    }
    let value = line.value.ok_or("\"value\" is missing")?;
    Ok((line.timestamp, raw_bytes(line.key)?, raw_bytes(value)?))
}

fn raw_bytes(raw: Option<&RawValue>) -> Result<Option<Vec<u8>>, String> {
    let Some(text) = raw.map(RawValue::get) else { return Ok(None) };
    if text.starts_with('"') {
        let text: String = serde_json::from_str(text).map_err(|error| error.to_string())?;
        return Ok(Some(text.into_bytes()));
    }
    Ok((text != "null").then(|| text.as_bytes().to_vec()))
}

async fn frames(body: &mut Chunked, appending: &mut Appending) -> Result<(), ApiError> {
    while let Some(head) = body.next_bytes(FRAME_HEAD_BYTES).await? {
        let (timestamp, key_length) = head.split_at(8);
        let timestamp = match i64::from_be_bytes(timestamp.try_into().expect("the head has 8 bytes of it")) {
            -1 => None,
            ms if ms < -1 => return Err(bad_frame("timestamp is negative")),
            ms => Some(ms),
        };
        let key = part(body, key_length).await?;
        let value_length = body.next_bytes(FRAME_LENGTH_BYTES).await?.ok_or_else(cut)?;
        let value = part(body, &value_length).await?;
        appending.push((timestamp, key, value)).await?;
    }
    Ok(())
}

async fn part(body: &mut Chunked, length: &[u8]) -> Result<Option<Vec<u8>>, ApiError> {
    let length = i32::from_be_bytes(length.try_into().expect("lengths are cut to 4 bytes"));
    match usize::try_from(length) {
        Ok(0) => Ok(Some(Vec::new())),
        Ok(length) => {
            let bytes: Bytes = body.next_bytes(length).await?.ok_or_else(cut)?;
            Ok(Some(bytes.to_vec()))
        }
        Err(_) if length == -1 => Ok(None),
        Err(_) => Err(bad_frame("length is negative")),
    }
}

fn cut() -> ApiError {
    bad_frame("the last frame is cut off")
}

fn bad_frame(reason: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, 0, "bad_frame", format!("cannot read frame: {reason}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_keep_their_bytes() {
        let (timestamp, key, value) =
            record_of_line(br#"{"key":"a\n","timestamp":5,"value":{"b" : 1.10, "b":2}}"#).unwrap();
        assert_eq!(timestamp, Some(5));
        assert_eq!(key.unwrap(), b"a\n");
        assert_eq!(value.unwrap(), br#"{"b" : 1.10, "b":2}"#);
    }

    #[test]
    fn null_value_deletes_and_missing_value_is_wrong() {
        assert_eq!(record_of_line(br#"{"key":1,"value":null}"#).unwrap(), (None, Some(b"1".to_vec()), None));
        assert_eq!(record_of_line(br#"{"key":1}"#).unwrap_err(), "\"value\" is missing");
        assert!(record_of_line(br#"{"vaule":1}"#).unwrap_err().contains("unknown field"));
        assert!(record_of_line(br#"{"value":1} x"#).is_err());
        assert!(record_of_line(br#"{"value":1,"timestamp":-5}"#).is_err());
    }

    proptest! {
        #[test]
        fn any_line_can_be_read(line in any::<Vec<u8>>()) {
            let _ = record_of_line(&line);
        }
    }
}
