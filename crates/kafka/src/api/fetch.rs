//! Fetch: whole batches as they lie in the log, waiting for them if need be.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use commitlog::{Isolation, LogError, Partition};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, FetchResponse, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::{FetchRequest, ProducerId, TopicName};
use tokio::time::Instant;

use super::fetch_frame;
use super::offset_for_leader_epoch::check_leader_epoch;
use crate::broker::Broker;
use crate::config::str_bytes;
use crate::dispatch::{Answer, Call, beside_sockets};
use crate::error::{NONE, code};
use crate::fetch_session::{Plan, Wanted};
use crate::frame::FrameError;
use crate::security::acl::{Operation, Resource};

const READ_COMMITTED: i8 = 1;
/// Who is further behind may want what is no longer in memory.
const RECORDS_INLINE_MAX: i64 = 10_000;

/// Carries out a request and lays the answer out for the socket.
pub(crate) async fn pieces(call: Call, request: FetchRequest) -> Result<Answer, FrameError> {
    let response = answer(&call, request).await;
    Ok(Answer::Pieces(fetch_frame::encode(&call.asked, &response)?))
}

pub(crate) async fn answer(call: &Call, request: FetchRequest) -> FetchResponse {
    let broker = &call.broker;
    let mut plan = match broker.fetch_sessions.plan(&request, call.version(), broker.now_ms()) {
        Ok(plan) => plan,
        Err(error) => return FetchResponse::default().with_error_code(error.code()),
    };
    let bytes_max = (request.max_bytes as i64).min(broker.config.integer("fetch.max.bytes")).max(0) as usize;
    let bounds = Bounds {
        bytes_max: broker.answer_bytes.for_fetch(bytes_max),
        isolation: if request.isolation_level == READ_COMMITTED {
            Isolation::ReadCommitted
        } else {
            Isolation::ReadUncommitted
        },
    };
    for wanted in &mut plan.wanted {
        let name = if wanted.topic_id.is_nil() {
            Some(wanted.topic.to_string())
        } else {
            broker.topic_name(wanted.topic_id).map(|name| name.to_string())
        };
        wanted.is_denied = name.is_some_and(|name| !call.allows(Operation::Read, Resource::Topic(&name)));
    }
    // As in Kafka nobody waits for longer than a connection may be silent.
    let wait_ms_max = broker.config.integer("connections.max.idle.ms").max(0);
    let wait_ms = (request.max_wait_ms as i64).clamp(0, wait_ms_max);
    let deadline = Instant::now() + Duration::from_millis(wait_ms as u64);
    let bytes_min = request.min_bytes.max(0) as usize;
    drop(request);
    call.connection.let_go();
    let mut before = 0;
    let parts = loop {
        let changed = broker.changed.notified();
        tokio::pin!(changed);
        // From here on a change is not missed.
        changed.as_mut().enable();
        let due = Instant::now() >= deadline || broker.is_stopping();
        if due || something_to_tell(broker, &mut plan, bounds.isolation, &mut before, bytes_min) {
            let far_behind = before > RECORDS_INLINE_MAX;
            let mut read = || read_all(broker, &mut plan.wanted, &bounds);
            let parts = if far_behind { beside_sockets(read) } else { read() };
            let bytes: usize = parts.iter().map(Part::len).sum();
            if due || bytes >= bytes_min || parts.iter().any(|part| part.data.error_code != NONE) {
                break parts;
            }
        }
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    };
    respond(plan, parts)
}

struct Bounds {
    bytes_max: usize,
    isolation: Isolation,
}

/// One partition's part of the answer.
struct Part {
    data: PartitionData,
    log_start: i64,
}

impl Part {
    fn len(&self) -> usize {
        self.data.records.as_ref().map_or(0, Bytes::len)
    }
}

/// Says whether reading is worth while: there are records or errors, without touching a file.
fn something_to_tell(
    broker: &Broker,
    plan: &mut Plan,
    isolation: Isolation,
    before: &mut i64,
    bytes_min: usize,
) -> bool {
    if bytes_min == 0 {
        return true;
    }
    let mut available = 0i64;
    for wanted in &mut plan.wanted {
        let Ok(partition) = find(broker, wanted) else { return true };
        if check_leader_epoch(wanted.leader_epoch).is_err() {
            return true;
        }
        let offsets = partition.offsets();
        let end = match isolation {
            Isolation::ReadCommitted => offsets.last_stable,
            Isolation::ReadUncommitted => offsets.next,
        };
        if wanted.fetch_offset > offsets.next || wanted.fetch_offset < offsets.log_start {
            return true;
        }
        // A client without a session hears of a new first offset with its next answer.
        if plan.incremental && wanted.told_log_start != offsets.log_start {
            return true;
        }
        available += (end - wanted.fetch_offset).max(0);
    }
    // What was read once and was not enough is read again only when there is more.
    let grown = available > *before;
    *before = available;
    grown
}

