//! DescribeQuorum: the metadata's quorum is this node.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::DescribeQuorumRequest;
use kafka_protocol::messages::describe_quorum_response::{
    DescribeQuorumResponse, Listener, Node, PartitionData, ReplicaState, TopicData,
};

use crate::broker::LEADER_EPOCH;
use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

/// The one topic that has a quorum.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// The first version that names the nodes.
const NODES_FROM: i16 = 2;
/// The first version that tells when a replica was last seen.
const SEEN_FROM: i16 = 1;

pub(crate) fn answer(call: &Call, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    let broker = &call.broker;
    if !call.allows(Operation::Describe, Resource::Cluster) {
        let code = ResponseError::ClusterAuthorizationFailed.code();
        return DescribeQuorumResponse::default().with_error_code(code);
    }
    // Topics are kept in a journal, whose changes this counts.
    let end = broker.log.topics().len() as i64;
    let topics = request
        .topics
        .into_iter()
        .map(|topic| {
            let partitions = topic
                .partitions
                .iter()
                .map(|asked| {
                    let answer = PartitionData::default().with_partition_index(asked.partition_index);
                    if &**topic.topic_name != METADATA_TOPIC || asked.partition_index != 0 {
                        return answer.with_error_code(ResponseError::UnknownTopicOrPartition.code());
                    }
                    let mut voter =
                        ReplicaState::default().with_replica_id(broker.node_id()).with_log_end_offset(end);
                    if call.version() >= SEEN_FROM {
                        voter = voter
                            .with_last_fetch_timestamp(broker.now_ms())
                            .with_last_caught_up_timestamp(broker.now_ms());
                    }
                    answer
                        .with_error_code(NONE)
                        .with_leader_id(broker.node_id())
                        .with_leader_epoch(LEADER_EPOCH)
                        .with_high_watermark(end)
                        .with_current_voters(vec![voter])
                })
                .collect();
            TopicData::default().with_topic_name(topic.topic_name.clone()).with_partitions(partitions)
        })
        .collect();
    let answer = DescribeQuorumResponse::default().with_error_code(NONE).with_topics(topics);
    if call.version() < NODES_FROM {
        return answer;
    }
    let (host, port) = broker.endpoint(call.connection.listener);
    let listener = Listener::default()
        .with_name(str_bytes("CONTROLLER"))
        .with_host(host)
        .with_port(u16::try_from(port).unwrap_or(0));
    answer.with_nodes(vec![Node::default().with_node_id(broker.node_id()).with_listeners(vec![listener])])
}
