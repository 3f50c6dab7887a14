//! DeleteTopics.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::{DeletableTopicResult, DeleteTopicsResponse};
use kafka_protocol::messages::{DeleteTopicsRequest, TopicName};
use uuid::Uuid;

use crate::broker::Broker;
use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::{NONE, Refusal};
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(call: &Call, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let broker = &call.broker;
    let topics: Vec<DeleteTopicState> = if call.version() >= 6 {
        request.topics
    } else {
        let by_name = |name| DeleteTopicState::default().with_name(Some(name)).with_topic_id(Uuid::nil());
        request.topic_names.into_iter().map(by_name).collect()
    };
    let mut responses = Vec::with_capacity(topics.len());
    for topic in &topics {
        let known = broker.topic(topic.name.as_deref().map(|name| &**name), topic.topic_id);
        let (id, name) = match &known {
            Ok(info) => (Uuid::from_u128(info.id), Some(TopicName(str_bytes(&info.name)))),
            Err(_) => (topic.topic_id, topic.name.clone()),
        };
        let wanted = |other: &&DeleteTopicState| match (&other.name, &topic.name) {
            (Some(other), Some(name)) => other == name,
            (None, None) => other.topic_id == topic.topic_id,
            (Some(name), None) => known.as_ref().is_ok_and(|info| *info.name == ***name),
            (None, Some(_)) => known.as_ref().is_ok_and(|info| other.topic_id.as_u128() == info.id),
        };
        let is_named_again = topics.iter().filter(wanted).count() > 1;
        let result = if topic.name.is_some() && !topic.topic_id.is_nil() {
            Err(Refusal::new(ResponseError::InvalidRequest, "both a name and an id are given"))
        } else if topic.name.is_none() && topic.topic_id.is_nil() {
            Err(Refusal::new(ResponseError::InvalidRequest, "neither a name nor an id is given"))
        } else if is_named_again {
            Err(Refusal::new(ResponseError::InvalidRequest, "the topic is named more than once"))
        } else {
            known.map_err(Refusal::from).and_then(|info| {
                if !call.allows(Operation::Delete, Resource::Topic(&info.name)) {
                    return Err(ResponseError::TopicAuthorizationFailed.into());
                }
                delete(broker, &info.name)
            })
        };
        // Who may not see topics does not learn which there are.
        let result = match (result, &topic.name) {
            (Err(refusal), Some(name))
                if refusal.code == ResponseError::UnknownTopicOrPartition.code()
                    && !call.allows(Operation::Describe, Resource::Topic(name)) =>
            {
                Err(ResponseError::TopicAuthorizationFailed.into())
            }
            (result, _) => result,
        };
        let (code, message) = match result {
            Ok(()) => (NONE, None),
            Err(refusal) => (refusal.code, refusal.text()),
        };
        let answer = DeletableTopicResult::default()
            .with_name(name)
            .with_topic_id(id)
            .with_error_code(code)
            .with_error_message(message);
        if !responses.contains(&answer) {
            responses.push(answer);
        }
    }
    DeleteTopicsResponse::default().with_responses(responses)
}

fn delete(broker: &Broker, topic: &str) -> Result<(), Refusal> {
    if !broker.config.boolean("delete.topic.enable") {
        return Err(ResponseError::TopicDeletionDisabled.into());
    }
    if let Some(use_) = broker.owner.holds_topic(topic) {
        return Err(Refusal::new(ResponseError::PolicyViolation, use_));
    }
    Ok(broker.log.delete_topic(topic)?)
}
