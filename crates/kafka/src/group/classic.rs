//! The classic group protocol: JoinGroup and SyncGroup, the leader assigns.
//!
//! ```text
//! Empty ─join→ PreparingRebalance ─all have joined, or time is up→ CompletingRebalance ─leader's sync→ Stable
//!                     ↑                                                  │                            │
//!                     └───── a member joins, leaves, changes, is silent ─┴────────────────────────────┘
//! ```
//!
//! Every step takes the time; answers that must wait go out through the members' channels. Generations only grow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::Limits;
use super::due::Due;
use super::member::{Member, Protocol};
use crate::error::NONE;

/// How long a member that waits for its first generation is kept, as in Kafka.
const NEW_MEMBER_TIMEOUT_MS: i64 = 300_000;
/// Members a group has at most, whatever `group.max.size` says.
const MEMBERS_MAX: usize = 10_000;
/// Protocols a member may offer.
const PROTOCOLS_MAX: usize = 100;
/// A group without members is forgotten after so long; what it committed stays.
const EMPTY_KEPT_MS: i64 = 600_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
    Dead,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
            State::Dead => "Dead",
        }
    }
}

/// A JoinGroup request.
pub(crate) struct Join {
    pub member_id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout_ms: i64,
    pub rebalance_timeout_ms: i64,
    pub protocol_type: String,
    pub protocols: Vec<Protocol>,
    /// The client joins twice, the second time with the id it was given (KIP-394).
    pub requires_known_id: bool,
    /// The client understands "assign nothing" (KIP-814).
    pub can_skip_assignment: bool,
}

/// The answer to a join.
#[derive(Debug, Clone, Default)]
pub(crate) struct Joined {
    pub code: i16,
    pub member_id: String,
    pub generation: i32,
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub leader: String,
    pub skip_assignment: bool,
    /// For the leader: id, instance id, metadata of each member.
    pub members: Vec<(String, Option<String>, Bytes)>,
}

impl Joined {
    fn refused(error: ResponseError, member_id: &str) -> Joined {
        Joined { code: error.code(), member_id: member_id.to_owned(), generation: -1, ..Joined::default() }
    }
}

/// The answer to a sync.
#[derive(Debug, Clone, Default)]
pub(crate) struct Synced {
    pub code: i16,
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub assignment: Bytes,
}

impl Synced {
    fn refused(error: ResponseError) -> Synced {
        Synced { code: error.code(), ..Synced::default() }
    }
}

/// Who a member says it is, in which generation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'a> {
    pub member_id: &'a str,
    pub instance_id: Option<&'a str>,
    pub generation: i32,
}

/// A group.
pub(crate) struct ClassicGroup {
    pub id: String,
    limits: Limits,
    pub state: State,
    pub generation: i32,
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    leader: Option<String>,
    /// In the order they joined.
    pub members: Vec<Member>,
    /// Ids given out, not joined with yet, and until when.
    pending: BTreeMap<String, i64>,
    /// A rebalance waits for members until then.
    rebalance_deadline_ms: i64,
    /// The first rebalance of an empty group does not end before.
    not_before_ms: i64,
    /// Members must have synced by then.
    sync_deadline_ms: i64,
    not_synced: BTreeSet<String>,
    empty_since_ms: i64,
    pub due: Arc<Due>,
}

impl ClassicGroup {
    pub(crate) fn new(id: &str, limits: Limits, now_ms: i64) -> ClassicGroup {
        ClassicGroup {
            id: id.to_owned(),
            limits,
            state: State::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: Vec::new(),
            pending: BTreeMap::new(),
            rebalance_deadline_ms: 0,
            not_before_ms: 0,
            sync_deadline_ms: 0,
            not_synced: BTreeSet::new(),
            empty_since_ms: now_ms,
            due: Arc::default(),
        }
    }

