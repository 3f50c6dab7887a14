//! Fetch sessions (KIP-227): the broker remembers what a client fetches, and the client says only what changes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use commitlog::Partition;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{FetchRequest, TopicName};
use uuid::Uuid;

use crate::frame::own;

/// The request belongs to no session, or ends it.
const EPOCH_FINAL: i32 = -1;
/// The request begins a session.
const EPOCH_INITIAL: i32 = 0;
/// A session unused for so long may be given up for another, as in Kafka.
const EVICTION_MS: i64 = 120_000;
/// Partitions all sessions may remember together.
const PARTITIONS_MAX: usize = 1_000_000;

/// The longest name of a topic, as in Kafka.
const TOPIC_NAME_LEN_MAX: usize = 249;

/// What a client fetches of one partition.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub topic: TopicName,
    pub topic_id: Uuid,
    pub partition: i32,
    pub fetch_offset: i64,
    pub max_bytes: i32,
    pub leader_epoch: i32,
    /// What the client was told last; −1 is nothing yet.
    pub told_high_watermark: i64,
    pub told_log_start: i64,
    /// Decided anew for every fetch.
    pub is_denied: bool,
    /// Found at the last fetch.
    pub found: Option<Arc<Partition>>,
}

impl Wanted {
    /// Says whether it takes more memory than a topic's name needs: no topic is called so.
    fn is_long(&self) -> bool {
        self.topic.len() > TOPIC_NAME_LEN_MAX
    }

    fn key(&self) -> Key {
        Key { topic: self.topic.clone(), topic_id: self.topic_id, partition: self.partition }
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    topic: TopicName,
    topic_id: Uuid,
    partition: i32,
}

/// A session; its partitions in the order in which they are served.
pub(crate) struct Session {
    pub id: i32,
    next_epoch: i32,
    uses_ids: bool,
    used_ms: i64,
    pub wanted: Vec<Wanted>,
    remembered: Remembered,
}

/// How many partitions a session remembers, counted among those of all.
struct Remembered {
    all: Arc<AtomicUsize>,
    max: usize,
    count: usize,
}

impl Remembered {
    /// Says whether so many may be remembered, and counts them then.
    fn set(&mut self, count: usize) -> bool {
        let more = count.saturating_sub(self.count);
        if self.all.fetch_add(more, Ordering::Relaxed) + more > self.max {
            self.all.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.all.fetch_sub(self.count.saturating_sub(count), Ordering::Relaxed);
        self.count = count;
        true
    }
}

impl Drop for Remembered {
    fn drop(&mut self) {
        self.all.fetch_sub(self.count, Ordering::Relaxed);
    }
}

/// What a request asks for, with or without a session.
pub(crate) struct Plan {
    pub session_id: i32,
    pub session: Option<Arc<Mutex<Session>>>,
    /// Only what changed is answered.
    pub incremental: bool,
    pub wanted: Vec<Wanted>,
}

#[derive(Default)]
struct Sessions {
    by_id: HashMap<i32, Arc<Mutex<Session>>>,
    last_id: i32,
    /// Partitions all of them remember.
    remembered: Arc<AtomicUsize>,
}

/// All sessions.
pub(crate) struct FetchSessions {
    sessions: Mutex<Sessions>,
    sessions_max: usize,
    partitions_max: usize,
}

impl FetchSessions {
    pub(crate) fn new(sessions_max: usize) -> FetchSessions {
        FetchSessions { sessions: Mutex::default(), sessions_max, partitions_max: PARTITIONS_MAX }
    }

