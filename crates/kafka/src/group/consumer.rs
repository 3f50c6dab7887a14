//! The consumer group protocol (KIP-848): members only send heartbeats, the broker assigns.
//!
//! Every change of members, subscriptions or partitions raises the group's epoch and gives a new target. A member
//! moves to the target by itself: first it gives up what it must, then it gets what the others have given up. A
//! partition is never with two members.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use kafka_protocol::ResponseError;

use super::assignor::{Assignor, Slot, Slots, assign};
use super::classic::random;
use super::due::Due;
use super::patterns::{PatternError, Patterns};

/// A member joins with this epoch.
pub(crate) const EPOCH_JOIN: i32 = 0;
/// A member leaves.
const EPOCH_LEAVE: i32 = -1;
/// A static member leaves for a while.
pub(crate) const EPOCH_LEAVE_STATIC: i32 = -2;
/// The epoch of a group before its first member.
const EPOCH_FIRST: i32 = 1;
/// Members a group has at most, whatever `group.consumer.max.size` says.
const MEMBERS_MAX: usize = 10_000;
/// A group without members is forgotten after so long; what it committed stays.
const EMPTY_KEPT_MS: i64 = 600_000;

/// What a member says with a heartbeat; `None` is "as before".
pub(crate) struct Heartbeat {
    pub member_id: String,
    pub epoch: i32,
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: Option<i64>,
    pub topics: Option<BTreeSet<String>>,
    pub pattern: Option<String>,
    pub assignor: Option<String>,
    pub owned: Option<Slots>,
}

/// The answer to a heartbeat.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub member_id: String,
    pub epoch: i32,
    /// `None` is "as before".
    pub assigned: Option<Slots>,
}

/// A refusal with the words for it.
pub(crate) type Refused = (ResponseError, String);

pub(crate) struct Member {
    pub id: String,
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub epoch: i32,
    previous_epoch: i32,
    pub topics: BTreeSet<String>,
    pub pattern: Option<String>,
    /// Topics that its pattern matches and that it may not see.
    hidden: BTreeSet<String>,
    /// The topics and rules that this was seen with.
    hidden_as_of: Option<(u64, u64)>,
    assignor: Option<Assignor>,
    rebalance_timeout_ms: i64,
    /// What it may read.
    pub assigned: Slots,
    /// What it must give up and has not yet.
    revoking: Slots,
    deadline_ms: i64,
    revoke_deadline_ms: i64,
}

/// What a member wants: topics, pattern, assignor.
type Wish = (BTreeSet<String>, Option<String>, Option<Assignor>);

impl Member {
    fn wish(&self) -> Wish {
        (self.topics.clone(), self.pattern.clone(), self.assignor)
    }

    /// Returns the topics it wants, whether there or not; some may come twice.
    fn wanted<'m>(&'m self, patterns: &'m Patterns) -> impl Iterator<Item = &'m str> {
        let matched = self.pattern.as_deref().into_iter().flat_map(|pattern| patterns.topics(pattern));
        let seen = matched.filter(|name| !self.hidden.contains(*name));
        self.topics.iter().map(String::as_str).chain(seen)
    }

    fn wants(&self, topic: &str, patterns: &Patterns) -> bool {
        let fits = || self.pattern.as_deref().is_some_and(|pattern| patterns.fits(pattern, topic));
        self.topics.contains(topic) || (fits() && !self.hidden.contains(topic))
    }

    /// Looks which topics of its pattern it may not see, if that may have changed; returns whether it has.
    fn look(&mut self, patterns: &Patterns, sight: &Sight<'_>, version: u64) -> bool {
        let Some(pattern) = self.pattern.as_deref() else {
            self.hidden_as_of = None;
            return !std::mem::take(&mut self.hidden).is_empty();
        };
        if self.hidden_as_of == Some((version, sight.version)) {
            return false;
        }
        let matched = patterns.topics(pattern);
        let hidden = matched.filter(|name| !(sight.may_see)(name)).map(str::to_owned).collect();
        self.hidden_as_of = Some((version, sight.version));
        std::mem::replace(&mut self.hidden, hidden) != self.hidden
    }
}

/// Name → id and number of partitions.
pub(crate) type TopicMap = BTreeMap<String, (u128, u32)>;

/// The topics there are, as groups see them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Topics {
    /// Another one for other topics.
    pub version: u64,
    pub by_name: TopicMap,
}

