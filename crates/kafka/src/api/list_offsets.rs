//! ListOffsets: first, last, by time.

use std::collections::BTreeSet;

use commitlog::{LogError, Partition};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::ListOffsetsRequest;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};

use super::offset_for_leader_epoch::check_leader_epoch;
use crate::broker::LEADER_EPOCH;
use crate::dispatch::Call;
use crate::error::{NONE, code};
use crate::security::acl::{Operation, Resource};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;
const READ_COMMITTED: i8 = 1;

pub(crate) fn answer(call: &Call, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let log = &call.broker.log;
    let denied = ResponseError::TopicAuthorizationFailed.code();
    let committed_only = request.isolation_level == READ_COMMITTED;
    let topics = request
        .topics
        .into_iter()
        .map(|topic| {
            let allowed = call.allows(Operation::Describe, Resource::Topic(&topic.name));
            let twice = named_twice(&topic.partitions);
            let mut told = BTreeSet::new();
            let partitions = topic
                .partitions
                .iter()
                .filter(|asked| told.insert(asked.partition_index))
                .map(|asked| {
                    let found = u32::try_from(asked.partition_index)
                        .map_err(|_| ResponseError::UnknownTopicOrPartition.code())
                        .and_then(|n| if allowed { Ok(n) } else { Err(denied) })
                        .and_then(|n| match twice.contains(&asked.partition_index) {
                            true => Err(ResponseError::InvalidRequest.code()),
                            false => Ok(n),
                        })
                        .and_then(|n| log.partition(&topic.name, n).map_err(|error| code(&error)))
                        .and_then(|partition| {
                            check_leader_epoch(asked.current_leader_epoch).map_err(|e| e.code())?;
                            look_up(&partition, asked, committed_only, call.version())
                        });
                    let answer = ListOffsetsPartitionResponse::default()
                        .with_partition_index(asked.partition_index)
                        .with_timestamp(-1)
                        .with_offset(-1)
                        .with_leader_epoch(-1);
                    match found {
                        Ok(Some((offset, timestamp))) => answer
                            .with_error_code(NONE)
                            .with_offset(offset)
                            .with_timestamp(timestamp)
                            .with_leader_epoch(if call.version() < 4 { -1 } else { LEADER_EPOCH }),
                        Ok(None) => answer.with_error_code(NONE),
                        Err(code) => answer.with_error_code(code),
                    }
                })
                .collect();
            ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions)
        })
        .collect();
    ListOffsetsResponse::default().with_topics(topics)
}

/// Returns the partitions that are asked for more than once.
fn named_twice(asked: &[ListOffsetsPartition]) -> BTreeSet<i32> {
    let mut seen = BTreeSet::new();
    asked.iter().map(|partition| partition.partition_index).filter(|index| !seen.insert(*index)).collect()
}

/// Returns an offset and its timestamp, −1 where there is none to tell.
fn look_up(
    partition: &Partition,
    asked: &ListOffsetsPartition,
    committed_only: bool,
    version: i16,
) -> Result<Option<(i64, i64)>, i16> {
    let offsets = partition.offsets();
    let end = if committed_only { offsets.last_stable } else { offsets.next };
    let failed = |error: LogError| code(&error);
    let too_old = |min: i16| {
        if version < min { Err(ResponseError::UnsupportedVersion.code()) } else { Ok(()) }
    };
    match asked.timestamp {
        LATEST => Ok(Some((end, -1))),
        EARLIEST => Ok(Some((offsets.log_start, -1))),
        MAX_TIMESTAMP => {
            too_old(7)?;
            let found = partition.offset_of_max_timestamp().map_err(failed)?;
            Ok(found.filter(|(offset, _)| *offset < end))
        }
        EARLIEST_LOCAL => {
            too_old(8)?;
            Ok(Some((offsets.log_start, -1)))
        }
        LATEST_TIERED => {
            too_old(9)?;
            Ok(None)
        }
        EARLIEST_PENDING_UPLOAD => {
            too_old(11)?;
            Ok(None)
        }
        timestamp if timestamp < 0 => Err(ResponseError::UnsupportedVersion.code()),
        timestamp => {
            let found = partition.offset_for_timestamp(timestamp).map_err(failed)?;
            Ok(found.filter(|(offset, _)| *offset < end))
        }
    }
}
