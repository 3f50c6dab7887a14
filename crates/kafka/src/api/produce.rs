//! Produce: appends batches as they are, and answers when they are as durable as was asked for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use commitlog::{AppendInfo, Batch, CommitTicket, Compression, LogError, Partition, TimestampType};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::broker::Broker;
use crate::config::str_bytes;
use crate::dispatch::{Answer, Call, beside_sockets};
use crate::error::{NONE, Refusal};
use crate::frame::{FrameError, encode, own};
use crate::legacy;
use crate::security::acl::{Operation, Resource};

const ACKS_ALL: i16 = -1;
const ACKS_NONE: i16 = 0;
const ACKS_LEADER: i16 = 1;
/// The first version that carries record batches only.
const BATCHES_ONLY_FROM: i16 = 3;
/// The setting that answers `acks=all` before the sync.
const LOSABLE: &str = "acks.all.may.be.lost.in.power.failure";
/// The first version that may carry zstd (KIP-110).
const ZSTD_FROM: i16 = 7;
/// The first version in which a batch joins its partition to the transaction (KIP-890).
const JOINS_TRANSACTION_FROM: i16 = 12;
/// Records refused one by one in an answer; the first ones say enough.
const RECORD_ERRORS_MAX: usize = 100;
/// Where the version of a batch's format lies, in all versions.
const AT_MAGIC: usize = 16;
/// Where its length lies, and the least of the formats before version 2.
const AT_LENGTH: usize = 8;
const OLD_LENGTH_MIN: i32 = 14;

/// How long a request waits when the disk has much to do, before it looks again.
const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// With these the first offset is not told, as in Kafka.
const UNTOLD: [ResponseError; 4] = [
    ResponseError::CorruptMessage,
    ResponseError::MessageTooLarge,
    ResponseError::KafkaStorageError,
    ResponseError::UnknownTopicOrPartition,
];

/// An append that was made, or was not.
struct Outcome {
    response: PartitionProduceResponse,
    /// What is to be synced before it is answered.
    unsynced: Option<Arc<Partition>>,
}

pub(crate) async fn answer(call: Call, request: ProduceRequest) -> Result<Answer, FrameError> {
    let asked = call.asked.clone();
    answer_as(call, request, move |response| encode(&asked, asked.version, response)).await
}

