//! Consumer groups: who is in them, what each member reads.
//!
//! A group's members live in memory: after a restart they are unknown and join again. Its offsets are the log's.

pub(crate) mod assignor;
pub(crate) mod classic;
pub(crate) mod consumer;
pub(crate) mod held;
mod member;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use hashbrown::HashMap;

use classic::ClassicGroup;
use consumer::{ConsumerGroup, Topics};

/// Groups of each protocol with members, or that had some not long ago.
const GROUPS_MAX: usize = 100_000;

/// With more groups than this, those without members are forgotten even if they have positions.
const GROUPS_MANY: usize = GROUPS_MAX / 2;

/// Who is in a group.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Nobody was since the start, as far as is known.
    Unknown,
    Empty {
        since_ms: i64,
    },
    /// Somebody is; the topics they want, where that can be known.
    Members {
        topics: Option<BTreeSet<String>>,
    },
}

/// What groups are bounded by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub session_timeout_ms_min: i64,
    pub session_timeout_ms_max: i64,
    pub members_max: usize,
    pub initial_delay_ms: i64,
    /// Of the consumer protocol.
    pub consumer_session_timeout_ms: i64,
    /// Of the consumer protocol.
    pub consumer_members_max: usize,
}

/// A group, locked for each step.
pub(crate) type Shared = Arc<Mutex<ClassicGroup>>;

/// A group of the consumer protocol, locked for each step.
pub(crate) type SharedConsumer = Arc<Mutex<ConsumerGroup>>;

/// All groups with members, and those that had some.
pub(crate) struct Groups {
    by_id: Mutex<HashMap<String, Shared>>,
    consumers: Mutex<HashMap<String, SharedConsumer>>,
    pub limits: Limits,
}

