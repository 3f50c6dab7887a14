//! AlterReplicaLogDirs: there is one directory, where everything is already.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::AlterReplicaLogDirsRequest;
use kafka_protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsResponse,
};

use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(call: &Call, request: AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse {
    let log = &call.broker.log;
    let may = call.allows(Operation::Alter, Resource::Cluster);
    let here = log.dir().display().to_string();
    let mut results = Vec::new();
    for dir in request.dirs {
        for topic in dir.topics {
            let partitions = topic
                .partitions
                .into_iter()
                .map(|index| {
                    let known = u32::try_from(index).is_ok_and(|n| log.partition(&topic.name, n).is_ok());
                    let code = if !may {
                        ResponseError::ClusterAuthorizationFailed.code()
                    } else if *dir.path != *here {
                        ResponseError::LogDirNotFound.code()
                    } else if !known {
                        ResponseError::UnknownTopicOrPartition.code()
                    } else {
                        NONE
                    };
                    AlterReplicaLogDirPartitionResult::default()
                        .with_partition_index(index)
                        .with_error_code(code)
                })
                .collect();
            let result = AlterReplicaLogDirTopicResult::default()
                .with_topic_name(topic.name)
                .with_partitions(partitions);
            results.push(result);
        }
    }
    AlterReplicaLogDirsResponse::default().with_results(results)
}
