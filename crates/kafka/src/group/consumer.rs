//! The consumer group protocol (KIP-848): members only send heartbeats, the broker assigns.
//!
//! Every change of members, subscriptions or partitions raises the group's epoch and gives a new target. A member
//! moves to the target by itself: first it gives up what it must, then it gets what the others have given up. A
//! partition is never with two members.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::ResponseError;

use super::assignor::{Assignor, Slot, Slots, assign};
use super::classic::random;

/// A member joins with this epoch.
pub(crate) const EPOCH_JOIN: i32 = 0;
/// A member leaves.
const EPOCH_LEAVE: i32 = -1;
/// A static member leaves for a while.
pub(crate) const EPOCH_LEAVE_STATIC: i32 = -2;
/// The epoch of a group before its first member.
const EPOCH_FIRST: i32 = 1;
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
    /// Topics it may not see; patterns do not reach them.
    pub hidden: BTreeSet<String>,
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
    compiled: Option<regex::Regex>,
    hidden: BTreeSet<String>,
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

    fn wants(&self, topic: &str) -> bool {
        let fits = || self.compiled.as_ref().is_some_and(|pattern| pattern.is_match(topic));
        self.topics.contains(topic) || (fits() && !self.hidden.contains(topic))
    }
}

/// A topic as the group sees it.
pub(crate) type Topics = BTreeMap<String, (u128, u32)>;

/// A group.
pub(crate) struct ConsumerGroup {
    pub id: String,
    pub epoch: i32,
    pub members: BTreeMap<String, Member>,
    target: BTreeMap<String, Slots>,
    /// The topics that members want, as they were when the target was made.
    topics: Topics,
    pub session_timeout_ms: i64,
    members_max: usize,
    empty_since_ms: i64,
    pub is_dead: bool,
}

impl ConsumerGroup {
    pub(crate) fn new(id: &str, session_timeout_ms: i64, members_max: usize, now_ms: i64) -> ConsumerGroup {
        ConsumerGroup {
            id: id.to_owned(),
            epoch: EPOCH_FIRST,
            members: BTreeMap::new(),
            target: BTreeMap::new(),
            topics: Topics::new(),
            session_timeout_ms,
            members_max,
            empty_since_ms: now_ms,
            is_dead: false,
        }
    }

    /// Takes a heartbeat. `all` are the topics there are.
    pub(crate) fn heartbeat(&mut self, said: Heartbeat, all: &Topics, now_ms: i64) -> Result<Told, Refused> {
        if self.is_dead {
            return Err((ResponseError::CoordinatorNotAvailable, "the group was deleted".to_owned()));
        }
        match said.epoch {
            EPOCH_LEAVE | EPOCH_LEAVE_STATIC => self.leave(&said, all, now_ms),
            EPOCH_JOIN => self.join(said, all, now_ms),
            epoch if epoch > 0 => self.go_on(said, all, now_ms),
            _ => Err((ResponseError::InvalidRequest, format!("MemberEpoch is {}.", said.epoch))),
        }
    }

