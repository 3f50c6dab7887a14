//! Fetch 0 to 3: batches go out as message sets, magic 0 up to version 1, magic 1 from version 2.
//!
//! They go out unpacked: a client of that age cannot know every codec, and it bounds the answer by what it asked for, not
//! by how well the records were packed. Headers are lost, markers of transactions are left out.

use std::time::Duration;

use bytes::Bytes;
use commitlog::{Batch, messages_from_batch};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use tokio::time::Instant;

use super::wire::{Reader, Writer};
use crate::api;
use crate::dispatch::Call;
use crate::error::NONE;

/// A request that belongs to no session.
const NO_SESSION: i32 = -1;

pub(super) fn decode(body: &Bytes, version: i16) -> Option<FetchRequest> {
    let mut reader = Reader::new(body);
    let (replica_id, max_wait_ms, min_bytes) = (reader.i32()?, reader.i32()?, reader.i32()?);
    let max_bytes = if version >= 3 { reader.i32()? } else { i32::MAX };
    let topics = reader.array(6, |r| {
        let name = r.text()?;
        let partitions = r.array(16, |r| {
            let (number, offset, max_bytes) = (r.i32()?, r.i64()?, r.i32()?);
            Some(
                FetchPartition::default()
                    .with_partition(number)
                    .with_fetch_offset(offset)
                    .with_partition_max_bytes(max_bytes),
            )
        })?;
        Some(FetchTopic::default().with_topic(TopicName(name)).with_partitions(partitions))
    })?;
    Some(
        FetchRequest::default()
            .with_replica_id(replica_id.into())
            .with_max_wait_ms(max_wait_ms)
            .with_min_bytes(min_bytes)
            .with_max_bytes(max_bytes)
            .with_session_epoch(NO_SESSION)
            .with_topics(topics),
    )
}

pub(super) fn encode(out: &mut Writer, version: i16, response: &FetchResponse) {
    if version >= 1 {
        out.i32(response.throttle_time_ms);
    }
    out.array(&response.responses, |out, topic| {
        out.text(&topic.topic);
        out.array(&topic.partitions, |out, partition| {
            out.i32(partition.partition_index);
            out.i16(partition.error_code);
            out.i64(partition.high_watermark);
            out.data(partition.records.as_deref().unwrap_or_default());
        });
    });
}

/// Fetches, and makes message sets of what was found. Where there were nothing but markers it looks behind them: the
/// client would ask for the same offset for ever.
pub(super) async fn answer(call: &Call, mut request: FetchRequest) -> FetchResponse {
    let magic = if call.version() < 2 { 0 } else { 1 };
    let deadline = Instant::now() + Duration::from_millis(request.max_wait_ms.max(0) as u64);
    let bytes_max =
        (request.max_bytes as i64).min(call.broker.config.integer("fetch.max.bytes")).max(0) as usize;
    loop {
        let (response, _counted) = api::fetch::answer(call, request.clone()).await;
        let conversion = Conversion { request, response, magic, bytes_max };
        let Ok(done) = tokio::task::spawn_blocking(move || conversion.carry_out()).await else {
            return FetchResponse::default();
        };
        if done.is_final || Instant::now() >= deadline {
            return done.response;
        }
        request = done.request;
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        request.max_wait_ms = i32::try_from(left).unwrap_or(i32::MAX);
    }
}

struct Conversion {
    request: FetchRequest,
    response: FetchResponse,
    magic: i8,
    bytes_max: usize,
}

struct Converted {
    /// What to fetch next: behind what was left out.
    request: FetchRequest,
    response: FetchResponse,
    is_final: bool,
}

impl Conversion {
    fn carry_out(mut self) -> Converted {
        let (mut left, mut is_first) = (self.bytes_max, true);
        let (mut left_out, mut failed) = (false, false);
        let mut scratch = Vec::new();
        for topic in &mut self.response.responses {
            for part in &mut topic.partitions {
                failed |= part.error_code != NONE;
                let records = part.records.take().unwrap_or_default();
                let same = self.request.topics.iter_mut().filter(|asked| asked.topic == topic.topic);
                let mut partitions = same.flat_map(|asked| &mut asked.partitions);
                let number = part.partition_index;
                let Some(asked) = partitions.find(|asked| asked.partition == number) else { continue };
                let room = left.min(asked.partition_max_bytes.max(0) as usize);
                let mut out = Vec::new();
                if room > 0 || is_first {
                    match convert(&records, self.magic, asked.fetch_offset, room, &mut scratch, &mut out) {
                        Ok(next) if out.is_empty() && next > asked.fetch_offset => {
                            asked.fetch_offset = next;
                            left_out = true;
                        }
                        Ok(_) => {}
                        Err(_) => {
                            part.error_code = ResponseError::CorruptMessage.code();
                            failed = true;
                        }
                    }
                }
                is_first &= out.is_empty();
                left = left.saturating_sub(out.len());
                part.records = Some(Bytes::from(out));
            }
        }
        let is_final = !is_first || failed || !left_out;
        Converted { request: self.request, response: self.response, is_final }
    }
}

/// Appends messages to `out` until there are `bytes_max` bytes; returns the offset after the last batch looked at.
fn convert(
    mut records: &[u8],
    magic: i8,
    from_offset: i64,
    bytes_max: usize,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<i64, commitlog::BatchError> {
    let mut next = from_offset;
    while !records.is_empty() {
        let batch = Batch::parse(records)?;
        next = next.max(batch.next_offset());
        if !messages_from_batch(&batch, magic, from_offset, bytes_max, scratch, out)? {
            break;
        }
        records = &records[batch.len()..];
    }
    Ok(next)
}
