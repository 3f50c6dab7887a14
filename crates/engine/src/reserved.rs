//! Names that the engine keeps to itself, whether there is something of the name already or not.
//!
//! Who writes the statements' topic gives orders, who writes a changelog changes a query's state, and who makes one before
//! the query is there chooses its settings. So clients read these topics and do nothing else to them.

use crate::commands;
use crate::core::{Inner, State};
use crate::ddl;
use crate::error::{EngineError, Result};

/// With what the engine's topics and groups begin; the service id follows.
const PREFIX: &str = "_confluent-ksql-";
/// What follows for the statements' topic, and with what the rest begins for groups and topics of queries.
const COMMANDS: &str = "_command_topic";
const QUERY: &str = "query_";

impl Inner {
    /// Whether a topic is the engine's own: that of the statements, or one of a query.
    pub fn reserves_topic(&self, name: &str) -> bool {
        self.own(name).is_some_and(|rest| rest == COMMANDS || rest.starts_with(QUERY))
    }

    /// What a topic is used for by a stream, a table, a query or the engine itself.
    pub fn use_of_topic(&self, state: &State, name: &str) -> Option<String> {
        if let Some(source) = state.catalog.sources().find(|source| &*source.topic == name) {
            return Some(format!("topic \"{name}\" is that of {}, drop it first", source.name));
        }
        let held = |group: String| name.strip_prefix(&group).is_some_and(|rest| rest.starts_with('-'));
        if let Some(id) = state.queries.keys().find(|id| held(ddl::group(self, id))) {
            return Some(format!("topic \"{name}\" is internal to query {id}, terminate it first"));
        }
        (name == commands::topic_name(&self.service_id))
            .then(|| format!("topic \"{name}\" holds the statements"))
    }

    /// Whether a consumer group is one of a query.
    pub fn reserves_group(&self, name: &str) -> bool {
        self.own(name).is_some_and(|rest| rest.starts_with(QUERY))
    }

    /// Whether the engine writes under a transactional id.
    pub fn reserves_transaction(&self, id: &str) -> bool {
        let of_service = id.strip_prefix("tripline-").and_then(|rest| rest.strip_prefix(&*self.service_id));
        of_service.is_some_and(|rest| rest.starts_with('-'))
    }

    /// Refuses to write or make a topic that is the engine's own.
    pub fn check_not_reserved(&self, topic: &str) -> Result<()> {
        if !self.reserves_topic(topic) {
            return Ok(());
        }
        let message = format!("topic \"{topic}\" is internal, it can only be read");
        Err(EngineError::user("internal_topic", message))
    }

    fn own<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(PREFIX)?.strip_prefix(&*self.service_id)
    }
}
