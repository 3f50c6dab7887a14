//! DeleteTopics.

use std::collections::{BTreeMap, BTreeSet};

use commitlog::TopicInfo;
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
    let found: Vec<Found> = topics.into_iter().map(|topic| Found::of(broker, topic)).collect();
    let mut count: BTreeMap<Key, usize> = BTreeMap::new();
    for topic in &found {
        *count.entry(topic.key()).or_default() += 1;
    }
    let mut told = BTreeSet::new();
    let responses = found
        .iter()
        // What was asked for more than once is told once.
        .filter(|topic| told.insert(topic.key()))
        .map(|topic| {
            let asked = &topic.asked;
            let may_see = |name: &str| call.allows(Operation::Describe, Resource::Topic(name));
            let (id, name) = match &topic.known {
                // Who may not see a topic is not told its name or id.
                Ok(info) if !may_see(&info.name) => (asked.topic_id, asked.name.clone()),
                Ok(info) => (Uuid::from_u128(info.id), Some(TopicName(str_bytes(&info.name)))),
                Err(_) => (asked.topic_id, asked.name.clone()),
            };
            let hidden = asked.name.as_deref().is_some_and(|name| !may_see(name));
            let invalid = |reason: &str| Err(Refusal::new(ResponseError::InvalidRequest, reason));
            let result = match (&asked.name, asked.topic_id.is_nil()) {
                (Some(_), false) => invalid("both a name and an id are given"),
                (None, true) => invalid("neither a name nor an id is given"),
                _ if count.get(&topic.key()).is_some_and(|n| *n > 1) => {
                    invalid("the topic is named more than once")
                }
                _ => topic.known.as_ref().map_err(|error| Refusal::from(*error)).and_then(|info| {
                    if !call.allows(Operation::Delete, Resource::Topic(&info.name)) {
                        return Err(ResponseError::TopicAuthorizationFailed.into());
                    }
                    delete(broker, &info.name)
                }),
            };
            let (code, message) = match result {
                // Nor whether it is there.
                Err(_) if hidden => {
                    let refusal = Refusal::from(ResponseError::TopicAuthorizationFailed);
                    (refusal.code, refusal.text())
                }
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

/// A topic that is asked for, and what it is.
struct Found {
    asked: DeleteTopicState,
    known: Result<TopicInfo, ResponseError>,
}

/// What makes two of them the same.
type Key = (Option<TopicName>, Uuid);

impl Found {
    fn of(broker: &Broker, asked: DeleteTopicState) -> Found {
        let known = broker.topic(asked.name.as_deref().map(|name| &**name), asked.topic_id);
        Found { asked, known }
    }

    fn key(&self) -> Key {
        match &self.known {
            Ok(info) => (None, Uuid::from_u128(info.id)),
            Err(_) => (self.asked.name.clone(), self.asked.topic_id),
        }
    }
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