/// What the client that speaks may see.
pub(crate) struct Sight<'a> {
    /// Another one for other rules.
    pub version: u64,
    pub may_see: &'a dyn Fn(&str) -> bool,
}

/// A group.
pub(crate) struct ConsumerGroup {
    pub id: String,
    pub epoch: i32,
    pub members: BTreeMap<String, Member>,
    target: BTreeMap<String, Slots>,
    /// The topics that members want, as they were when the target was made.
    topics: TopicMap,
    /// All topics were last looked at when they had this version.
    seen: Option<u64>,
    patterns: Patterns,
    pub session_timeout_ms: i64,
    members_max: usize,
    empty_since_ms: i64,
    pub is_dead: bool,
    pub due: Arc<Due>,
}

impl ConsumerGroup {
    pub(crate) fn new(id: &str, session_timeout_ms: i64, members_max: usize, now_ms: i64) -> ConsumerGroup {
        ConsumerGroup {
            id: id.to_owned(),
            epoch: EPOCH_FIRST,
            members: BTreeMap::new(),
            target: BTreeMap::new(),
            topics: TopicMap::new(),
            seen: None,
            patterns: Patterns::default(),
            session_timeout_ms,
            members_max: members_max.min(MEMBERS_MAX),
            empty_since_ms: now_ms,
            is_dead: false,
            due: Arc::default(),
        }
    }

    /// Takes a heartbeat. `all` are the topics there are.
    pub(crate) fn heartbeat(
        &mut self,
        said: Heartbeat,
        all: &Topics,
        sight: &Sight<'_>,
        now_ms: i64,
    ) -> Result<Told, Refused> {
        if self.is_dead {
            return Err((ResponseError::CoordinatorNotAvailable, "the group was deleted".to_owned()));
        }
        self.due.soon();
        match said.epoch {
            EPOCH_LEAVE | EPOCH_LEAVE_STATIC => self.leave(&said, all, now_ms),
            EPOCH_JOIN => self.join(said, all, sight, now_ms),
            epoch if epoch > 0 => self.go_on(said, all, sight, now_ms),
            _ => Err((ResponseError::InvalidRequest, format!("MemberEpoch is {}.", said.epoch))),
        }
    }

    fn join(
        &mut self,
        said: Heartbeat,
        all: &Topics,
        sight: &Sight<'_>,
        now_ms: i64,
    ) -> Result<Told, Refused> {
        let invalid = |reason: &str| Err((ResponseError::InvalidRequest, reason.to_owned()));
        if said.rebalance_timeout_ms.is_none_or(|timeout| timeout <= 0) {
            return invalid("RebalanceTimeoutMs must be provided in first request.");
        }
        if said.topics.is_none() && said.pattern.is_none() {
            return invalid("SubscribedTopicNames or SubscribedTopicRegex must be set in first request.");
        }
        if said.owned.as_ref().is_some_and(|owned| !owned.is_empty()) {
            return invalid("TopicPartitions must be empty when (re-)joining.");
        }
        let id = if said.member_id.is_empty() { member_id() } else { said.member_id.clone() };
        let before = said.instance_id.as_deref().and_then(|instance_id| {
            self.members.values().find(|member| member.instance_id.as_deref() == Some(instance_id))
        });
        let before = before.filter(|before| before.id != id);
        if let Some(before) = before
            && before.epoch != EPOCH_LEAVE_STATIC
        {
            let message = format!(
                "Static member {} with instance id {} cannot join the group because the instance id is owned by {} \
                 member.",
                id,
                said.instance_id.as_deref().unwrap_or(""),
                before.id
            );
            return Err((ResponseError::UnreleasedInstanceId, message));
        }
        let before = before.map(|before| before.id.clone());
        let others = self.members.len() - usize::from(before.is_some());
        if !self.members.contains_key(&id) && others >= self.members_max {
            return Err((
                ResponseError::GroupMaxSizeReached,
                format!(
                    "The consumer group has reached its maximum capacity of {} members.",
                    self.members_max
                ),
            ));
        }
        let assignor = self.check_wish(&said, all)?;
        // Nothing is refused from here on. It takes over the place of the one that left for a while.
        let mut wanted = self.members.get(&id).map(Member::wish).unwrap_or_default();
        let mut inherited = Slots::new();
        if let Some(before) = before {
            if let Some(gone) = self.members.remove(&before) {
                wanted = gone.wish();
                inherited = gone.assigned;
            }
            if let Some(target) = self.target.remove(&before) {
                self.target.insert(id.clone(), target);
            }
        }
        let mut member = Member {
            id: id.clone(),
            instance_id: said.instance_id.clone(),
            rack_id: said.rack_id.clone(),
            client_id: said.client_id.clone(),
            client_host: said.client_host.clone(),
            epoch: 0,
            previous_epoch: -1,
            topics: BTreeSet::new(),
            pattern: None,
            hidden: BTreeSet::new(),
            hidden_as_of: None,
            assignor: None,
            rebalance_timeout_ms: 0,
            assigned: inherited,
            revoking: Slots::new(),
            deadline_ms: now_ms.saturating_add(self.session_timeout_ms),
            revoke_deadline_ms: i64::MAX,
        };
        change(&mut member, &said, assignor);
        member.look(&self.patterns, sight, all.version);
        let changed = wanted != member.wish();
        self.members.insert(id.clone(), member);
        // One that comes back as it was, or wants nothing, changes nothing for the others.
        if changed {
            self.retarget(all);
        } else {
            self.share_out(all);
        }
        Ok(self.move_on(&id, None, true, now_ms))
    }

