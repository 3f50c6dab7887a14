//! Consumer groups: who is in them, what each member reads.
//!
//! A group's members live in memory: after a restart they are unknown and join again. Its offsets are the log's.

pub(crate) mod assignor;
pub(crate) mod classic;
pub(crate) mod consumer;
mod due;
pub(crate) mod held;
pub(crate) mod kept;
mod member;
mod patterns;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use hashbrown::HashMap;

use classic::ClassicGroup;
use consumer::{ConsumerGroup, Topics};
use due::{Due, Earliest};

/// Groups of each protocol with members, or that had some not long ago.
const GROUPS_MAX: usize = 100_000;

/// With more groups than this, those without members are forgotten even if they have positions.
const GROUPS_MANY: usize = GROUPS_MAX / 2;

/// How often groups that nobody is in are looked for.
const FORGET_EVERY_MS: i64 = 1000;

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

/// A group, and when it is to be looked at.
struct Kept<G> {
    group: Arc<Mutex<G>>,
    due: Arc<Due>,
}

impl<G> Clone for Kept<G> {
    fn clone(&self) -> Kept<G> {
        Kept { group: self.group.clone(), due: self.due.clone() }
    }
}

type ById<G> = HashMap<String, Kept<G>>;

/// All groups with members, and those that had some.
pub(crate) struct Groups {
    by_id: Mutex<ById<ClassicGroup>>,
    consumers: Mutex<ById<ConsumerGroup>>,
    pub limits: Limits,
    earliest: Arc<Earliest>,
    /// When groups without members were looked for.
    forgot_ms: AtomicI64,
}