impl Groups {
    pub(crate) fn new(limits: Limits) -> Groups {
        Groups { by_id: Mutex::default(), consumers: Mutex::default(), limits }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Shared>> {
        self.by_id.lock().expect("no holder panics")
    }

    /// Returns a group that has or had members.
    pub(crate) fn find(&self, id: &str) -> Option<Shared> {
        self.lock().get(id).cloned()
    }

    /// Returns a group whose deadlines have passed as far as the clock says, not only as of the last tick.
    pub(crate) fn find_as_of(&self, id: &str, now_ms: i64) -> Option<Shared> {
        let group = self.find(id)?;
        group.lock().expect("no holder panics").pass(now_ms);
        Some(group)
    }

    /// Returns a group, making it if there is none; `None` when there are too many, or one of the consumer protocol.
    pub(crate) fn find_or_make(&self, id: &str, now_ms: i64) -> Option<Shared> {
        // Both are held: a group has one protocol.
        let consumers = self.consumers.lock().expect("no holder panics");
        if consumers.contains_key(id) {
            return None;
        }
        let mut groups = self.lock();
        if groups.len() >= GROUPS_MAX && !groups.contains_key(id) {
            return None;
        }
        let make = || Arc::new(Mutex::new(ClassicGroup::new(id, self.limits, now_ms)));
        Some(groups.entry(id.to_owned()).or_insert_with(make).clone())
    }

    /// Returns a group of the consumer protocol.
    pub(crate) fn find_consumer(&self, id: &str) -> Option<SharedConsumer> {
        self.consumers.lock().expect("no holder panics").get(id).cloned()
    }

    /// Returns a group of the consumer protocol, making it if there is none; `None` while it has classic members
    /// or when there are too many.
    pub(crate) fn find_or_make_consumer(&self, id: &str, now_ms: i64) -> Option<SharedConsumer> {
        let make = || {
            let Limits { consumer_session_timeout_ms, consumer_members_max: members_max, .. } = self.limits;
            Arc::new(Mutex::new(ConsumerGroup::new(id, consumer_session_timeout_ms, members_max, now_ms)))
        };
        // Held first, as in `find_or_make`.
        let mut consumers = self.consumers.lock().expect("no holder panics");
        if !self.remove_empty(id) {
            return None;
        }
        if consumers.len() >= GROUPS_MAX && !consumers.contains_key(id) {
            return None;
        }
        Some(consumers.entry(id.to_owned()).or_insert_with(make).clone())
    }

    /// Forgets a group of the consumer protocol without members; false if it has some.
    pub(crate) fn remove_empty_consumer(&self, id: &str) -> bool {
        let mut consumers = self.consumers.lock().expect("no holder panics");
        if let Some(group) = consumers.get(id) {
            let mut group = group.lock().expect("no holder panics");
            if !group.members.is_empty() {
                return false;
            }
            group.is_dead = true;
            drop(group);
            consumers.remove(id);
        }
        true
    }

    /// Returns all groups of the consumer protocol by id.
    pub(crate) fn all_consumers(&self) -> Vec<(String, SharedConsumer)> {
        let consumers = self.consumers.lock().expect("no holder panics");
        let mut all: Vec<_> = consumers.iter().map(|(id, group)| (id.clone(), group.clone())).collect();
        all.sort_by(|left, right| left.0.cmp(&right.0));
        all
    }

    /// Returns all groups by id.
    pub(crate) fn all(&self) -> Vec<(String, Shared)> {
        let mut all: Vec<_> = self.lock().iter().map(|(id, group)| (id.clone(), group.clone())).collect();
        all.sort_by(|left, right| left.0.cmp(&right.0));
        all
    }

    /// Forgets a group without members; false if it has some.
    pub(crate) fn remove_empty(&self, id: &str) -> bool {
        let mut groups = self.lock();
        if let Some(group) = groups.get(id) {
            if !group.lock().expect("no holder panics").retire() {
                return false;
            }
            groups.remove(id);
        }
        true
    }

    /// Lets deadlines pass, and forgets groups that nobody is in; not those with positions, because how long a group has been
    /// empty decides when those go.
    pub(crate) fn tick(&self, topics: &dyn Fn() -> Topics, has_offsets: &dyn Fn(&str) -> bool, now_ms: i64) {
        let consumers = self.all_consumers();
        let are_many = consumers.len() > GROUPS_MANY;
        for (id, group) in consumers {
            let mut group = group.lock().expect("no holder panics");
            group.pass(topics, now_ms);
            let forgettable = group.is_forgettable(now_ms);
            drop(group);
            if forgettable && (are_many || !has_offsets(&id)) {
                self.remove_empty_consumer(&id);
            }
        }
        let groups = self.all();
        let are_many = groups.len() > GROUPS_MANY;
        for (id, group) in groups {
            let mut group = group.lock().expect("no holder panics");
            group.pass(now_ms);
            let forgettable = group.is_forgettable(now_ms);
            drop(group);
            if forgettable && (are_many || !has_offsets(&id)) {
                self.remove_empty(&id);
            }
        }
    }

    /// Returns who is in a group.
    pub(crate) fn presence(&self, id: &str) -> Presence {
        if let Some(group) = self.find_consumer(id) {
            let group = group.lock().expect("no holder panics");
            return match group.empty_since_ms() {
                Some(since_ms) => Presence::Empty { since_ms },
                None => Presence::Members { topics: Some(group.subscribed_topics()) },
            };
        }
        let Some(group) = self.find(id) else { return Presence::Unknown };
        let group = group.lock().expect("no holder panics");
        match group.empty_since_ms() {
            Some(since_ms) => Presence::Empty { since_ms },
            None => Presence::Members { topics: group.subscribed_topics() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> Groups {
        Groups::new(Limits {
            session_timeout_ms_min: 0,
            session_timeout_ms_max: i64::MAX,
            members_max: 10,
            initial_delay_ms: 0,
            consumer_session_timeout_ms: 45_000,
            consumer_members_max: 10,
        })
    }

    #[test]
    fn group_that_two_members_make_at_once_has_one_protocol() {
        let groups = groups();
        // Both have looked; the consumer protocol's member is first.
        assert!(groups.remove_empty_consumer("g"));
        assert!(groups.find_or_make_consumer("g", 0).is_some());
        assert!(groups.find_or_make("g", 0).is_none());
        // An empty classic group gives way.
        assert!(groups.find_or_make("h", 0).is_some());
        assert!(groups.find_or_make_consumer("h", 0).is_some());
        assert!(groups.find("h").is_none());
    }
}