    fn join(&mut self, said: Heartbeat, all: &Topics, now_ms: i64) -> Result<Told, Refused> {
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
        let mut inherited = Slots::new();
        let mut wanted = self.members.get(&id).map(Member::wish).unwrap_or_default();
        let before = said.instance_id.as_deref().and_then(|instance_id| {
            self.members.values().find(|member| member.instance_id.as_deref() == Some(instance_id))
        });
        if let Some(before) = before
            && before.id != id
        {
            if before.epoch != EPOCH_LEAVE_STATIC {
                let message = format!(
                    "Static member {} with instance id {} cannot join the group because the instance id is owned \
                     by {} member.",
                    id,
                    said.instance_id.as_deref().unwrap_or(""),
                    before.id
                );
                return Err((ResponseError::UnreleasedInstanceId, message));
            }
            // It takes over the place of the one that left for a while.
            let before = before.id.clone();
            if let Some(gone) = self.members.remove(&before) {
                wanted = gone.wish();
                inherited = gone.assigned;
            }
            if let Some(target) = self.target.remove(&before) {
                self.target.insert(id.clone(), target);
            }
        }
        if !self.members.contains_key(&id) && self.members.len() >= self.members_max {
            return Err((
                ResponseError::GroupMaxSizeReached,
                format!(
                    "The consumer group has reached its maximum capacity of {} members.",
                    self.members_max
                ),
            ));
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
            compiled: None,
            hidden: BTreeSet::new(),
            assignor: None,
            rebalance_timeout_ms: 0,
            assigned: inherited,
            revoking: Slots::new(),
            deadline_ms: now_ms.saturating_add(self.session_timeout_ms),
            revoke_deadline_ms: i64::MAX,
        };
        change(&mut member, &said)?;
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

    fn go_on(&mut self, said: Heartbeat, all: &Topics, now_ms: i64) -> Result<Told, Refused> {
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
        let changed = change(member, &said)?;
        if changed || self.seen_topics(all) != self.topics {
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
        self.retarget(all);
        if self.members.is_empty() {
            self.empty_since_ms = now_ms;
        }
    }

    fn seen_topics(&self, all: &Topics) -> Topics {
        all.iter()
            .filter(|(name, _)| self.members.values().any(|member| member.wants(name)))
            .map(|(name, topic)| (name.clone(), *topic))
            .collect()
    }

    /// Raises the epoch and shares out anew.
    fn retarget(&mut self, all: &Topics) {
        self.epoch = self.epoch.saturating_add(1);
        self.share_out(all);
    }

    fn share_out(&mut self, all: &Topics) {
        self.topics = self.seen_topics(all);
        let wants = self
            .members
            .values()
            .map(|member| {
                let topics = self
                    .topics
                    .iter()
                    .filter(|(name, _)| member.wants(name))
                    .map(|(_, (id, _))| *id)
                    .collect();
                (member.id.clone(), topics)
            })
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
        let others: BTreeSet<Slot> = self
            .members
            .values()
            .filter(|member| member.id != id)
            .flat_map(|member| member.assigned.iter().chain(&member.revoking).copied())
            .collect();
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
            member.assigned = target.iter().filter(|slot| !others.contains(*slot)).copied().collect();
            if member.epoch != epoch {
                member.previous_epoch = member.epoch;
                member.epoch = epoch;
            }
        }
        let changed = before.1 != member.assigned || before.0 == EPOCH_JOIN;
        Told {
            member_id: id.to_owned(),
            epoch: member.epoch,
            assigned: (changed || full).then(|| member.assigned.clone()),
        }
    }

    /// Lets deadlines pass.
    pub(crate) fn pass(&mut self, all: &dyn Fn() -> Topics, now_ms: i64) {
        let late: Vec<String> = self
            .members
            .values()
            .filter(|member| now_ms >= member.deadline_ms.min(member.revoke_deadline_ms))
            .map(|member| member.id.clone())
            .collect();
        for id in late {
            tracing::info!(
                group = self.id,
                member = id,
                "member is silent or keeps what it must give up, taken out"
            );
            self.remove(&id, &all(), now_ms);
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
        self.members.values().any(|member| member.wants(topic))
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

/// Takes in what a member says of itself; returns whether that changes what it wants.
fn change(member: &mut Member, said: &Heartbeat) -> Result<bool, Refused> {
    let assignor = match &said.assignor {
        None => member.assignor,
        Some(name) => Some(Assignor::from_name(name).ok_or_else(|| {
            let message =
                format!("ServerAssignor {name} is not supported. Supported assignors: uniform, range.");
            (ResponseError::UnsupportedAssignor, message)
        })?),
    };
    let mut changed = assignor != member.assignor;
    if let Some(pattern) = &said.pattern
        && member.pattern.as_deref().unwrap_or("") != pattern
    {
        changed = true;
        member.compiled = None;
        if !pattern.is_empty() {
            let built = regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build();
            member.compiled = Some(built.map_err(|_| {
                let message = format!("SubscribedTopicRegex `{pattern}` is not a valid regular expression.");
                (ResponseError::InvalidRegularExpression, message)
            })?);
        }
        member.pattern = (!pattern.is_empty()).then(|| pattern.clone());
    }
    if member.hidden != said.hidden {
        changed |= member.compiled.is_some();
        member.hidden = said.hidden.clone();
    }
    member.assignor = assignor;
    if let Some(topics) = &said.topics
        && *topics != member.topics
    {
        changed = true;
        member.topics = topics.clone();
    }
    if let Some(timeout) = said.rebalance_timeout_ms {
        member.rebalance_timeout_ms = timeout;
    }
    Ok(changed)
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

    fn all(partitions: u32) -> Topics {
        Topics::from([("t".to_owned(), (1, partitions))])
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
            hidden: BTreeSet::new(),
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
        let mut beat = |said| group.heartbeat(said, &all(4), 0).unwrap();
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
        group.heartbeat(said("a", 0, None), &all(2), 0).unwrap();
        group.heartbeat(said("b", 0, None), &all(2), 0).unwrap();
        group.heartbeat(said("a", 2, Some(&[0, 1])), &all(2), 0).unwrap();
        group.pass(&|| all(2), 999);
        assert_eq!(group.members.len(), 2);
        group.pass(&|| all(2), 1000);
        assert!(!group.members.contains_key("a"));
        let told = group.heartbeat(said("b", 3, None), &all(2), 1000).unwrap();
        assert_eq!(partitions(&told), Some(vec![0, 1]));
    }

    #[test]
    fn wrong_epochs_and_names_are_refused() {
        let mut group = ConsumerGroup::new("g", 45_000, 1, 0);
        let mut code = |said| group.heartbeat(said, &all(1), 0).unwrap_err().0;
        assert_eq!(code(said("a", 5, None)), ResponseError::UnknownMemberId);
        let mut bad = said("a", 0, None);
        bad.assignor = Some("best".to_owned());
        assert_eq!(code(bad), ResponseError::UnsupportedAssignor);
        let mut bad = said("a", 0, None);
        bad.pattern = Some("(".to_owned());
        assert_eq!(code(bad), ResponseError::InvalidRegularExpression);
        group.heartbeat(said("a", 0, None), &all(1), 0).unwrap();
        let mut code = |said| group.heartbeat(said, &all(1), 0).unwrap_err().0;
        assert_eq!(code(said("a", 9, None)), ResponseError::FencedMemberEpoch);
        assert_eq!(code(said("b", 0, None)), ResponseError::GroupMaxSizeReached);
    }

    #[test]
    fn more_partitions_are_noticed() {
        let mut group = ConsumerGroup::new("g", 45_000, 10, 0);
        group.heartbeat(said("a", 0, None), &all(1), 0).unwrap();
        let told = group.heartbeat(said("a", 2, None), &all(3), 0).unwrap();
        assert_eq!((told.epoch, partitions(&told)), (3, Some(vec![0, 1, 2])));
    }
}