impl Groups {
    pub(crate) fn new(limits: Limits) -> Groups {
        Groups {
            by_id: Mutex::default(),
            consumers: Mutex::default(),
            limits,
            earliest: Arc::default(),
            forgot_ms: AtomicI64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ById<ClassicGroup>> {
        self.by_id.lock().expect("no holder panics")
    }

    fn lock_consumers(&self) -> MutexGuard<'_, ById<ConsumerGroup>> {
        self.consumers.lock().expect("no holder panics")
    }

    /// Returns a group that has or had members.
    pub(crate) fn find(&self, id: &str) -> Option<Shared> {
        self.lock().get(id).map(|kept| kept.group.clone())
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
        let consumers = self.lock_consumers();
        if consumers.contains_key(id) {
            return None;
        }
        let mut groups = self.lock();
        if groups.len() >= GROUPS_MAX && !groups.contains_key(id) {
            return None;
        }
        let make = || {
            let mut group = ClassicGroup::new(id, self.limits, now_ms);
            group.due = Arc::new(Due::new(&self.earliest));
            Kept { due: group.due.clone(), group: Arc::new(Mutex::new(group)) }
        };
        Some(groups.entry(id.to_owned()).or_insert_with(make).group.clone())
    }

    /// Returns a group of the consumer protocol.
    pub(crate) fn find_consumer(&self, id: &str) -> Option<SharedConsumer> {
        self.lock_consumers().get(id).map(|kept| kept.group.clone())
    }

    /// Returns a group of the consumer protocol, making it if there is none; `None` while it has classic members
    /// or when there are too many.
    pub(crate) fn find_or_make_consumer(&self, id: &str, now_ms: i64) -> Option<SharedConsumer> {
        let make = || {
            let Limits { consumer_session_timeout_ms, consumer_members_max: members_max, .. } = self.limits;
            let mut group = ConsumerGroup::new(id, consumer_session_timeout_ms, members_max, now_ms);
            group.due = Arc::new(Due::new(&self.earliest));
            Kept { due: group.due.clone(), group: Arc::new(Mutex::new(group)) }
        };
        // Held first, as in `find_or_make`.
        let mut consumers = self.lock_consumers();
        if !self.remove_empty(id) {
            return None;
        }
        if consumers.len() >= GROUPS_MAX && !consumers.contains_key(id) {
            return None;
        }
        Some(consumers.entry(id.to_owned()).or_insert_with(make).group.clone())
    }

    /// Forgets a group of the consumer protocol without members; false if it has some.
    pub(crate) fn remove_empty_consumer(&self, id: &str) -> bool {
        let mut consumers = self.lock_consumers();
        if let Some(kept) = consumers.get(id) {
            let mut group = kept.group.lock().expect("no holder panics");
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
        sorted(&self.lock_consumers())
    }

    /// Returns all groups by id.
    pub(crate) fn all(&self) -> Vec<(String, Shared)> {
        sorted(&self.lock())
    }

    /// Forgets a group without members; false if it has some.
    pub(crate) fn remove_empty(&self, id: &str) -> bool {
        let mut groups = self.lock();
        if let Some(kept) = groups.get(id) {
            if !kept.group.lock().expect("no holder panics").retire() {
                return false;
            }
            groups.remove(id);
        }
        true
    }

    /// Lets deadlines pass, and now and then forgets groups that nobody is in; not those with positions, because how long a
    /// group has been empty decides when those go.
    pub(crate) fn tick(
        &self,
        topics: &dyn Fn() -> Arc<Topics>,
        has_offsets: &dyn Fn(&str) -> bool,
        now_ms: i64,
    ) {
        if self.earliest.take(now_ms) {
            let mut next_ms = i64::MAX;
            let (due, other_ms) = due(&self.lock_consumers(), now_ms);
            next_ms = next_ms.min(other_ms);
            next_ms = next_ms.min(look(due, |group| {
                group.pass(topics, now_ms);
                group.due.set(group.next_deadline_ms());
            }));
            let (due, other_ms) = self::due(&self.lock(), now_ms);
            next_ms = next_ms.min(other_ms);
            next_ms = next_ms.min(look(due, |group| {
                group.pass(now_ms);
                group.due.set(group.next_deadline_ms(now_ms));
            }));
            self.earliest.put_back(next_ms);
        }
        let forgot_ms = self.forgot_ms.load(Ordering::Acquire);
        if !(forgot_ms..forgot_ms.saturating_add(FORGET_EVERY_MS)).contains(&now_ms) {
            self.forgot_ms.store(now_ms, Ordering::Release);
            self.forget(has_offsets, now_ms);
        }
    }

    fn forget(&self, has_offsets: &dyn Fn(&str) -> bool, now_ms: i64) {
        let (consumers, are_many) = forgettable(&self.lock_consumers(), |group| group.is_forgettable(now_ms));
        for id in consumers.iter().filter(|id| are_many || !has_offsets(id)) {
            self.remove_empty_consumer(id);
        }
        let (groups, are_many) = forgettable(&self.lock(), |group| group.is_forgettable(now_ms));
        for id in groups.iter().filter(|id| are_many || !has_offsets(id)) {
            self.remove_empty(id);
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

/// Returns the groups of a kind by id.
fn sorted<G>(groups: &ById<G>) -> Vec<(String, Arc<Mutex<G>>)> {
    let mut all: Vec<_> = groups.iter().map(|(id, kept)| (id.clone(), kept.group.clone())).collect();
    all.sort_by(|left, right| left.0.cmp(&right.0));
    all
}

/// Returns the groups that are due, and when the first of the others is.
fn due<G>(groups: &ById<G>, now_ms: i64) -> (Vec<Kept<G>>, i64) {
    let mut next_ms = i64::MAX;
    let is_due = |kept: &&Kept<G>| {
        let at_ms = kept.due.at_ms();
        if at_ms > now_ms {
            next_ms = next_ms.min(at_ms);
        }
        at_ms <= now_ms
    };
    let due = groups.values().filter(is_due).map(Kept::clone).collect();
    (due, next_ms)
}

/// Looks at groups; returns when the first of them is due again. Whoever is busy is left for the next time.
fn look<G>(due: Vec<Kept<G>>, pass: impl Fn(&mut G)) -> i64 {
    let mut next_ms = i64::MAX;
    for kept in due {
        if let Ok(mut group) = kept.group.try_lock() {
            pass(&mut group);
        }
        next_ms = next_ms.min(kept.due.at_ms());
    }
    next_ms
}

/// Returns the ids of groups that may be forgotten when they have no positions, and whether there are so many groups that
/// they may be forgotten all the same.
fn forgettable<G>(groups: &ById<G>, is_forgettable: impl Fn(&G) -> bool) -> (Vec<String>, bool) {
    let forgettable =
        groups.iter().filter(|(_, kept)| kept.group.try_lock().is_ok_and(|g| is_forgettable(&g)));
    (forgettable.map(|(id, _)| id.clone()).collect(), groups.len() > GROUPS_MANY)
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

    fn tick(groups: &Groups, now_ms: i64) {
        groups.tick(&|| Arc::default(), &|_| true, now_ms);
    }

    fn heartbeat(member_id: &str) -> consumer::Heartbeat {
        consumer::Heartbeat {
            member_id: member_id.to_owned(),
            epoch: consumer::EPOCH_JOIN,
            instance_id: None,
            rack_id: None,
            client_id: String::new(),
            client_host: String::new(),
            rebalance_timeout_ms: Some(1000),
            topics: Some(BTreeSet::new()),
            pattern: None,
            assignor: None,
            owned: Some(Default::default()),
        }
    }

    #[test]
    fn positions_of_groups_without_members_are_looked_for_once_a_second() {
        let groups = groups();
        for number in 0..10 {
            groups.find_or_make(&format!("g{number}"), 0).unwrap();
            groups.find_or_make_consumer(&format!("c{number}"), 0).unwrap();
        }
        let looks = std::cell::Cell::new(0);
        let has_offsets = |_: &str| looks.replace(looks.get() + 1) < 20;
        for now_ms in (1_000_000..1_001_000).step_by(20) {
            groups.tick(&|| Arc::default(), &has_offsets, now_ms);
        }
        assert_eq!((looks.get(), groups.all().len(), groups.all_consumers().len()), (20, 10, 10));
        groups.tick(&|| Arc::default(), &has_offsets, 1_001_000);
        assert_eq!((looks.get(), groups.all().len(), groups.all_consumers().len()), (40, 0, 0));
    }

    #[test]
    fn group_is_locked_for_its_deadlines_only() {
        let groups = groups();
        let group = groups.find_or_make_consumer("g", 0).unwrap();
        let sight = consumer::Sight { version: 0, may_see: &|_| true };
        let told = group.lock().unwrap().heartbeat(heartbeat("m"), &Topics::default(), &sight, 0);
        assert!(told.is_ok());
        tick(&groups, 20);
        // It would not be left out if it were looked at: deadlines are reckoned anew each time.
        let next_ms = |groups: &Groups| groups.lock_consumers().get("g").unwrap().due.at_ms();
        assert_eq!(next_ms(&groups), 45_000);
        {
            let _busy = group.lock().unwrap();
            for now_ms in (40..45_000).step_by(20) {
                tick(&groups, now_ms);
            }
            // Busy when it is due: left for the next time.
            tick(&groups, 45_000);
        }
        assert_eq!(group.lock().unwrap().members.len(), 1);
        tick(&groups, 45_000);
        assert!(group.lock().unwrap().members.is_empty());
        assert_eq!(next_ms(&groups), i64::MAX);
        assert!(!groups.earliest.take(i64::MAX - 1), "nothing is due any more");
    }
}