    fn go_on(
        &mut self,
        said: Heartbeat,
        all: &Topics,
        sight: &Sight<'_>,
        now_ms: i64,
    ) -> Result<Told, Refused> {
        let id = said.member_id.clone();
        let session_timeout_ms = self.session_timeout_ms;
        if !self.members.contains_key(&id)
            && said.instance_id.is_some()
            && self.members.values().any(|member| member.instance_id == said.instance_id)
        {
            return Err((ResponseError::FencedInstanceId, "another member has the instance id".to_owned()));
        }
        let member = self.members.get_mut(&id).ok_or_else(|| unknown(&id, &self.id))?;
        if said.instance_id.is_some() && said.instance_id != member.instance_id {
            return Err((ResponseError::FencedInstanceId, format!("Member {id} has another instance id.")));
        }
        if said.epoch != member.epoch {
            // It may have missed the answer that raised its epoch.
            let missed = said.epoch == member.previous_epoch
                && said.owned.as_ref().is_some_and(|owned| owned.is_subset(&member.assigned));
            if !missed {
                let message = format!(
                    "The consumer group member has a {} member epoch ({}) than the one known by the group \
                     coordinator ({}). The member must abandon all its partitions and rejoin.",
                    if said.epoch > member.epoch { "greater" } else { "smaller" },
                    said.epoch,
                    member.epoch
                );
                return Err((ResponseError::FencedMemberEpoch, message));
            }
        }
        member.deadline_ms = now_ms.saturating_add(session_timeout_ms);
        let assignor = self.check_wish(&said, all)?;
        let member = self.members.get_mut(&id).ok_or_else(|| unknown(&id, &self.id))?;
        let changed = change(member, &said, assignor) | member.look(&self.patterns, sight, all.version);
        // Whoever comes first after topics have changed sees it for all.
        let is_new = self.seen.replace(all.version) != Some(all.version);
        if changed || (is_new && self.seen_topics(all) != self.topics) {
            self.retarget(all);
        }
        let full = said.rebalance_timeout_ms.is_some()
            && said.owned.is_some()
            && (said.topics.is_some() || said.pattern.is_some());
        Ok(self.move_on(&id, said.owned.as_ref(), full, now_ms))
    }

    fn leave(&mut self, said: &Heartbeat, all: &Topics, now_ms: i64) -> Result<Told, Refused> {
        let by_instance = said.instance_id.as_deref().and_then(|instance_id| {
            self.members.values().find(|member| member.instance_id.as_deref() == Some(instance_id))
        });
        let id = match by_instance {
            Some(member) if said.member_id.is_empty() => member.id.clone(),
            Some(member) if member.id != said.member_id => {
                return Err((
                    ResponseError::FencedInstanceId,
                    "another member has the instance id".to_owned(),
                ));
            }
            None if said.epoch == EPOCH_LEAVE_STATIC => return Err(unknown(&said.member_id, &self.id)),
            _ => said.member_id.clone(),
        };
        let member = self.members.get_mut(&id).ok_or_else(|| unknown(&id, &self.id))?;
        if said.epoch == EPOCH_LEAVE_STATIC && member.instance_id.is_some() {
            member.epoch = EPOCH_LEAVE_STATIC;
        } else {
            self.remove(&id, all, now_ms);
        }
        Ok(Told { member_id: id, epoch: said.epoch, assigned: None })
    }

