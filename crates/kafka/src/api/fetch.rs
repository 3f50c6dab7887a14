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

use super::fetch_amount::{Amount, end_of};
use super::fetch_frame;
use super::offset_for_leader_epoch::check_leader_epoch;
use crate::answer_bytes::Counted;
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
/// A fetch of more partitions is looked at beside the sockets, and not whenever anybody has written something.
const PARTITIONS_INLINE_MAX: usize = 1000;
/// What a client on this machine gets at once, in bytes, when there is more: what still lies in the processor's caches when
/// the client comes to it, and needs no large objects in a managed heap. Kafka's consumer reads four partitions a tenth faster
/// so than by their 4 MiB. Who is farther away gets all that is asked for, as each answer costs a way there and back.
const NEAR_BYTES: usize = 1 << 20;
/// What a partition's part of that is at least; smaller ones cost more than they spare.
const NEAR_PARTITION_BYTES_MIN: usize = 256 << 10;
/// Who wants to wait for more than this wants much at once.
const NEAR_BYTES_MIN_MAX: usize = 64 << 10;
/// So many partitions are looked at in a millisecond at most: a few hundredths of a core's time.
const PARTITIONS_PER_MS_MAX: usize = 1000;

/// Carries out a request and lays the answer out for the socket.
pub(crate) async fn pieces(call: Call, request: FetchRequest) -> Result<Answer, FrameError> {
    let (response, counted) = answer(&call, request).await;
    Ok(Answer::Pieces(fetch_frame::encode(&call.asked, &response)?, Some(counted)))
}

