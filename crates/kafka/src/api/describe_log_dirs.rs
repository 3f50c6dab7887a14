//! DescribeLogDirs: the one directory.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, TopicName};

use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::newer::AnyLogDirs;
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(call: &Call, request: DescribeLogDirsRequest) -> AnyLogDirs {
    AnyLogDirs(described(call, request))
}

fn described(call: &Call, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    if !call.allows(Operation::Describe, Resource::Cluster) {
        let code = ResponseError::ClusterAuthorizationFailed.code();
        // Version 2 and older have no place for it but the empty list.
        let told = if call.version() >= 3 { code } else { NONE };
        return DescribeLogDirsResponse::default().with_error_code(told);
    }
    let log = &call.broker.log;
    let wanted: Vec<(String, Vec<i32>)> = match request.topics {
        None => {
            log.topics().into_iter().map(|info| (info.name, (0..info.partitions as i32).collect())).collect()
        }
        Some(topics) => topics.into_iter().map(|topic| (topic.topic.to_string(), topic.partitions)).collect(),
    };
    let topics = wanted
        .into_iter()
        .map(|(name, partitions)| {
            let partitions = partitions
                .into_iter()
                .filter_map(|number| {
                    let partition = log.partition(&name, u32::try_from(number).ok()?).ok()?;
                    Some(
                        DescribeLogDirsPartition::default()
                            .with_partition_index(number)
                            .with_partition_size(partition.size() as i64),
                    )
                })
                .collect();
            DescribeLogDirsTopic::default().with_name(TopicName(str_bytes(&name))).with_partitions(partitions)
        })
        .filter(|topic| !topic.partitions.is_empty())
        .collect();
    let result = DescribeLogDirsResult::default()
        .with_error_code(NONE)
        .with_log_dir(str_bytes(&log.dir().display().to_string()))
        .with_topics(topics)
        .with_total_bytes(-1)
        .with_usable_bytes(-1);
    DescribeLogDirsResponse::default().with_error_code(NONE).with_results(vec![result])
}