    fn remove(&mut self, id: &str, all: &Topics, now_ms: i64) {
        self.members.remove(id);
        self.target.remove(id);
        self.went(all, now_ms);
    }

    /// Shares out what those who went had.
    fn went(&mut self, all: &Topics, now_ms: i64) {
        self.retarget(all);
        if self.members.is_empty() {
            self.empty_since_ms = now_ms;
        }
    }

    /// Checks what a member says it wants, before anything is changed.
    fn check_wish(&mut self, said: &Heartbeat, all: &Topics) -> Result<Option<Assignor>, Refused> {
        let assignor = match &said.assignor {
            None => None,
            Some(name) => Some(Assignor::from_name(name).ok_or_else(|| {
                let message =
                    format!("ServerAssignor {name} is not supported. Supported assignors: uniform, range.");
                (ResponseError::UnsupportedAssignor, message)
            })?),
        };
        self.patterns.refresh(all);
        let Some(pattern) = said.pattern.as_deref().filter(|pattern| !pattern.is_empty()) else {
            return Ok(assignor);
        };
        let members = &self.members;
        let is_used =
            |pattern: &str| members.values().any(|member| member.pattern.as_deref() == Some(pattern));
        self.patterns.add(pattern, all, is_used).map_err(|error| match error {
            PatternError::Malformed => {
                let message = format!("SubscribedTopicRegex `{pattern}` is not a valid regular expression.");
                (ResponseError::InvalidRegularExpression, message)
            }
            PatternError::TooMany => {
                let message = "the group's members have too many different patterns".to_owned();
                (ResponseError::GroupMaxSizeReached, message)
            }
        })?;
        Ok(assignor)
    }

    fn seen_topics(&self, all: &Topics) -> TopicMap {
        let wanted = self.members.values().flat_map(|member| member.wanted(&self.patterns));
        // By name first: most members want the same.
        let wanted: HashSet<&str> = wanted.collect();
        let there = wanted.into_iter().filter_map(|name| all.by_name.get_key_value(name));
        there.map(|(name, topic)| (name.clone(), *topic)).collect()
    }

    /// Raises the epoch and shares out anew.
    fn retarget(&mut self, all: &Topics) {
        self.epoch = self.epoch.saturating_add(1);
        self.share_out(all);
    }

    fn share_out(&mut self, all: &Topics) {
        self.patterns.refresh(all);
        self.seen = Some(all.version);
        self.topics = self.seen_topics(all);
        let id_of = |name: &str| self.topics.get(name).map(|(id, _)| *id);
        let wants = self
            .members
            .values()
            .map(|member| (member.id.clone(), member.wanted(&self.patterns).filter_map(id_of).collect()))
            .collect();
        let partitions = self.topics.values().copied().collect();
        self.target = assign(self.assignor(), &wants, &partitions, &self.target);
    }

    /// Returns the assignor that most members ask for.
    pub(crate) fn assignor(&self) -> Assignor {
        let votes = |assignor| self.members.values().filter(|m| m.assignor == Some(assignor)).count();
        if votes(Assignor::Range) > votes(Assignor::Uniform) { Assignor::Range } else { Assignor::Uniform }
    }

    /// Brings a member nearer to its target and says what it may read.
    fn move_on(&mut self, id: &str, owned: Option<&Slots>, full: bool, now_ms: i64) -> Told {
        let target = self.target.get(id).cloned().unwrap_or_default();
        let epoch = self.epoch;
        let member = self.members.get_mut(id).expect("the caller has found it");
        let before = (member.epoch, member.assigned.clone());
        // What it does not report any more is given up.
        if let Some(owned) = owned {
            member.revoking.retain(|slot| owned.contains(slot));
        }
        let surplus: Slots = member.assigned.difference(&target).copied().collect();
        if !surplus.is_empty() {
            member.assigned.retain(|slot| target.contains(slot));
            // A member that joins has nothing, whatever it was assigned before.
            let still_owned =
                |slot: &&Slot| member.epoch != EPOCH_JOIN && owned.is_none_or(|o| o.contains(*slot));
            let revoking: Slots = surplus.iter().filter(still_owned).copied().collect();
            member.revoking.extend(revoking);
            member.revoke_deadline_ms = now_ms.saturating_add(member.rebalance_timeout_ms);
        }
        if member.revoking.is_empty() {
            member.revoke_deadline_ms = i64::MAX;
            if member.epoch != epoch {
                member.previous_epoch = member.epoch;
                member.epoch = epoch;
            }
            // Most of the time it has it all.
            if member.assigned != target {
                let others = self.slots_of_others(id);
                let free = target.iter().filter(|slot| !others.contains(*slot)).copied().collect();
                self.members.get_mut(id).expect("found above").assigned = free;
            }
        }
        let member = &self.members[id];
        let changed = before.1 != member.assigned || before.0 == EPOCH_JOIN;
        Told {
            member_id: id.to_owned(),
            epoch: member.epoch,
            assigned: (changed || full).then(|| member.assigned.clone()),
        }
    }

