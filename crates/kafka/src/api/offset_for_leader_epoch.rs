//! OffsetForLeaderEpoch: there is one epoch and it has not ended.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::OffsetForLeaderEpochRequest;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};

use crate::broker::LEADER_EPOCH;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

const NO_EPOCH: i32 = -1;

pub(crate) fn answer(call: &Call, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let log = &call.broker.log;
    let topics = request
        .topics
        .into_iter()
        .map(|topic| {
            let allowed = call.allows(Operation::Describe, Resource::Topic(&topic.topic));
            let partitions = topic
                .partitions
                .iter()
                .map(|asked| {
                    let answer = EpochEndOffset::default().with_partition(asked.partition);
                    if !allowed {
                        return answer.with_error_code(ResponseError::TopicAuthorizationFailed.code());
                    }
                    let offsets =
                        u32::try_from(asked.partition).ok().and_then(|n| log.offsets(&topic.topic, n).ok());
                    let Some(offsets) = offsets else {
                        return answer.with_error_code(ResponseError::UnknownTopicOrPartition.code());
                    };
                    if let Err(error) = check_leader_epoch(asked.current_leader_epoch) {
                        return answer.with_error_code(error.code());
                    }
                    let answer = answer.with_error_code(NONE);
                    match asked.leader_epoch {
                        LEADER_EPOCH => answer.with_leader_epoch(LEADER_EPOCH).with_end_offset(offsets.next),
                        // One before the first has ended where the log begins.
                        epoch if epoch < NO_EPOCH => {
                            answer.with_leader_epoch(epoch).with_end_offset(offsets.log_start)
                        }
                        _ => answer.with_leader_epoch(NO_EPOCH).with_end_offset(-1),
                    }
                })
                .collect();
            OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions)
        })
        .collect();
    OffsetForLeaderEpochResponse::default().with_topics(topics)
}

/// Checks the leader epoch a client believes in; negative is no belief.
pub(crate) fn check_leader_epoch(epoch: i32) -> Result<(), ResponseError> {
    if epoch > LEADER_EPOCH { Err(ResponseError::UnknownLeaderEpoch) } else { Ok(()) }
}
