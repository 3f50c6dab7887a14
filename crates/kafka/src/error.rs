//! The log's errors as Kafka's error codes.

use commitlog::{BatchError, LogError};
use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;

/// No error.
pub(crate) const NONE: i16 = 0;

/// An error of one topic, partition or request, as it is answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub code: i16,
    pub message: Option<String>,
}

impl Refusal {
    pub(crate) fn new(error: ResponseError, message: impl Into<String>) -> Refusal {
        Refusal { code: error.code(), message: Some(message.into()) }
    }

    pub(crate) fn text(self) -> Option<StrBytes> {
        self.message.map(StrBytes::from_string)
    }
}

impl From<ResponseError> for Refusal {
    fn from(error: ResponseError) -> Refusal {
        Refusal { code: error.code(), message: Some(plain(error).to_owned()) }
    }
}

/// Returns what a code alone means.
fn plain(error: ResponseError) -> &'static str {
    use ResponseError::*;
    match error {
        TopicAuthorizationFailed
        | GroupAuthorizationFailed
        | ClusterAuthorizationFailed
        | TransactionalIdAuthorizationFailed => "the client may not do this",
        UnknownTopicOrPartition => "there is no such topic or partition",
        UnknownTopicId => "there is no topic with this id",
        InvalidRequiredAcks => "acks must be -1, 0 or 1",
        TopicDeletionDisabled => "\"delete.topic.enable\" is off",
        InvalidTxnState => "the producer has no such transaction",
        UnsupportedCompressionType => "the codec needs a newer version of the request",
        UnknownServerError => "the answer would be too long",
        _ => "the request is refused",
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Refusal {
        Refusal { code: code(&error), message: Some(error.to_string()) }
    }
}

/// Returns Kafka's code for an error of the log.
pub(crate) fn code(error: &LogError) -> i16 {
    match error {
        LogError::UnknownTopic { .. } | LogError::UnknownPartition { .. } => {
            ResponseError::UnknownTopicOrPartition
        }
        LogError::TopicExists { .. } => ResponseError::TopicAlreadyExists,
        LogError::TopicName { .. } => ResponseError::InvalidTopicException,
        LogError::PartitionCount { .. } => ResponseError::InvalidPartitions,
        LogError::Config { .. } => ResponseError::InvalidConfig,
        LogError::InvalidBatch { source, .. } => batch_error(source),
        LogError::BatchTooLarge { .. } => ResponseError::MessageTooLarge,
        LogError::Corrupt { .. } => ResponseError::CorruptMessage,
        LogError::OffsetOutOfRange { .. } => ResponseError::OffsetOutOfRange,
        LogError::Fenced { .. } => ResponseError::InvalidProducerEpoch,
        LogError::OutOfOrderSequence { .. } => ResponseError::OutOfOrderSequenceNumber,
        LogError::TransactionState { .. } => ResponseError::InvalidTxnState,
        LogError::UnknownProducer { .. } => ResponseError::InvalidProducerIdMapping,
        LogError::OwnTransaction { .. } => ResponseError::TransactionalIdAuthorizationFailed,
        LogError::Limit { .. } => ResponseError::InvalidRequest,
        LogError::Io { .. } | LogError::ReadOnly { .. } | LogError::Damaged { .. } => {
            ResponseError::KafkaStorageError
        }
        LogError::Closed => ResponseError::NotLeaderOrFollower,
    }
    .code()
}

fn batch_error(error: &BatchError) -> ResponseError {
    match error {
        BatchError::Cut { .. }
        | BatchError::Length { .. }
        | BatchError::Checksum { .. }
        | BatchError::Decompression => ResponseError::CorruptMessage,
        BatchError::Magic { .. } | BatchError::Malformed { .. } => ResponseError::InvalidRecord,
        BatchError::Codec { .. } => ResponseError::UnsupportedCompressionType,
        BatchError::TooLarge { .. } => ResponseError::MessageTooLarge,
    }
}