    fn slots_of_others(&self, id: &str) -> HashSet<Slot> {
        let others = self.members.values().filter(|member| member.id != id);
        others.flat_map(|member| member.assigned.iter().chain(&member.revoking).copied()).collect()
    }

    /// Returns when a deadline passes again, as far as nothing else happens.
    pub(crate) fn next_deadline_ms(&self) -> Option<i64> {
        self.members.values().map(|member| member.deadline_ms.min(member.revoke_deadline_ms)).min()
    }

    /// Lets deadlines pass.
    pub(crate) fn pass(&mut self, all: &dyn Fn() -> Arc<Topics>, now_ms: i64) {
        let late: Vec<String> = self
            .members
            .values()
            .filter(|member| now_ms >= member.deadline_ms.min(member.revoke_deadline_ms))
            .map(|member| member.id.clone())
            .collect();
        let mut is_changed = false;
        for id in late {
            tracing::info!(
                group = self.id,
                member = id,
                "member is silent or keeps what it must give up, taken out"
            );
            self.members.remove(&id);
            self.target.remove(&id);
            is_changed = true;
        }
        if is_changed {
            self.went(&all(), now_ms);
        }
    }

    /// Decides whether a member may commit or read offsets.
    pub(crate) fn check_offsets(&self, member_id: &str, epoch: i32) -> Result<(), ResponseError> {
        if epoch < 0 && (self.members.is_empty() || member_id.is_empty()) {
            return if self.members.is_empty() { Ok(()) } else { Err(ResponseError::UnknownMemberId) };
        }
        let member = self.members.get(member_id).ok_or(ResponseError::UnknownMemberId)?;
        if member.epoch == epoch { Ok(()) } else { Err(ResponseError::StaleMemberEpoch) }
    }

    pub(crate) fn state(&self) -> &'static str {
        if self.is_dead {
            "Dead"
        } else if self.members.is_empty() {
            "Empty"
        } else if self.members.values().any(|m| {
            m.epoch != self.epoch || self.target.get(&m.id).is_some_and(|target| *target != m.assigned)
        }) {
            "Reconciling"
        } else {
            "Stable"
        }
    }

    pub(crate) fn target(&self, id: &str) -> Slots {
        self.target.get(id).cloned().unwrap_or_default()
    }

    /// Returns how many partitions a member is to have.
    pub(crate) fn target_len(&self, id: &str) -> usize {
        self.target.get(id).map_or(0, Slots::len)
    }

    /// Returns whether some member wants a topic.
    pub(crate) fn is_subscribed(&self, topic: &str) -> bool {
        self.members.values().any(|member| member.wants(topic, &self.patterns))
    }

    /// Returns whether nobody has ever joined.
    pub(crate) fn is_untouched(&self) -> bool {
        self.members.is_empty() && self.epoch == EPOCH_FIRST
    }

    /// Returns since when nobody is in it.
    pub(crate) fn empty_since_ms(&self) -> Option<i64> {
        self.members.is_empty().then_some(self.empty_since_ms)
    }

    /// Returns the topics that members want.
    pub(crate) fn subscribed_topics(&self) -> BTreeSet<String> {
        let named = self.members.values().flat_map(|member| member.topics.iter().cloned());
        named.chain(self.topics.keys().cloned()).collect()
    }

    pub(crate) fn is_forgettable(&self, now_ms: i64) -> bool {
        self.members.is_empty() && now_ms.saturating_sub(self.empty_since_ms) > EMPTY_KEPT_MS
    }
}

fn unknown(member_id: &str, group: &str) -> Refused {
    (ResponseError::UnknownMemberId, format!("Member {member_id} is not a member of group {group}."))
}

