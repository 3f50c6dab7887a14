//! CreatePartitions.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::CreatePartitionsRequest;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::{
    CreatePartitionsResponse, CreatePartitionsTopicResult,
};

use super::create_topics::check_replicas;
use crate::broker::Broker;
use crate::dispatch::Call;
use crate::error::{NONE, Refusal};
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(call: &Call, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    // The first of each name, and whether there are more.
    let mut by_name: BTreeMap<&str, (&CreatePartitionsTopic, bool)> = BTreeMap::new();
    for topic in &request.topics {
        by_name.entry(&topic.name).and_modify(|(_, is_twice)| *is_twice = true).or_insert((topic, false));
    }
    let results = by_name
        .into_values()
        .map(|(topic, is_twice)| {
            let result = if is_twice {
                Err(Refusal::new(ResponseError::InvalidRequest, "Duplicate topic name."))
            } else if !call.allows(Operation::Alter, Resource::Topic(&topic.name)) {
                Err(ResponseError::TopicAuthorizationFailed.into())
            } else {
                grow(&call.broker, topic, request.validate_only)
            };
            let (code, message) = match result {
                Ok(()) => (NONE, None),
                Err(refusal) => (refusal.code, refusal.text()),
            };
            CreatePartitionsTopicResult::default()
                .with_name(topic.name.clone())
                .with_error_code(code)
                .with_error_message(message)
        })
        .collect();
    CreatePartitionsResponse::default().with_results(results)
}

fn grow(broker: &Broker, topic: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refusal> {
    let info = broker.topic(Some(&topic.name), uuid::Uuid::nil())?;
    broker.check_not_reserved(&topic.name)?;
    let present = info.partitions as i32;
    if topic.count <= present {
        let message = if topic.count == present {
            format!("Topic already has {present} partition(s).")
        } else {
            format!(
                "The topic {} currently has {present} partition(s); {} would not be an increase.",
                &**topic.name, topic.count
            )
        };
        return Err(Refusal::new(ResponseError::InvalidPartitions, message));
    }
    if let Some(assignments) = &topic.assignments
        && assignments.len() as i32 != topic.count - present
    {
        let message = format!(
            "Attempted to add {} additional partition(s), but only {} assignment(s) were specified.",
            topic.count - present,
            assignments.len()
        );
        return Err(Refusal::new(ResponseError::InvalidReplicaAssignment, message));
    }
    for assignment in topic.assignments.iter().flatten() {
        check_replicas(broker, &assignment.broker_ids)?;
    }
    if !validate_only {
        broker.log.create_partitions(&topic.name, topic.count as u32)?;
    }
    Ok(())
}
