//! DeleteRecords: moves a partition's first offset up.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::DeleteRecordsRequest;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};

use crate::broker::Broker;
use crate::dispatch::Call;
use crate::error::{NONE, code};
use crate::security::acl::{Operation, Resource};

/// Kafka's word for "everything there is".
const TO_THE_END: i64 = -1;

pub(crate) fn answer(call: &Call, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = request
        .topics
        .into_iter()
        .map(|topic| {
            let allowed = call.allows(Operation::Delete, Resource::Topic(&topic.name));
            let partitions = topic
                .partitions
                .iter()
                .map(|partition| {
                    let index = partition.partition_index;
                    let deleted = if allowed {
                        delete(&call.broker, &topic.name, index, partition.offset)
                    } else {
                        Err(ResponseError::TopicAuthorizationFailed.code())
                    };
                    let (low_watermark, code) = match deleted {
                        Ok(start) => (start, NONE),
                        Err(code) => (-1, code),
                    };
                    DeleteRecordsPartitionResult::default()
                        .with_partition_index(index)
                        .with_low_watermark(low_watermark)
                        .with_error_code(code)
                })
                .collect();
            DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions)
        })
        .collect();
    DeleteRecordsResponse::default().with_topics(topics)
}

fn delete(broker: &Broker, topic: &str, index: i32, offset: i64) -> Result<i64, i16> {
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    let number = u32::try_from(index).map_err(|_| unknown)?;
    broker.check_not_reserved(topic).map_err(|refusal| refusal.code)?;
    let info = broker.log.describe_topic(topic).map_err(|error| code(&error))?;
    if info.config.compact && !info.config.delete {
        return Err(ResponseError::PolicyViolation.code());
    }
    let offsets = broker.log.offsets(topic, number).map_err(|error| code(&error))?;
    let offset = if offset == TO_THE_END { offsets.next } else { offset };
    if offset < 0 || offset > offsets.next {
        return Err(ResponseError::OffsetOutOfRange.code());
    }
    broker.log.delete_records(topic, number, offset).map_err(|error| code(&error))
}