/// Takes in what a member says of itself, which is checked; returns whether that changes what it wants.
fn change(member: &mut Member, said: &Heartbeat, assignor: Option<Assignor>) -> bool {
    let mut changed = false;
    if let Some(pattern) = &said.pattern
        && member.pattern.as_deref().unwrap_or("") != pattern
    {
        changed = true;
        member.pattern = (!pattern.is_empty()).then(|| pattern.clone());
        member.hidden_as_of = None;
    }
    if assignor.is_some() && assignor != member.assignor {
        changed = true;
        member.assignor = assignor;
    }
    if let Some(topics) = &said.topics
        && *topics != member.topics
    {
        changed = true;
        member.topics.clone_from(topics);
    }
    if let Some(timeout) = said.rebalance_timeout_ms {
        member.rebalance_timeout_ms = timeout;
    }
    changed
}

/// Returns a new member's id in Kafka's form.
fn member_id() -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let id = random();
    (0..22).map(|i| ALPHABET[(id.rotate_left(6 * (i + 1)) & 63) as usize] as char).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEES_ALL: Sight<'static> = Sight { version: 0, may_see: &|_| true };

    fn all(partitions: u32) -> Topics {
        let by_name = TopicMap::from([("t".to_owned(), (1, partitions))]);
        Topics { version: u64::from(partitions), by_name }
    }

    fn said(id: &str, epoch: i32, owned: Option<&[u32]>) -> Heartbeat {
        let joins = epoch == EPOCH_JOIN;
        Heartbeat {
            member_id: id.to_owned(),
            epoch,
            instance_id: None,
            rack_id: None,
            client_id: String::new(),
            client_host: String::new(),
            rebalance_timeout_ms: joins.then_some(1000),
            topics: joins.then(|| BTreeSet::from(["t".to_owned()])),
            pattern: None,
            assignor: None,
            owned: owned.map(|owned| owned.iter().map(|partition| (1, *partition)).collect()),
        }
    }

    fn partitions(told: &Told) -> Option<Vec<u32>> {
        told.assigned.as_ref().map(|slots| slots.iter().map(|slot| slot.1).collect())
    }

    #[test]
    fn second_member_gets_what_the_first_has_given_up() {
        let mut group = ConsumerGroup::new("g", 45_000, 10, 0);
        let mut beat = |said| group.heartbeat(said, &all(4), &SEES_ALL, 0).unwrap();
        let told = beat(said("a", 0, None));
        assert_eq!((told.epoch, partitions(&told)), (2, Some(vec![0, 1, 2, 3])));
        let told = beat(said("b", 0, None));
        assert_eq!((told.epoch, partitions(&told)), (3, Some(vec![])));
        let told = beat(said("a", 2, None));
        let kept = partitions(&told).unwrap();
        assert_eq!((told.epoch, kept.len()), (2, 2));
        // Still reads them: the second waits.
        assert_eq!(partitions(&beat(said("b", 3, None))), None);
        assert_eq!(beat(said("a", 2, Some(&[0, 1, 2, 3]))).epoch, 2);
        assert_eq!(beat(said("a", 2, Some(&kept))).epoch, 3);
        let got = partitions(&beat(said("b", 3, None))).unwrap();
        assert_eq!((got.len(), got.iter().any(|p| kept.contains(p))), (2, false));
        assert_eq!(group.state(), "Stable");
    }

    #[test]
    fn member_that_keeps_what_it_must_give_up_is_taken_out() {
        let mut group = ConsumerGroup::new("g", 45_000, 10, 0);
        group.heartbeat(said("a", 0, None), &all(2), &SEES_ALL, 0).unwrap();
        group.heartbeat(said("b", 0, None), &all(2), &SEES_ALL, 0).unwrap();
        group.heartbeat(said("a", 2, Some(&[0, 1])), &all(2), &SEES_ALL, 0).unwrap();
        group.pass(&|| Arc::new(all(2)), 999);
        assert_eq!(group.members.len(), 2);
        group.pass(&|| Arc::new(all(2)), 1000);
        assert!(!group.members.contains_key("a"));
        let told = group.heartbeat(said("b", 3, None), &all(2), &SEES_ALL, 1000).unwrap();
        assert_eq!(partitions(&told), Some(vec![0, 1]));
    }

    #[test]
    fn wrong_epochs_and_names_are_refused() {
        let mut group = ConsumerGroup::new("g", 45_000, 1, 0);
        let mut code = |said| group.heartbeat(said, &all(1), &SEES_ALL, 0).unwrap_err().0;
        assert_eq!(code(said("a", 5, None)), ResponseError::UnknownMemberId);
        let mut bad = said("a", 0, None);
        bad.assignor = Some("best".to_owned());
        assert_eq!(code(bad), ResponseError::UnsupportedAssignor);
        let mut bad = said("a", 0, None);
        bad.pattern = Some("(".to_owned());
        assert_eq!(code(bad), ResponseError::InvalidRegularExpression);
        group.heartbeat(said("a", 0, None), &all(1), &SEES_ALL, 0).unwrap();
        let mut code = |said| group.heartbeat(said, &all(1), &SEES_ALL, 0).unwrap_err().0;
        assert_eq!(code(said("a", 9, None)), ResponseError::FencedMemberEpoch);
        assert_eq!(code(said("b", 0, None)), ResponseError::GroupMaxSizeReached);
    }

    #[test]
    fn more_partitions_are_noticed() {
        let mut group = ConsumerGroup::new("g", 45_000, 10, 0);
        group.heartbeat(said("a", 0, None), &all(1), &SEES_ALL, 0).unwrap();
        let told = group.heartbeat(said("a", 2, None), &all(3), &SEES_ALL, 0).unwrap();
        assert_eq!((told.epoch, partitions(&told)), (3, Some(vec![0, 1, 2])));
    }

    #[test]
    fn refused_successor_leaves_the_static_member_that_is_away_in_its_place() {
        let mut group = ConsumerGroup::new("g", 45_000, 10, 0);
        let with_instance = |mut said: Heartbeat| {
            said.instance_id = Some("i".to_owned());
            said
        };
        let mut beat = |said| group.heartbeat(with_instance(said), &all(2), &SEES_ALL, 0);
        beat(said("a", 0, None)).unwrap();
        beat(said("a", EPOCH_LEAVE_STATIC, None)).unwrap();
        let mut bad = said("b", 0, None);
        bad.pattern = Some("(".to_owned());
        assert_eq!(beat(bad).unwrap_err().0, ResponseError::InvalidRegularExpression);
        assert!(group.members.contains_key("a"));
        let mut beat = |said| group.heartbeat(with_instance(said), &all(2), &SEES_ALL, 0);
        let told = beat(said("b", 0, None)).unwrap();
        assert_eq!((told.epoch, partitions(&told)), (2, Some(vec![0, 1])));
    }

    #[test]
    fn members_and_patterns_are_bounded_whatever_is_set() {
        let mut group = ConsumerGroup::new("g", 45_000, usize::MAX, 0);
        assert_eq!(group.members_max, MEMBERS_MAX);
        let mut with_pattern = |member: usize, pattern: usize| {
            let mut said = said(&format!("m{member}"), 0, None);
            said.pattern = Some(format!("t|{pattern}"));
            group.heartbeat(said, &all(1), &SEES_ALL, 0).map_err(|(error, _)| error)
        };
        for member in 0..100 {
            with_pattern(member, member).unwrap();
        }
        assert_eq!(with_pattern(100, 100), Err(ResponseError::GroupMaxSizeReached));
        with_pattern(100, 7).unwrap();
        // One of them takes another one: there is room for it once nobody has the old one.
        with_pattern(0, 1).unwrap();
        with_pattern(101, 100).unwrap();
    }

    #[test]
    fn what_a_member_may_see_is_asked_when_topics_or_rules_have_changed() {
        let asked = std::cell::Cell::new(0);
        let may_see = |_: &str| asked.replace(asked.get() + 1) > 1000;
        let mut group = ConsumerGroup::new("g", 45_000, 10, 0);
        let mut first = said("a", 0, None);
        (first.topics, first.pattern) = (None, Some("t".to_owned()));
        let mut beat =
            |said, version| group.heartbeat(said, &all(2), &Sight { version, may_see: &may_see }, 0).unwrap();
        assert_eq!(partitions(&beat(first, 1)), Some(vec![]));
        for _ in 0..10 {
            beat(said("a", 2, None), 1);
        }
        assert_eq!(asked.get(), 1);
        asked.set(5000);
        let told = beat(said("a", 2, None), 2);
        assert_eq!((told.epoch, partitions(&told)), (3, Some(vec![0, 1])));
    }
}