    /// Decides what a request fetches.
    pub(crate) fn plan(
        &self,
        request: &FetchRequest,
        version: i16,
        now_ms: i64,
    ) -> Result<Plan, ResponseError> {
        let uses_ids = version >= 13;
        let mut sessions = self.sessions.lock().expect("no holder panics");
        match request.session_epoch {
            EPOCH_FINAL | EPOCH_INITIAL => {
                sessions.by_id.remove(&request.session_id);
                let wanted = asked(request);
                if request.session_epoch == EPOCH_FINAL {
                    return Ok(Plan { session_id: 0, session: None, incremental: false, wanted });
                }
                let session = sessions.begin(self, &wanted, uses_ids, now_ms);
                let session_id = session.as_ref().map_or(0, |(id, _)| *id);
                let session = session.map(|(_, session)| session);
                Ok(Plan { session_id, session, incremental: false, wanted })
            }
            epoch => {
                let found = sessions.by_id.get(&request.session_id).cloned();
                drop(sessions);
                let found = found.ok_or(ResponseError::FetchSessionIdNotFound)?;
                let mut session = found.lock().expect("no holder panics");
                if session.uses_ids != uses_ids {
                    return Err(ResponseError::FetchSessionTopicIdError);
                }
                if session.next_epoch != epoch {
                    return Err(ResponseError::InvalidFetchSessionEpoch);
                }
                session.next_epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
                session.used_ms = now_ms;
                if !session.change(request) {
                    // The client begins anew, and without a session if need be.
                    let id = session.id;
                    drop(session);
                    self.sessions.lock().expect("no holder panics").by_id.remove(&id);
                    return Err(ResponseError::FetchSessionIdNotFound);
                }
                let (session_id, wanted) = (session.id, session.wanted.clone());
                drop(session);
                Ok(Plan { session_id, session: Some(found), incremental: true, wanted })
            }
        }
    }
}

impl Sessions {
    fn begin(
        &mut self,
        limits: &FetchSessions,
        wanted: &[Wanted],
        uses_ids: bool,
        now_ms: i64,
    ) -> Option<(i32, Arc<Mutex<Session>>)> {
        if wanted.iter().any(Wanted::is_long) {
            return None;
        }
        if self.by_id.len() >= limits.sessions_max {
            let (oldest, used_ms) = self
                .by_id
                .iter()
                .map(|(id, session)| (*id, session.lock().expect("no holder panics").used_ms))
                .min_by_key(|(_, used_ms)| *used_ms)?;
            if now_ms.saturating_sub(used_ms) < EVICTION_MS {
                return None;
            }
            self.by_id.remove(&oldest);
        }
        let mut remembered =
            Remembered { all: self.remembered.clone(), max: limits.partitions_max, count: 0 };
        if !remembered.set(wanted.len()) {
            return None;
        }
        loop {
            self.last_id = if self.last_id == i32::MAX { 1 } else { self.last_id + 1 };
            if !self.by_id.contains_key(&self.last_id) {
                break;
            }
        }
        let id = self.last_id;
        let session =
            Session { id, next_epoch: 1, uses_ids, used_ms: now_ms, wanted: wanted.to_vec(), remembered };
        let session = Arc::new(Mutex::new(session));
        self.by_id.insert(id, session.clone());
        Some((id, session))
    }
}

impl Session {
    /// Takes in what a request adds, changes and forgets; returns whether all of it may be remembered.
    fn change(&mut self, request: &FetchRequest) -> bool {
        let changes = asked(request);
        let forgets = request.forgotten_topics_data.iter().any(|topic| !topic.partitions.is_empty());
        if changes.is_empty() && !forgets {
            return true;
        }
        if forgets {
            let gone: hashbrown::HashSet<Key> = request
                .forgotten_topics_data
                .iter()
                .flat_map(|topic| {
                    topic.partitions.iter().map(|partition| Key {
                        topic: topic.topic.clone(),
                        topic_id: topic.topic_id,
                        partition: *partition,
                    })
                })
                .collect();
            self.wanted.retain(|wanted| !gone.contains(&wanted.key()));
        }
        let places: HashMap<Key, usize> =
            self.wanted.iter().enumerate().map(|(place, wanted)| (wanted.key(), place)).collect();
        for change in changes {
            match places.get(&change.key()) {
                Some(place) => {
                    let wanted = &mut self.wanted[*place];
                    wanted.fetch_offset = change.fetch_offset;
                    wanted.max_bytes = change.max_bytes;
                    wanted.leader_epoch = change.leader_epoch;
                }
                None if change.is_long() => return false,
                None => self.wanted.push(change),
            }
        }
        self.remembered.set(self.wanted.len())
    }