/// Carries out a request and lets `encode` write the answer.
pub(crate) async fn answer_as(
    call: Call,
    request: ProduceRequest,
    encode: impl FnOnce(&ProduceResponse) -> Result<Bytes, FrameError> + Send + 'static,
) -> Result<Answer, FrameError> {
    let acks = request.acks;
    let valid = matches!(acks, ACKS_ALL | ACKS_NONE | ACKS_LEADER);
    let appender = Appender {
        broker: &call.broker,
        version: call.version(),
        transactional_id: request.transactional_id.as_deref().map(|id| &**id),
        wait: acks == ACKS_ALL && !call.broker.config.boolean(LOSABLE),
        may_transact: request
            .transactional_id
            .as_deref()
            .is_some_and(|id| call.allows(Operation::Write, Resource::Transaction(id))),
    };
    let mut topics = Vec::with_capacity(request.topic_data.len());
    let mut unsynced = Vec::new();
    let mut failed = false;
    for topic in request.topic_data {
        let name = match topic_name(&call, &topic) {
            Ok(name) if !call.allows(Operation::Write, Resource::Topic(&name)) => {
                Err(ResponseError::TopicAuthorizationFailed.into())
            }
            Ok(_) if appender.transactional_id.is_some() && !appender.may_transact => {
                Err(ResponseError::TransactionalIdAuthorizationFailed.into())
            }
            Ok(name) => call.broker.check_not_reserved(&name).map(|()| name),
            Err(error) => Err(Refusal::from(error)),
        };
        let mut responses = Vec::with_capacity(topic.partition_data.len());
        for data in topic.partition_data {
            let Outcome { response, unsynced: partition } = match &name {
                Err(refusal) => refused(data.index, refusal.clone()),
                Ok(_) if !valid => refused(data.index, ResponseError::InvalidRequiredAcks.into()),
                // Its records are unpacked to be checked, or it waits for its transaction, which may just be ending.
                Ok(name) if is_packed(&data) || appender.may_transact => {
                    beside_sockets(|| appender.append(name, data))
                }
                Ok(name) => appender.append(name, data),
            };
            failed |= response.error_code != NONE;
            unsynced.extend(partition);
            responses.push(response);
        }
        topics.push(
            TopicProduceResponse::default()
                // It waits for the sync: the frame does not.
                .with_name(TopicName(own(&topic.name)))
                .with_topic_id(topic.topic_id)
                .with_partition_responses(responses),
        );
    }
    if acks == ACKS_NONE {
        // As in Kafka: closing is the only way to tell.
        return Ok(if failed { Answer::Close } else { Answer::Nothing });
    }
    if unsynced.is_empty() {
        return Ok(Answer::Now(encode(&ProduceResponse::default().with_responses(topics))?));
    }
    // While the disk stands still, requests wait without the threads that sockets need.
    while call.broker.log.is_busy() && !call.broker.is_stopping() {
        tokio::time::sleep(BUSY_PAUSE).await;
    }
    // One ticket for the whole request: its partitions are synced together.
    let log = call.broker.log.clone();
    let can_help = Handle::current().metrics().num_workers() > 1;
    let ticket = if can_help { log.flush_helping(unsynced) } else { log.flush_partitions(unsynced) };
    Ok(Answer::Later(Box::pin(async move {
        let synced = match ticket {
            Ok(ticket) => {
                if can_help {
                    // Whatever the client has sent before is written by now: one sync is for all of it. Only one thread
                    // syncs at a time, so another looks after the sockets meanwhile.
                    log.help(&ticket);
                }
                wait(ticket).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = synced {
            refuse_all(&mut topics, error);
        }
        encode(&ProduceResponse::default().with_responses(topics))
    })))
}

fn is_packed(data: &PartitionProduceData) -> bool {
    let batch = Batch::parse(data.records.as_deref().unwrap_or_default());
    batch.is_ok_and(|batch| batch.compression() != Ok(Compression::None))
}

/// Takes back what was said of the appends: they are not durable.
fn refuse_all(topics: &mut [TopicProduceResponse], error: LogError) {
    for response in topics.iter_mut().flat_map(|topic| &mut topic.partition_responses) {
        if response.error_code == NONE {
            *response = refused(response.index, error.clone().into()).response;
        }
    }
}

fn topic_name(call: &Call, topic: &TopicProduceData) -> Result<TopicName, ResponseError> {
    if call.version() < 13 {
        return Ok(topic.name.clone());
    }
    let name = call.broker.topic_name(topic.topic_id).ok_or(ResponseError::UnknownTopicId)?;
    Ok(TopicName(str_bytes(&name)))
}

/// Waits for the log-writer without holding a thread.
pub(crate) async fn wait(ticket: CommitTicket) -> Result<(), LogError> {
    if let Some(result) = ticket.poll() {
        return result;
    }
    let (done_tx, done) = oneshot::channel();
    ticket.on_done(move |result| {
        let _ = done_tx.send(result);
    });
    done.await.unwrap_or(Err(LogError::Closed))
}

fn refused(index: i32, refusal: Refusal) -> Outcome {
    let response = PartitionProduceResponse::default()
        .with_index(index)
        .with_error_code(refusal.code)
        .with_base_offset(-1)
        .with_log_append_time_ms(-1)
        .with_log_start_offset(-1)
        .with_error_message(refusal.text());
    Outcome { response, unsynced: None }
}

struct Appender<'a> {
    broker: &'a Broker,
    version: i16,
    transactional_id: Option<&'a str>,
    wait: bool,
    /// The client may write in the transaction it names.
    may_transact: bool,
}

/// Why a batch is not appended.
struct Rejected {
    refusal: Refusal,
    records: Vec<BatchIndexAndErrorMessage>,
    log_start: i64,
}

impl From<Refusal> for Rejected {
    fn from(refusal: Refusal) -> Rejected {
        Rejected { refusal, records: Vec::new(), log_start: -1 }
    }
}

impl From<LogError> for Rejected {
    fn from(error: LogError) -> Rejected {
        Refusal::from(error).into()
    }
}

impl Appender<'_> {
    fn append(&self, topic: &str, data: PartitionProduceData) -> Outcome {
        match self.try_append(topic, &data) {
            Ok((info, unsynced)) => {
                let response = PartitionProduceResponse::default()
                    .with_index(data.index)
                    .with_error_code(NONE)
                    .with_base_offset(info.base_offset)
                    .with_log_append_time_ms(info.log_append_time)
                    .with_log_start_offset(info.log_start_offset);
                Outcome { response, unsynced }
            }
            Err(rejected) => {
                let mut outcome = refused(data.index, rejected.refusal);
                outcome.response.record_errors = rejected.records;
                outcome.response.log_start_offset = rejected.log_start;
                outcome
            }
        }
    }

    fn try_append(
        &self,
        topic: &str,
        data: &PartitionProduceData,
    ) -> Result<(AppendInfo, Option<Arc<Partition>>), Rejected> {
        let number =
            u32::try_from(data.index).map_err(|_| Refusal::from(ResponseError::UnknownTopicOrPartition))?;
        let partition = self.broker.log.partition(topic, number)?;
        let mut records = data.records.as_deref().unwrap_or_default();
        let converted =
            if self.version < BATCHES_ONLY_FROM { legacy::produce::as_batch(records)? } else { None };
        if let Some(converted) = &converted {
            records = converted;
        }
        let batch = self.one_batch(records)?;
        self.check_batch(&batch)
            .map_err(|refusal| Rejected { log_start: partition.offsets().log_start, ..refusal.into() })?;
        if batch.is_transactional() && !self.may_transact {
            return Err(Refusal::from(ResponseError::TransactionalIdAuthorizationFailed).into());
        }
        self.check_records(&partition, &batch)?;
        let now_ms = self.broker.now_ms();
        let mut bytes = records.to_vec();
        if let Some(compression) = partition.topic_config().compression
            && batch.compression() != Ok(compression)
        {
            bytes = repacked(&batch, compression).map_err(|error| LogError::InvalidBatch {
                topic: topic.to_owned(),
                partition: number,
                source: error,
            })?;
        }
        let log = &self.broker.log;
        if batch.is_transactional() && self.version >= JOINS_TRANSACTION_FROM {
            self.join_transaction(topic, number, &batch, now_ms)?;
        }
        let id = self.transactional_id;
        let info = log.append_client(topic, number, id, &mut bytes, now_ms).map_err(|error| {
            let is_early = batch.is_transactional() && !matches!(error, LogError::OutOfOrderSequence { .. });
            let refusal = Refusal::from(error);
            let untold = is_early || UNTOLD.iter().any(|code| code.code() == refusal.code);
            Rejected { log_start: if untold { -1 } else { partition.offsets().log_start }, ..refusal.into() }
        })?;
        Ok((info, self.wait.then_some(partition)))
    }

    fn join_transaction(
        &self,
        topic: &str,
        partition: u32,
        batch: &Batch<'_>,
        now_ms: i64,
    ) -> Result<(), Rejected> {
        let Some(transactional_id) = self.transactional_id else {
            return Err(Refusal::from(ResponseError::InvalidTxnState).into());
        };
        let identity =
            commitlog::ProducerIdentity { producer_id: batch.producer_id(), epoch: batch.producer_epoch() };
        let partitions = [(topic, partition)];
        self.broker
            .log
            .add_partitions_to_transaction(transactional_id, identity, &partitions, now_ms)
            .map_err(Rejected::from)
    }

    /// Takes the one batch that a partition's part of a request has; its checksum is checked when it is appended.
    fn one_batch<'b>(&self, records: &'b [u8]) -> Result<Batch<'b>, Rejected> {
        let invalid = |message: String| Refusal::new(ResponseError::InvalidRecord, message);
        if records.is_empty() {
            let version = self.version;
            return Err(invalid(format!(
                "Produce requests with version {version} must have at least one record batch per partition"
            ))
            .into());
        }
        let length = records.get(AT_LENGTH..AT_LENGTH + 4).and_then(|bytes| bytes.try_into().ok());
        let is_old = matches!(records.get(AT_MAGIC), Some(0 | 1));
        if is_old && length.is_some_and(|bytes| i32::from_be_bytes(bytes) >= OLD_LENGTH_MIN) {
            let version = self.version;
            return Err(invalid(format!(
                "Produce requests with version {version} are only allowed to contain record batches with magic version 2"
            ))
            .into());
        }
        if records.get(AT_MAGIC).is_some_and(|magic| *magic > 2) {
            return Err(Refusal::new(ResponseError::CorruptMessage, "there is no such format").into());
        }
        let batch = Batch::parse(records).map_err(|error| match error {
            // One that is longer than what was sent is not a whole batch.
            commitlog::BatchError::Cut { .. } => invalid("there is not one whole record batch".to_owned()),
            error => Refusal::new(ResponseError::CorruptMessage, error.to_string()),
        })?;
        if batch.len() != records.len() {
            return Err(invalid(format!(
                "Produce requests with version {} are only allowed to contain exactly one record batch per partition",
                self.version
            ))
            .into());
        }
        if batch.compression() == Ok(Compression::Zstd) && self.version < ZSTD_FROM {
            return Err(Refusal::from(ResponseError::UnsupportedCompressionType).into());
        }
        Ok(batch)
    }

    /// Checks what a client's batch must say of itself.
    fn check_batch(&self, batch: &Batch<'_>) -> Result<(), Refusal> {
        let reason = if batch.record_count() <= 0 {
            "the batch has no record"
        } else if batch.base_offset() != 0 {
            "the batch has an offset already"
        } else if batch.producer_id() >= 0 && batch.base_sequence() < 0 {
            "the batch has a producer and no sequence"
        } else {
            return Ok(());
        };
        Err(Refusal::new(ResponseError::InvalidRecord, reason))
    }

    /// Checks what depends on the topic: keys where it is compacted, timestamps.
    fn check_records(&self, partition: &Partition, batch: &Batch<'_>) -> Result<(), Rejected> {
        let config = partition.topic_config();
        let create_time = config.timestamp_type == TimestampType::CreateTime;
        let now_ms = self.broker.now_ms();
        let newest = now_ms.saturating_add(config.timestamp_after_max_ms);
        let oldest = now_ms.saturating_sub(config.timestamp_before_max_ms);
        let bounded = config.timestamp_before_max_ms < i64::MAX;
        let suspicious = create_time && (batch.max_timestamp() > newest || bounded);
        if !config.compact && !suspicious {
            return Ok(());
        }
        // A batch that is damaged or too large is refused as such when it is appended.
        if batch.len() > config.max_message_bytes || batch.validate().is_err() {
            return Ok(());
        }
        let mut scratch = Vec::new();
        let Ok(records) = batch.records(&mut scratch, commitlog::UNPACKED_BATCH_BYTES_MAX) else {
            return Ok(());
        };
        let (mut errors, mut code) = (Vec::new(), ResponseError::InvalidRecord);
        for (index, record) in records.enumerate() {
            let Ok(record) = record else { return Ok(()) };
            let message = if config.compact && record.key.is_none() {
                format!(
                    "Compacted topic cannot accept message without key in topic partition {}-{}.",
                    partition.topic(),
                    partition.partition()
                )
            } else if create_time
                && record.timestamp != -1
                && (record.timestamp > newest || record.timestamp < oldest)
            {
                code = ResponseError::InvalidTimestamp;
                format!(
                    "Timestamp {} of message with offset {index} is out of range. The timestamp should be within \
                     [{oldest}, {newest}]",
                    record.timestamp
                )
            } else {
                continue;
            };
            if errors.len() < RECORD_ERRORS_MAX {
                errors.push(
                    BatchIndexAndErrorMessage::default()
                        .with_batch_index(index as i32)
                        .with_batch_index_error_message(Some(StrBytes::from_string(message))),
                );
            }
        }
        if errors.is_empty() {
            return Ok(());
        }
        let message = "One or more records have been rejected due to ".to_owned()
            + &format!(
                "{} record errors in total, and only showing the first three errors at most: ",
                errors.len()
            )
            + errors[0].batch_index_error_message.as_deref().unwrap_or("");
        Err(Rejected {
            refusal: Refusal::new(code, message),
            records: errors,
            log_start: partition.offsets().log_start,
        })
    }
}

/// Packs a batch anew with the codec its topic asks for.
fn repacked(batch: &Batch<'_>, compression: Compression) -> Result<Vec<u8>, commitlog::BatchError> {
    batch.validate()?;
    let mut scratch = Vec::new();
    let mut builder = commitlog::BatchBuilder::with_compression(compression);
    for record in batch.records(&mut scratch, commitlog::UNPACKED_BATCH_BYTES_MAX)? {
        let record = record?;
        let headers = record.headers().collect::<Result<Vec<_>, _>>()?;
        builder.append(record.timestamp, record.key, record.value, &headers);
    }
    let mut bytes = builder.finish().to_vec();
    if batch.producer_id() != commitlog::NO_PRODUCER_ID {
        commitlog::set_producer(
            &mut bytes,
            batch.producer_id(),
            batch.producer_epoch(),
            batch.base_sequence(),
            batch.is_transactional(),
        );
    }
    Ok(bytes)
}