fn find(broker: &Broker, wanted: &mut Wanted) -> Result<Arc<Partition>, i16> {
    if wanted.is_denied {
        return Err(ResponseError::TopicAuthorizationFailed.code());
    }
    if let Some(found) = &wanted.found
        && found.is_alive()
    {
        return Ok(found.clone());
    }
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    if wanted.topic_id.is_nil() && wanted.topic.is_empty() {
        return Err(ResponseError::UnknownTopicId.code());
    }
    let number = u32::try_from(wanted.partition).map_err(|_| unknown)?;
    let partition = if wanted.topic_id.is_nil() {
        broker.log.partition(&wanted.topic, number).map_err(|_| unknown)?
    } else {
        let name = broker.topic_name(wanted.topic_id).ok_or(ResponseError::UnknownTopicId.code())?;
        broker.log.partition(&name, number).map_err(|_| unknown)?
    };
    wanted.found = Some(partition.clone());
    Ok(partition)
}

fn read_all(broker: &Broker, wanted: &mut [Wanted], bounds: &Bounds) -> Vec<Part> {
    let mut left = bounds.bytes_max;
    let mut is_first = true;
    wanted
        .iter_mut()
        .map(|wanted| {
            let result = find(broker, wanted).and_then(|partition| {
                check_leader_epoch(wanted.leader_epoch).map_err(|error| error.code())?;
                read(&partition, wanted, bounds.isolation, left, is_first)
            });
            match result {
                Ok(part) => {
                    left = left.saturating_sub(part.len());
                    is_first &= part.len() == 0;
                    part
                }
                Err(code) => Part { data: failed(wanted.partition, code), log_start: -1 },
            }
        })
        .collect()
}

/// With these Kafka tells no list of aborted transactions, with others an empty one.
const WITHOUT_ABORTED: [ResponseError; 3] =
    [ResponseError::OffsetOutOfRange, ResponseError::UnknownLeaderEpoch, ResponseError::FencedLeaderEpoch];

fn failed(partition: i32, code: i16) -> PartitionData {
    let is_without = WITHOUT_ABORTED.iter().any(|error| error.code() == code);
    PartitionData::default()
        .with_partition_index(partition)
        .with_error_code(code)
        .with_high_watermark(-1)
        .with_last_stable_offset(-1)
        .with_log_start_offset(-1)
        .with_aborted_transactions((!is_without).then(Vec::new))
        .with_records(Some(Bytes::new()))
}

fn read(
    partition: &Partition,
    wanted: &Wanted,
    isolation: Isolation,
    left: usize,
    is_first: bool,
) -> Result<Part, i16> {
    let bytes_max = left.min(wanted.max_bytes.max(0) as usize);
    let mut records = Vec::new();
    let failed = |error: LogError| code(&error);
    let offset = wanted.fetch_offset;
    // The first records are answered whole, however small the bounds, so that everybody gets on.
    let read_bytes = if bytes_max == 0 && !is_first { None } else { Some(bytes_max.max(1)) };
    let info = partition.read(offset, read_bytes.unwrap_or(0), isolation, &mut records).map_err(failed)?;
    let mut next = info.next_offset;
    if records.len() > bytes_max && !is_first {
        records.clear();
        next = offset;
    }
    let aborted = (isolation == Isolation::ReadCommitted).then(|| {
        let transactions =
            if records.is_empty() { Vec::new() } else { partition.aborted_transactions(offset, next) };
        transactions
            .into_iter()
            .map(|transaction| {
                AbortedTransaction::default()
                    .with_producer_id(ProducerId(transaction.producer_id))
                    .with_first_offset(transaction.first_offset)
            })
            .collect()
    });
    let data = PartitionData::default()
        .with_partition_index(wanted.partition)
        .with_error_code(NONE)
        .with_high_watermark(info.high_watermark)
        .with_last_stable_offset(info.last_stable_offset)
        .with_log_start_offset(info.log_start_offset)
        .with_aborted_transactions(aborted)
        .with_records(Some(Bytes::from(records)));
    Ok(Part { data, log_start: info.log_start_offset })
}

fn respond(mut plan: Plan, parts: Vec<Part>) -> FetchResponse {
    let mut told = Vec::with_capacity(parts.len());
    for (wanted, part) in plan.wanted.iter_mut().zip(&parts) {
        let changed = part.len() > 0
            || part.data.error_code != NONE
            || wanted.told_high_watermark != part.data.high_watermark
            || wanted.told_log_start != part.log_start;
        told.push(changed || !plan.incremental);
        // An error is told again and again.
        let failed = part.data.error_code != NONE;
        wanted.told_high_watermark = if failed { -1 } else { part.data.high_watermark };
        wanted.told_log_start = if failed { -1 } else { part.log_start };
    }
    if let Some(session) = &plan.session {
        let mut session = session.lock().expect("no holder panics");
        session.note(&plan.wanted, |place| parts[place].len() > 0);
    }
    let mut topics: Vec<FetchableTopicResponse> = Vec::new();
    for ((wanted, part), is_told) in plan.wanted.iter().zip(parts).zip(told) {
        if !is_told {
            continue;
        }
        let same =
            topics.last().is_some_and(|last| last.topic_id == wanted.topic_id && last.topic == wanted.topic);
        if !same {
            topics.push(
                FetchableTopicResponse::default()
                    .with_topic(TopicName(str_bytes(&wanted.topic)))
                    .with_topic_id(wanted.topic_id),
            );
        }
        if let Some(last) = topics.last_mut() {
            last.partitions.push(part.data);
        }
    }
    FetchResponse::default().with_error_code(NONE).with_session_id(plan.session_id).with_responses(topics)
}
