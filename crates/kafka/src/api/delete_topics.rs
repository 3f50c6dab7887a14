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
    let responses = topics
        .into_iter()
        .map(|topic| {
            let known = broker.topic(topic.name.as_deref().map(|name| &**name), topic.topic_id);
            let may_see = |name: &str| call.allows(Operation::Describe, Resource::Topic(name));
            let (id, name) = match &known {
                // Who may not see a topic is not told its name or id.
                Ok(info) if !may_see(&info.name) => (topic.topic_id, topic.name.clone()),
                Ok(info) => (Uuid::from_u128(info.id), Some(TopicName(str_bytes(&info.name)))),
                Err(_) => (topic.topic_id, topic.name.clone()),
            };
            let hidden = topic.name.as_deref().is_some_and(|name| !may_see(name));
            let result = known.map_err(Refusal::from).and_then(|info| {
                if !call.allows(Operation::Delete, Resource::Topic(&info.name)) {
                    return Err(ResponseError::TopicAuthorizationFailed.into());
                }
                delete(broker, &info.name)
            });
            let (code, message) = match result {
                // Nor whether it is there.
                Err(_) if hidden => (ResponseError::TopicAuthorizationFailed.code(), None),
                Ok(()) => (NONE, None),
                Err(refusal) => (refusal.code, refusal.text()),
            };
            DeletableTopicResult::default()
                .with_name(name)
                .with_topic_id(id)
                .with_error_code(code)
                .with_error_message(message)
        })
        .collect();
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