    /// Notes what the client was told; what gave records goes behind the others, so that all get their turn.
    pub(crate) fn note(&mut self, told: &[Wanted], gave_records: impl Fn(usize) -> bool) {
        let mut places: HashMap<Key, usize> =
            told.iter().enumerate().map(|(place, wanted)| (wanted.key(), place)).collect();
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for mut wanted in std::mem::take(&mut self.wanted) {
            match places.remove(&wanted.key()) {
                Some(place) => {
                    wanted.told_high_watermark = told[place].told_high_watermark;
                    wanted.told_log_start = told[place].told_log_start;
                    wanted.found = told[place].found.clone();
                    if gave_records(place) { &mut last } else { &mut first }.push(wanted);
                }
                None => first.push(wanted),
            }
        }
        first.append(&mut last);
        self.wanted = first;
    }
}

/// Returns what a request names, each partition once: in the first one's place what the last one says, as in Kafka.
fn asked(request: &FetchRequest) -> Vec<Wanted> {
    let named = named(request);
    if named.len() < 2 {
        return named;
    }
    let mut places: HashMap<Key, usize> = HashMap::with_capacity(named.len());
    let mut wanted: Vec<Wanted> = Vec::with_capacity(named.len());
    for named in named {
        match places.entry(named.key()) {
            Entry::Occupied(place) => wanted[*place.get()] = named,
            Entry::Vacant(place) => {
                place.insert(wanted.len());
                wanted.push(named);
            }
        }
    }
    wanted
}

fn named(request: &FetchRequest) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for topic in &request.topics {
        // Its session may keep it for long, and waiting its frame.
        let name = TopicName(own(&topic.topic));
        for partition in &topic.partitions {
            wanted.push(Wanted {
                topic: name.clone(),
                topic_id: topic.topic_id,
                partition: partition.partition,
                fetch_offset: partition.fetch_offset,
                max_bytes: partition.partition_max_bytes,
                leader_epoch: partition.current_leader_epoch,
                told_high_watermark: -1,
                told_log_start: -1,
                is_denied: false,
                found: None,
            });
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
    use kafka_protocol::protocol::StrBytes;

    use super::*;

    fn request(id: i32, epoch: i32, name: &str, partitions: std::ops::Range<i32>) -> FetchRequest {
        let partition = |index| FetchPartition::default().with_partition(index);
        let topic = FetchTopic::default()
            .with_topic(TopicName(StrBytes::from_string(name.to_owned())))
            .with_partitions(partitions.map(partition).collect());
        FetchRequest::default().with_session_id(id).with_session_epoch(epoch).with_topics(vec![topic])
    }

    fn remembered(sessions: &FetchSessions) -> usize {
        sessions.sessions.lock().unwrap().remembered.load(Ordering::Relaxed)
    }

    #[test]
    fn partitions_of_all_sessions_are_counted() {
        let sessions = FetchSessions { partitions_max: 1000, ..FetchSessions::new(10) };
        let plan = |request: FetchRequest| sessions.plan(&request, 12, 0);
        let one = plan(request(0, 0, "t", 0..600)).ok().unwrap();
        assert_eq!((one.session_id, remembered(&sessions)), (1, 600));
        // One more of the same size is answered and not remembered.
        let two = plan(request(0, 0, "t", 0..600)).ok().unwrap();
        assert_eq!((two.session_id, two.wanted.len(), remembered(&sessions)), (0, 600, 600));
        // It may grow, and not too much.
        drop((one, two));
        assert!(plan(request(1, 1, "u", 0..400)).is_ok());
        assert_eq!(remembered(&sessions), 1000);
        let refused = plan(request(1, 2, "v", 0..1)).err();
        assert_eq!(refused, Some(ResponseError::FetchSessionIdNotFound));
        assert_eq!(remembered(&sessions), 0);
        // What is forgotten makes room.
        plan(request(0, 0, "t", 0..10)).ok().unwrap();
        let forgotten = ForgottenTopic::default()
            .with_topic(TopicName(StrBytes::from_static_str("t")))
            .with_partitions(vec![3, 4]);
        plan(request(2, 1, "t", 0..0).with_forgotten_topics_data(vec![forgotten])).ok().unwrap();
        assert_eq!(remembered(&sessions), 8);
    }

    #[test]
    fn session_keeps_no_frame_and_no_name_that_is_none() {
        let frame = Bytes::from_static(b"logins");
        let mut fetch = request(0, 0, "", 0..2);
        fetch.topics[0].topic = TopicName(StrBytes::try_from(frame.clone()).unwrap());
        let wanted = asked(&fetch);
        assert_eq!(&**wanted[1].topic, "logins");
        assert!(wanted.iter().all(|wanted| wanted.topic.as_ptr() != frame.as_ptr()));
        let sessions = FetchSessions::new(10);
        let long = "t".repeat(250);
        assert_eq!(sessions.plan(&request(0, 0, &long, 0..1), 12, 0).ok().unwrap().session_id, 0);
        assert_eq!(sessions.plan(&fetch, 12, 0).ok().unwrap().session_id, 1);
        let refused = sessions.plan(&request(1, 1, &long, 0..1), 12, 0).err();
        assert_eq!(refused, Some(ResponseError::FetchSessionIdNotFound));
        assert_eq!(remembered(&sessions), 0);
    }
}