    fn member(&mut self, id: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    fn has(&self, id: &str) -> bool {
        self.members.iter().any(|member| member.id == id)
    }

    fn is_leader(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    fn instance(&self, instance_id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.instance_id.as_deref() == Some(instance_id))
    }

    // Joining.

    /// Takes a join; the answer may come later, when the generation is complete.
    pub(crate) fn join(&mut self, join: Join, now_ms: i64) -> oneshot::Receiver<Joined> {
        self.due.soon();
        let (answer, waiting) = oneshot::channel();
        let member_id = join.member_id.clone();
        if let Err((error, answer)) = self.try_join(join, answer, now_ms) {
            let _ = answer.send(Joined::refused(error, &member_id));
        }
        waiting
    }

    fn try_join(
        &mut self,
        join: Join,
        answer: oneshot::Sender<Joined>,
        now_ms: i64,
    ) -> Result<(), (ResponseError, oneshot::Sender<Joined>)> {
        let error = if self.state == State::Dead {
            Some(ResponseError::CoordinatorNotAvailable)
        } else if !(self.limits.session_timeout_ms_min..=self.limits.session_timeout_ms_max)
            .contains(&join.session_timeout_ms)
        {
            Some(ResponseError::InvalidSessionTimeout)
        } else if !self.accepts(&join) {
            Some(ResponseError::InconsistentGroupProtocol)
        } else if self.is_full(&join) {
            Some(ResponseError::GroupMaxSizeReached)
        } else {
            None
        };
        if let Some(error) = error {
            return Err((error, answer));
        }
        if join.member_id.is_empty() {
            self.join_unknown(join, answer, now_ms);
            return Ok(());
        }
        self.join_known(join, answer, now_ms)
    }

    /// Says whether there is a protocol that all members can, this one included.
    fn accepts(&self, join: &Join) -> bool {
        if join.protocol_type.is_empty() || join.protocols.is_empty() || join.protocols.len() > PROTOCOLS_MAX
        {
            return false;
        }
        let others: Vec<&Member> = self.members.iter().filter(|member| member.id != join.member_id).collect();
        if self.members.is_empty() {
            return true;
        }
        let same_type = self.protocol_type.as_deref() == Some(join.protocol_type.as_str());
        same_type
            && (others.is_empty()
                || join.protocols.iter().any(|(name, _)| others.iter().all(|member| member.can(name))))
    }

    fn is_full(&self, join: &Join) -> bool {
        let is_known = !join.member_id.is_empty()
            && (self.has(&join.member_id) || self.pending.contains_key(&join.member_id));
        let is_replacement =
            join.instance_id.as_deref().is_some_and(|instance_id| self.instance(instance_id).is_some());
        let full = self.members.len() + self.pending.len() >= self.limits.members_max.min(MEMBERS_MAX);
        full && !is_known && !is_replacement
    }

    fn join_unknown(&mut self, join: Join, answer: oneshot::Sender<Joined>, now_ms: i64) {
        let fresh = Uuid::from_u128(random());
        match &join.instance_id {
            Some(instance_id) => {
                let id = format!("{instance_id}-{fresh}");
                match self.instance(instance_id).map(|member| member.id.clone()) {
                    Some(old) => self.replace(&old, &id, join, answer, now_ms),
                    None => self.add(id, join, answer, now_ms),
                }
            }
            None => {
                let id = format!("{}-{fresh}", join.client_id);
                if join.requires_known_id {
                    self.pending.insert(id.clone(), now_ms.saturating_add(join.session_timeout_ms));
                    let _ = answer.send(Joined::refused(ResponseError::MemberIdRequired, &id));
                } else {
                    self.add(id, join, answer, now_ms);
                }
            }
        }
    }

    fn join_known(
        &mut self,
        join: Join,
        answer: oneshot::Sender<Joined>,
        now_ms: i64,
    ) -> Result<(), (ResponseError, oneshot::Sender<Joined>)> {
        let id = join.member_id.clone();
        if self.pending.contains_key(&id) && join.instance_id.is_none() {
            self.pending.remove(&id);
            self.add(id, join, answer, now_ms);
            return Ok(());
        }
        if let Err(error) = self.check_member(&id, join.instance_id.as_deref()) {
            return Err((error, answer));
        }
        let unchanged = self.member(&id).is_some_and(|member| member.protocols == join.protocols);
        match self.state {
            State::PreparingRebalance => self.rejoin(join, answer, now_ms),
            // It may have missed the answer: tell it again.
            State::CompletingRebalance if unchanged => self.answer_again(&id, answer, now_ms),
            State::Stable if unchanged && !self.is_leader(&id) => self.answer_again(&id, answer, now_ms),
            State::CompletingRebalance | State::Stable => self.rejoin(join, answer, now_ms),
            State::Empty | State::Dead => return Err((ResponseError::UnknownMemberId, answer)),
        }
        Ok(())
    }

    fn answer_again(&mut self, id: &str, answer: oneshot::Sender<Joined>, now_ms: i64) {
        let joined = self.joined(id, false);
        if let Some(member) = self.member(id) {
            member.heartbeat(now_ms);
        }
        let _ = answer.send(joined);
    }

    fn add(&mut self, id: String, join: Join, answer: oneshot::Sender<Joined>, now_ms: i64) {
        let mut member = Member {
            id: id.clone(),
            instance_id: join.instance_id,
            client_id: join.client_id,
            client_host: join.client_host,
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            protocols: join.protocols,
            assignment: Bytes::new(),
            deadline_ms: now_ms.saturating_add(NEW_MEMBER_TIMEOUT_MS),
            is_new: true,
            join: Some(answer),
            sync: None,
        };
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type);
        }
        if member.instance_id.is_some() {
            member.heartbeat(now_ms);
        }
        self.members.push(member);
        if self.leader.is_none() {
            self.leader = Some(id);
        }
        self.rebalance(now_ms);
    }

    fn rejoin(&mut self, join: Join, answer: oneshot::Sender<Joined>, now_ms: i64) {
        if let Some(member) = self.member(&join.member_id) {
            member.answer_join(Joined::refused(ResponseError::RebalanceInProgress, &join.member_id));
            member.protocols = join.protocols;
            member.session_timeout_ms = join.session_timeout_ms;
            member.rebalance_timeout_ms = join.rebalance_timeout_ms;
            member.client_id = join.client_id;
            member.client_host = join.client_host;
            member.join = Some(answer);
        }
        self.rebalance(now_ms);
    }

    /// A static member has come back without its id: it gets a new one and the place of the old (KIP-345).
    fn replace(&mut self, old: &str, id: &str, join: Join, answer: oneshot::Sender<Joined>, now_ms: i64) {
        let was_leader = self.is_leader(old);
        let stable = self.state == State::Stable;
        let can_skip_assignment = join.can_skip_assignment;
        let Some(member) = self.member(old) else { return };
        member.answer_join(Joined::refused(ResponseError::FencedInstanceId, old));
        member.answer_sync(Synced::refused(ResponseError::FencedInstanceId));
        member.id = id.to_owned();
        member.protocols = join.protocols;
        member.session_timeout_ms = join.session_timeout_ms;
        member.rebalance_timeout_ms = join.rebalance_timeout_ms;
        member.client_id = join.client_id;
        member.client_host = join.client_host;
        member.heartbeat(now_ms);
        if was_leader {
            self.leader = Some(id.to_owned());
        }
        if self.not_synced.remove(old) {
            self.not_synced.insert(id.to_owned());
        }
        // As in Kafka, what it says with the protocol may be new: only another protocol needs a new assignment.
        if stable && self.chosen_protocol() == self.protocol {
            let mut joined = self.joined(id, can_skip_assignment);
            if was_leader && !can_skip_assignment {
                // It must not assign anew; an old client does not, when another is the leader.
                joined.leader = old.to_owned();
                joined.members = Vec::new();
            }
            let _ = answer.send(joined);
            return;
        }
        if let Some(member) = self.member(id) {
            member.join = Some(answer);
        }
        self.rebalance(now_ms);
    }

    // Rebalancing.

    /// Begins a rebalance or goes on with the one under way.
    fn rebalance(&mut self, now_ms: i64) {
        if self.state == State::CompletingRebalance {
            for member in &mut self.members {
                member.assignment = Bytes::new();
                member.answer_sync(Synced::refused(ResponseError::RebalanceInProgress));
                member.heartbeat(now_ms);
            }
        }
        if self.state != State::PreparingRebalance {
            let delay_ms = if self.state == State::Empty { self.limits.initial_delay_ms } else { 0 };
            self.state = State::PreparingRebalance;
            self.not_before_ms = now_ms.saturating_add(delay_ms);
            self.not_synced.clear();
            let longest = self.members.iter().map(|m| m.rebalance_timeout_ms).max().unwrap_or(0);
            self.rebalance_deadline_ms = now_ms.saturating_add(longest.max(0));
        }
        self.complete_if_all_joined(now_ms);
    }

    fn complete_if_all_joined(&mut self, now_ms: i64) {
        let all = self.members.iter().all(|member| member.join.is_some());
        if self.state == State::PreparingRebalance
            && all
            && self.pending.is_empty()
            && now_ms >= self.not_before_ms
        {
            self.complete(now_ms);
        }
    }

    /// Ends a rebalance with those who have joined.
    fn complete(&mut self, now_ms: i64) {
        // A static member keeps its place until its session ends.
        self.members.retain(|member| member.join.is_some() || member.instance_id.is_some());
        if !self.members.is_empty() && self.members.iter().all(|member| member.join.is_none()) {
            let longest = self.members.iter().map(|m| m.rebalance_timeout_ms).max().unwrap_or(0);
            self.rebalance_deadline_ms = now_ms.saturating_add(longest.max(0));
            return;
        }
        let leads = |member: &Member| Some(member.id.as_str()) == self.leader.as_deref();
        if !self.members.iter().any(|member| leads(member) && member.join.is_some()) {
            let next = self.members.iter().find(|member| member.join.is_some());
            self.leader = next.map(|member| member.id.clone());
        }
        self.generation = self.generation.wrapping_add(1).max(0);
        if self.members.is_empty() {
            self.become_empty(now_ms);
            return;
        }
        self.state = State::CompletingRebalance;
        self.protocol = self.chosen_protocol();
        self.sync_deadline_ms = self.members.iter().map(|m| m.rebalance_timeout_ms).max().unwrap_or(0);
        self.sync_deadline_ms = now_ms.saturating_add(self.sync_deadline_ms.max(0));
        self.not_synced = self.members.iter().map(|member| member.id.clone()).collect();
        for index in 0..self.members.len() {
            let joined = self.joined(&self.members[index].id, false);
            let member = &mut self.members[index];
            member.is_new = false;
            member.assignment = Bytes::new();
            member.heartbeat(now_ms);
            member.answer_join(joined);
        }
    }

    fn become_empty(&mut self, now_ms: i64) {
        self.state = State::Empty;
        self.protocol = None;
        self.leader = None;
        self.not_synced.clear();
        self.empty_since_ms = now_ms;
    }

    /// Returns the protocol that most members prefer among those all of them can.
    fn chosen_protocol(&self) -> Option<String> {
        let first = self.members.first()?;
        let candidates: Vec<&str> = first
            .protocols
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| self.members.iter().all(|member| member.can(name)))
            .collect();
        let votes = |candidate: &str| {
            self.members
                .iter()
                .filter_map(|member| {
                    member
                        .protocols
                        .iter()
                        .map(|(name, _)| name.as_str())
                        .find(|name| candidates.contains(name))
                })
                .filter(|vote| *vote == candidate)
                .count()
        };
        // The first of equals, which `max_by_key` would not give.
        let best = candidates.iter().map(|candidate| votes(candidate)).max()?;
        candidates.iter().find(|candidate| votes(candidate) == best).map(|name| (*name).to_owned())
    }

    fn joined(&self, id: &str, skip_assignment: bool) -> Joined {
        let is_leader = self.is_leader(id);
        let protocol = self.protocol.as_deref().unwrap_or("");
        let members = if is_leader {
            self.members.iter().map(|m| (m.id.clone(), m.instance_id.clone(), m.metadata(protocol))).collect()
        } else {
            Vec::new()
        };
        Joined {
            code: NONE,
            member_id: id.to_owned(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: skip_assignment && is_leader,
            members,
        }
    }

    // After joining.

    /// Takes a sync; the answer may come later, when the leader has assigned.
    pub(crate) fn sync(
        &mut self,
        who: Identity<'_>,
        protocol_type: Option<&str>,
        protocol: Option<&str>,
        assignments: Vec<(String, Bytes)>,
        now_ms: i64,
    ) -> oneshot::Receiver<Synced> {
        self.due.soon();
        let (answer, waiting) = oneshot::channel();
        let consistent = protocol_type.is_none_or(|given| self.protocol_type.as_deref() == Some(given))
            && protocol.is_none_or(|given| self.protocol.as_deref() == Some(given));
        let error = match self.check(who) {
            Err(error) => Some(error),
            Ok(()) if !consistent => Some(ResponseError::InconsistentGroupProtocol),
            Ok(()) => match self.state {
                State::Empty | State::Dead => Some(ResponseError::UnknownMemberId),
                State::PreparingRebalance => Some(ResponseError::RebalanceInProgress),
                State::CompletingRebalance | State::Stable => None,
            },
        };
        if let Some(error) = error {
            let _ = answer.send(Synced::refused(error));
            return waiting;
        }
        let is_leader = self.is_leader(who.member_id);
        self.not_synced.remove(who.member_id);
        if let Some(member) = self.member(who.member_id) {
            member.heartbeat(now_ms);
            member.answer_sync(Synced::refused(ResponseError::RebalanceInProgress));
            member.sync = Some(answer);
        }
        if self.state == State::Stable {
            self.answer_sync(who.member_id);
        } else if is_leader {
            for (id, assignment) in assignments {
                if let Some(member) = self.member(&id) {
                    member.assignment = assignment;
                }
            }
            self.state = State::Stable;
            let ids: Vec<String> = self.members.iter().map(|member| member.id.clone()).collect();
            for id in ids {
                self.answer_sync(&id);
                if let Some(member) = self.member(&id) {
                    member.heartbeat(now_ms);
                }
            }
        }
        waiting
    }

    fn answer_sync(&mut self, id: &str) {
        let (protocol_type, protocol) = (self.protocol_type.clone(), self.protocol.clone());
        if let Some(member) = self.member(id) {
            let assignment = member.assignment.clone();
            member.answer_sync(Synced { code: NONE, protocol_type, protocol, assignment });
        }
    }

    /// Takes a heartbeat.
    pub(crate) fn heartbeat(&mut self, who: Identity<'_>, now_ms: i64) -> Result<(), ResponseError> {
        self.check(who)?;
        self.due.soon();
        if let Some(member) = self.member(who.member_id) {
            member.heartbeat(now_ms);
        }
        match self.state {
            State::Empty | State::Dead => Err(ResponseError::UnknownMemberId),
            State::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }

    /// Takes a member out.
    pub(crate) fn leave(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        now_ms: i64,
    ) -> Result<(), ResponseError> {
        if self.state == State::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        self.due.soon();
        if instance_id.is_none() && self.pending.remove(member_id).is_some() {
            self.complete_if_all_joined(now_ms);
            return Ok(());
        }
        let id = match instance_id {
            // An administrator takes static members out by their instance alone.
            Some(instance_id) if member_id.is_empty() => {
                self.instance(instance_id).map(|m| m.id.clone()).ok_or(ResponseError::UnknownMemberId)?
            }
            _ => {
                self.check_member(member_id, instance_id)?;
                member_id.to_owned()
            }
        };
        self.take_out(&id, now_ms);
        Ok(())
    }

    fn take_out(&mut self, id: &str, now_ms: i64) {
        let Some(place) = self.members.iter().position(|member| member.id == id) else { return };
        let mut member = self.members.remove(place);
        member.answer_join(Joined::refused(ResponseError::UnknownMemberId, id));
        member.answer_sync(Synced::refused(ResponseError::UnknownMemberId));
        self.not_synced.remove(id);
        if self.is_leader(id) {
            self.leader = self.members.first().map(|member| member.id.clone());
        }
        match self.state {
            State::Stable | State::CompletingRebalance | State::PreparingRebalance => self.rebalance(now_ms),
            State::Empty | State::Dead => {}
        }
    }

    /// Decides whether offsets may be committed outside a transaction.
    pub(crate) fn check_commit(&mut self, who: Identity<'_>, now_ms: i64) -> Result<(), ResponseError> {
        if self.state == State::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        if who.generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        if who.generation < 0 && who.member_id.is_empty() && who.instance_id.is_none() {
            return Err(ResponseError::UnknownMemberId);
        }
        self.check(who)?;
        self.due.soon();
        if let Some(member) = self.member(who.member_id) {
            member.heartbeat(now_ms);
        }
        if self.state == State::CompletingRebalance {
            return Err(ResponseError::RebalanceInProgress);
        }
        Ok(())
    }

    /// Decides whether offsets may be committed within a transaction (KIP-447).
    pub(crate) fn check_transactional_commit(&self, who: Identity<'_>) -> Result<(), ResponseError> {
        if who.generation < 0 && who.member_id.is_empty() && who.instance_id.is_none() {
            return Ok(());
        }
        self.check(who)
    }

    fn check(&self, who: Identity<'_>) -> Result<(), ResponseError> {
        self.check_member(who.member_id, who.instance_id)?;
        if who.generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        Ok(())
    }

    fn check_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), ResponseError> {
        if let Some(instance_id) = instance_id {
            return match self.instance(instance_id) {
                None => Err(ResponseError::UnknownMemberId),
                Some(member) if member.id != member_id => Err(ResponseError::FencedInstanceId),
                Some(_) => Ok(()),
            };
        }
        if self.has(member_id) { Ok(()) } else { Err(ResponseError::UnknownMemberId) }
    }

    // Time.

    /// Lets deadlines pass.
    pub(crate) fn pass(&mut self, now_ms: i64) {
        self.due.soon();
        let before = self.pending.len();
        self.pending.retain(|_, deadline_ms| now_ms < *deadline_ms);
        if self.pending.len() < before {
            self.complete_if_all_joined(now_ms);
        }
        let silent: Vec<String> = self
            .members
            .iter()
            .filter(|member| {
                let waits = (member.join.is_some() && !member.is_new) || member.sync.is_some();
                !waits && now_ms >= member.deadline_ms
            })
            .map(|member| member.id.clone())
            .collect();
        for id in silent {
            tracing::info!(group = self.id, member = id, "member is silent, taken out of its group");
            self.take_out(&id, now_ms);
        }
        if self.state == State::PreparingRebalance {
            self.complete_if_all_joined(now_ms);
            if self.state == State::PreparingRebalance && now_ms >= self.rebalance_deadline_ms {
                self.complete(now_ms);
            }
        }
        if matches!(self.state, State::CompletingRebalance | State::Stable)
            && now_ms >= self.sync_deadline_ms
            && !self.not_synced.is_empty()
        {
            for id in std::mem::take(&mut self.not_synced) {
                tracing::info!(group = self.id, member = id, "member has not synced, taken out of its group");
                self.take_out(&id, now_ms);
            }
        }
    }

    /// Returns when deadlines pass again, as far as nothing else happens.
    pub(crate) fn next_deadline_ms(&self, now_ms: i64) -> Option<i64> {
        match self.state {
            // Several things end these, and they are short.
            State::PreparingRebalance | State::CompletingRebalance => Some(now_ms),
            State::Dead => None,
            State::Empty | State::Stable => {
                let silent = self.members.iter().map(|member| member.deadline_ms);
                let not_synced = (!self.not_synced.is_empty()).then_some(self.sync_deadline_ms);
                silent.chain(self.pending.values().copied()).chain(not_synced).min()
            }
        }
    }

    /// Returns since when nobody is in it.
    pub(crate) fn empty_since_ms(&self) -> Option<i64> {
        (self.members.is_empty() && self.pending.is_empty()).then_some(self.empty_since_ms)
    }

    /// Says whether nobody has been here for long.
    pub(crate) fn is_forgettable(&self, now_ms: i64) -> bool {
        self.state == State::Empty
            && self.pending.is_empty()
            && self.members.is_empty()
            && now_ms.saturating_sub(self.empty_since_ms) > EMPTY_KEPT_MS
    }

    /// Ends a group without members; false if it has some.
    pub(crate) fn retire(&mut self) -> bool {
        if !self.members.is_empty() {
            return false;
        }
        self.state = State::Dead;
        true
    }

    /// Returns the topics that members of the consumer protocol want, `None` for other protocols.
    pub(crate) fn subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if self.protocol_type.as_deref() != Some("consumer") {
            return None;
        }
        let protocol = self.protocol.as_deref()?;
        Some(self.members.iter().flat_map(|member| subscription(&member.metadata(protocol))).collect())
    }
}

/// Reads the topics of a consumer's subscription: version i16, then names.
fn subscription(metadata: &[u8]) -> Vec<String> {
    let mut rest = metadata.get(2..).unwrap_or_default();
    let mut topics = Vec::new();
    let Some((count, after)) = rest.split_first_chunk::<4>() else { return topics };
    rest = after;
    for _ in 0..i32::from_be_bytes(*count).max(0) {
        let Some((len, after)) = rest.split_first_chunk::<2>() else { break };
        let len = i16::from_be_bytes(*len).max(0) as usize;
        let Some((name, after)) = after.split_at_checked(len) else { break };
        rest = after;
        topics.push(String::from_utf8_lossy(name).into_owned());
    }
    topics
}

/// Returns bits that nobody can guess well enough to collide.
pub(crate) fn random() -> u128 {
    use std::hash::{BuildHasher, Hasher};
    // Its state is seeded by the operating system.
    let half = || std::collections::hash_map::RandomState::new().build_hasher().finish() as u128;
    let bits = half() << 64 | half();
    // Version 4, variant 1, as a UUID wants it.
    bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62)
}