/// Returns the answer, and its bytes as they are counted among those of all answers.
pub(crate) async fn answer(call: &Call, request: FetchRequest) -> (FetchResponse, Counted) {
    let broker = &call.broker;
    let mut counted = broker.answer_bytes.count();
    let mut plan = match broker.fetch_sessions.plan(&request, call.version(), broker.now_ms()) {
        Ok(plan) => plan,
        Err(error) => return (FetchResponse::default().with_error_code(error.code()), counted),
    };
    let bytes_max = (request.max_bytes as i64).min(broker.config.integer("fetch.max.bytes")).max(0) as usize;
    let mut bounds = Bounds {
        bytes_max,
        partition_bytes_max: usize::MAX,
        bytes_min: request.min_bytes.max(0) as usize,
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
    drop(request);
    call.connection.wait_for_others();
    let is_large = plan.wanted.len() > PARTITIONS_INLINE_MAX;
    let mut waiting = Waiting::default();
    let parts = loop {
        let changed = broker.changed.notified();
        tokio::pin!(changed);
        // From here on a change is not missed.
        changed.as_mut().enable();
        let due = Instant::now() >= deadline || broker.is_stopping();
        let mut look = || look(broker, &mut plan.wanted, &bounds, &mut waiting, &mut counted);
        let found = if is_large { beside_sockets(look) } else { look() };
        if due || found.is_worth_reading {
            if call.connection.is_near && bounds.bytes_min <= NEAR_BYTES_MIN_MAX {
                bounds.partition_bytes_max =
                    (NEAR_BYTES / found.partitions.max(1)).max(NEAR_PARTITION_BYTES_MIN);
            }
            let mut read = || read_all(broker, &mut plan.wanted, &bounds, &mut counted);
            let far_behind = found.records > RECORDS_INLINE_MAX;
            let parts = if is_large || far_behind { beside_sockets(read) } else { read() };
            let is_enough = parts.iter().map(|part| part.amount.bytes).sum::<usize>() >= bounds.bytes_min;
            if due || is_enough || parts.iter().any(|part| part.data.error_code != NONE) {
                break parts;
            }
            waiting.amounts = parts.iter().map(|part| part.amount).collect();
            counted.set(0);
        }
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
        if is_large {
            let pause = Duration::from_millis((plan.wanted.len() / PARTITIONS_PER_MS_MAX) as u64);
            tokio::time::sleep_until(deadline.min(Instant::now() + pause)).await;
        }
    };
    (respond(plan, parts), counted)
}

struct Bounds {
    bytes_max: usize,
    /// What a partition gives at most; a longer batch is given whole if the client's own bounds allow it.
    partition_bytes_max: usize,
    bytes_min: usize,
    isolation: Isolation,
}

/// One partition's part of the answer.
struct Part {
    data: PartitionData,
    log_start: i64,
    amount: Amount,
    /// Read and left out: a batch longer than what was left.
    bytes_in_vain: usize,
}

impl Part {
    fn len(&self) -> usize {
        self.data.records.as_ref().map_or(0, Bytes::len)
    }
}

/// What is known of a fetch that has looked before.
#[derive(Default)]
struct Waiting {
    /// Records there were at the last look.
    records: i64,
    /// By partition, once what there was has been read and was not enough.
    amounts: Vec<Amount>,
}

/// What a look has found.
struct Found {
    records: i64,
    /// Partitions that have some of them.
    partitions: usize,
    /// There is an error, or there may be as many bytes as are wanted.
    is_worth_reading: bool,
}

/// Looks whether reading is worth while; as long as nothing has been read, without touching a file.
fn look(
    broker: &Broker,
    wanted: &mut [Wanted],
    bounds: &Bounds,
    waiting: &mut Waiting,
    counted: &mut Counted,
) -> Found {
    let (mut records, mut partitions) = (0i64, 0);
    let mut failed = false;
    for wanted in wanted.iter_mut() {
        let Ok(partition) = find(broker, wanted) else {
            failed = true;
            continue;
        };
        let offsets = partition.offsets();
        if !(offsets.log_start..=offsets.next).contains(&wanted.fetch_offset)
            || check_leader_epoch(wanted.leader_epoch).is_err()
        {
            failed = true;
            continue;
        }
        let added = (end_of(&offsets, bounds.isolation) - wanted.fetch_offset).max(0);
        records = records.saturating_add(added);
        partitions += usize::from(added > 0);
    }
    // What was read once and was not enough is looked at again only when there is more.
    let grown = records > waiting.records;
    waiting.records = records;
    let is_worth_reading = failed
        || bounds.bytes_min == 0
        || grown && (waiting.amounts.is_empty() || has_enough(wanted, bounds, &mut waiting.amounts, counted));
    Found { records, partitions, is_worth_reading }
}

/// Counts what was added and says whether it is enough now.
fn has_enough(wanted: &[Wanted], bounds: &Bounds, amounts: &mut [Amount], counted: &mut Counted) -> bool {
    let mut bytes: usize = amounts.iter().map(|amount| amount.bytes).sum();
    for (wanted, amount) in wanted.iter().zip(amounts) {
        let Some(partition) = &wanted.found else { continue };
        bytes -= amount.bytes;
        amount.add(partition, wanted, bounds.isolation, bounds.bytes_min.saturating_sub(bytes), counted);
        bytes += amount.bytes;
        if bytes >= bounds.bytes_min {
            return true;
        }
    }
    false
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

fn read_all(broker: &Broker, wanted: &mut [Wanted], bounds: &Bounds, counted: &mut Counted) -> Vec<Part> {
    let (mut read_bytes, mut bytes_in_vain) = (0, 0);
    wanted
        .iter_mut()
        .map(|wanted| {
            let result = find(broker, wanted).and_then(|partition| {
                check_leader_epoch(wanted.leader_epoch).map_err(|error| error.code())?;
                // When as much was read in vain as may be answered, it is enough.
                let is_tired = bytes_in_vain > bounds.bytes_max;
                let left = if is_tired { 0 } else { bounds.bytes_max.saturating_sub(read_bytes) };
                // Others that read at the same time leave what this one is about to.
                let bytes_max = counted.add(left.min(wanted.max_bytes.max(0) as usize));
                read(&partition, wanted, bounds, bytes_max, read_bytes == 0)
            });
            let part = result.unwrap_or_else(|code| failed(wanted, code));
            read_bytes += part.len();
            bytes_in_vain += part.bytes_in_vain;
            counted.set(read_bytes);
            part
        })
        .collect()
}

/// With these Kafka tells no list of aborted transactions, with others an empty one.
const WITHOUT_ABORTED: [ResponseError; 3] =
    [ResponseError::OffsetOutOfRange, ResponseError::UnknownLeaderEpoch, ResponseError::FencedLeaderEpoch];

fn failed(wanted: &Wanted, code: i16) -> Part {
    let is_without = WITHOUT_ABORTED.iter().any(|error| error.code() == code);
    let data = PartitionData::default()
        .with_partition_index(wanted.partition)
        .with_error_code(code)
        .with_high_watermark(-1)
        .with_last_stable_offset(-1)
        .with_log_start_offset(-1)
        .with_aborted_transactions((!is_without).then(Vec::new))
        .with_records(Some(Bytes::new()));
    Part { data, log_start: -1, amount: Amount { next: wanted.fetch_offset, bytes: 0 }, bytes_in_vain: 0 }
}

fn read(
    partition: &Partition,
    wanted: &Wanted,
    bounds: &Bounds,
    bytes_max: usize,
    is_first: bool,
) -> Result<Part, i16> {
    let isolation = bounds.isolation;
    let mut records = Vec::new();
    let failed = |error: LogError| code(&error);
    let offset = wanted.fetch_offset;
    // The first records are answered whole, however small the bounds, so that everybody gets on.
    let read_bytes =
        if bytes_max == 0 && !is_first { 0 } else { bytes_max.clamp(1, bounds.partition_bytes_max) };
    let info = partition.read(offset, read_bytes, isolation, &mut records).map_err(failed)?;
    let mut next = info.next_offset;
    let mut bytes_in_vain = 0;
    if records.len() > bytes_max && !is_first {
        bytes_in_vain = records.len();
        records = Vec::new();
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
    let len = records.len();
    let data = PartitionData::default()
        .with_partition_index(wanted.partition)
        .with_error_code(NONE)
        .with_high_watermark(info.high_watermark)
        .with_last_stable_offset(info.last_stable_offset)
        .with_log_start_offset(info.log_start_offset)
        .with_aborted_transactions(aborted)
        .with_records(Some(Bytes::from(records)));
    let end = match isolation {
        Isolation::ReadCommitted => info.last_stable_offset,
        Isolation::ReadUncommitted => info.high_watermark,
    };
    let amount = Amount::read(wanted, len, next, end);
    Ok(Part { data, log_start: info.log_start_offset, amount, bytes_in_vain })
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
