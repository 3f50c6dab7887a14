//! What can go wrong in the log, by what a caller would do about it.

use std::io;
use std::path::Path;

use crate::batch::BatchError;

/// An error of the log. Cheap to clone: one failed sync answers many callers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// No topic has this name.
    #[error("topic \"{topic}\" does not exist")]
    UnknownTopic {
        /// The name asked for.
        topic: String,
    },
    /// The topic has no such partition.
    #[error("topic \"{topic}\" has no partition {partition}")]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// The partition asked for.
        partition: u32,
    },
    /// The name is taken.
    #[error("topic \"{topic}\" already exists")]
    TopicExists {
        /// The name.
        topic: String,
    },
    /// Kafka would refuse the name.
    #[error("\"{topic}\" is not a topic name: {reason}")]
    TopicName {
        /// The name.
        topic: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// The number of partitions is refused.
    #[error("topic \"{topic}\" cannot have {partitions} partitions: {reason}")]
    PartitionCount {
        /// The topic.
        topic: String,
        /// The number asked for.
        partitions: u32,
        /// Why not.
        reason: &'static str,
    },
    /// A topic setting is unknown or malformed.
    #[error("topic setting \"{name}\" = \"{value}\" is not valid: {reason}")]
    Config {
        /// The setting.
        name: String,
        /// Its value.
        value: String,
        /// Why not, naming the nearest known setting.
        reason: String,
    },
    /// The bytes are not a valid batch.
    #[error("appending to topic \"{topic}\" partition {partition}: {source}")]
    InvalidBatch {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// What is wrong.
        source: BatchError,
    },
    /// A batch is above the topic's `max.message.bytes`.
    #[error("batch of {size} bytes is above max.message.bytes = {max} of topic \"{topic}\"")]
    BatchTooLarge {
        /// The topic.
        topic: String,
        /// The batch's size.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// Stored bytes are damaged; reading can go on at `resume_offset`.
    #[error("topic \"{topic}\" partition {partition} is damaged at offset {offset}: {source}")]
    Corrupt {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset wanted.
        offset: i64,
        /// The next offset that may be readable.
        resume_offset: i64,
        /// What is wrong.
        source: BatchError,
    },
    /// The offset was deleted or does not exist yet.
    #[error("offset {offset} of topic \"{topic}\" partition {partition} is outside {start} to {end}")]
    OffsetOutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset asked for.
        offset: i64,
        /// The first offset.
        start: i64,
        /// The offset after the last.
        end: i64,
    },
    /// A newer instance with the same transactional id has taken over.
    #[error("producer {producer_id} with epoch {epoch} is fenced by epoch {current}")]
    Fenced {
        /// The producer id.
        producer_id: i64,
        /// Its epoch.
        epoch: i16,
        /// The epoch that counts.
        current: i16,
    },
    /// An idempotent producer's batch does not follow its last.
    #[error("producer {producer_id} sent sequence {found}, expected {expected}")]
    OutOfOrderSequence {
        /// The producer id.
        producer_id: i64,
        /// The sequence expected.
        expected: i32,
        /// The sequence sent.
        found: i32,
    },
    /// The transaction is not in a state that allows this.
    #[error("transaction of \"{transactional_id}\" cannot {action}: {reason}")]
    TransactionState {
        /// The transactional id.
        transactional_id: String,
        /// What was tried.
        action: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// No producer with this transactional id.
    #[error("transactional id \"{transactional_id}\" is not known with producer id {producer_id}")]
    UnknownProducer {
        /// The transactional id.
        transactional_id: String,
        /// The producer id given.
        producer_id: i64,
    },
    /// The transactional id is one that this process writes under itself.
    #[error("transactional id \"{transactional_id}\" cannot be taken over: this process uses it")]
    OwnTransaction {
        /// The transactional id.
        transactional_id: String,
    },
    /// Something is larger than its bound.
    #[error("{what} of {size} is above the limit of {max}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: usize,
        /// The bound.
        max: usize,
    },
    /// An operating system call failed.
    #[error("{action} \"{path}\": {message}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// The kind, for callers that retry on a full disk.
        kind: io::ErrorKind,
        /// The system's words.
        message: String,
    },
    /// A sync failed earlier; what was written since may be lost, so nothing is taken until a restart.
    #[error("log is read-only: {cause}")]
    ReadOnly {
        /// The first failure.
        cause: String,
    },
    /// The log was closed.
    #[error("log is closed")]
    Closed,
    /// A file of the log itself is damaged beyond what recovery may repair.
    #[error("log file \"{path}\" is damaged: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

impl LogError {
    /// Wraps a failed system call.
    pub(crate) fn io(action: &'static str, path: &Path, error: &io::Error) -> LogError {
        LogError::Io {
            action,
            path: path.display().to_string(),
            kind: error.kind(),
            message: error.to_string(),
        }
    }

    /// Returns whether the disk is full; the same call may succeed once there is space.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, LogError::Io { kind: io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, .. })
    }
}
