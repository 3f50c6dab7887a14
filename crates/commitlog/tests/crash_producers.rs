//! Producers from outside over power cuts and killed processes: batches with sequence numbers that are sent again until
//! they are acknowledged, transactions of both protocols, positions of groups, deletion of records, new partitions.
//!
//! After every restart: a partition has exactly the batches that its producer has sent so far, up to one that is not
//! acknowledged, each once and in order; a transaction is there whole or not at all; positions are the last ones
//! acknowledged or newer; the first offset never goes back. `COMMITLOG_CRASHES` sets the number of runs.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use commitlog::*;

mod random;
use random::Random;

/// What a client has on its way at most, as Kafka's clients do.
const IN_FLIGHT_MAX: usize = 5;
const IDEMPOTENT: usize = 2;
const TRANSACTIONAL: usize = 2;
const CUTS_PER_RUN: usize = 4;
/// What is acknowledged in a run at the least, on average over so many runs.
const RUNS_JUDGED_MIN: u64 = 100;
const RECORDS_PER_RUN_MIN: u64 = 100;
const COMMITS_PER_RUN_MIN: u64 = 7;

fn config(threaded: bool) -> LogConfig {
    LogConfig {
        journal_bytes_max: 12 * 1024,
        journal_allocate_bytes: 4 * 1024,
        repeated_bytes_max: 2000,
        ahead_file_bytes: 16 * 1024,
        ahead_bytes_max: 5000,
        inline_writer: !threaded,
        ..LogConfig::default()
    }
}

fn settings(pairs: &[(&str, &str)]) -> TopicSettings {
    [("segment.bytes", "4000"), ("index.interval.bytes", "512")]
        .iter()
        .chain(pairs)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// A batch as a client makes it: the values are consecutive numbers, which are its sequence numbers too.
fn encode(
    random: &mut Random,
    producer: ProducerIdentity,
    first: i32,
    count: i32,
    text: &str,
    transactional: bool,
) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for value in first..first + count {
        let padding = ".".repeat(random.below(400) as usize);
        builder.append(1_000, None, Some(format!("{text}{value}:{padding}").as_bytes()), &[]);
    }
    let mut bytes = builder.finish().to_vec();
    set_producer(&mut bytes, producer.producer_id, producer.epoch, first, transactional);
    bytes
}

/// A producer without transactions: its topic has one partition of its own.
#[derive(Default)]
struct Idempotent {
    topic: String,
    identity: Option<ProducerIdentity>,
    /// Batches sent and not acknowledged: first sequence, count, bytes.
    in_flight: VecDeque<(i32, i32, Vec<u8>)>,
    /// How many of them this connection has sent already.
    resent: usize,
    sent: i32,
    acknowledged: i32,
}

impl Idempotent {
    fn step(&mut self, log: &Arc<Log>, random: &mut Random) -> Result<(), LogError> {
        let identity = match self.identity {
            Some(identity) => identity,
            None => *self.identity.insert(log.init_producer(None, 0, 0)?),
        };
        if self.resent == self.in_flight.len() && self.in_flight.len() < IN_FLIGHT_MAX {
            let count = 1 + random.below(3) as i32;
            self.in_flight.push_back((
                self.sent,
                count,
                encode(random, identity, self.sent, count, "", false),
            ));
            self.sent += count;
        }
        // In order, whether for the first time or again.
        if self.resent < self.in_flight.len() {
            let mut bytes = self.in_flight[self.resent].2.clone();
            let info = log.append_client(&self.topic, 0, &mut bytes, 1_000)?;
            assert_eq!(
                info.last_offset - info.base_offset + 1,
                self.in_flight[self.resent].1 as i64,
                "the offsets are those of the whole batch"
            );
            assert_eq!(
                info.base_offset, self.in_flight[self.resent].0 as i64,
                "nothing else is in the partition"
            );
            self.resent += 1;
        }
        if random.below(3) == 0 {
            log.flush(&self.topic, 0)?.wait()?;
            for (first, count, _) in self.in_flight.drain(..self.resent) {
                self.acknowledged = first + count;
            }
            self.resent = 0;
        }
        Ok(())
    }

    fn check(&mut self, log: &Arc<Log>, context: &str) {
        let start = log.offsets(&self.topic, 0).unwrap().log_start;
        let found = visible(log, &self.topic, 0);
        let end = found.last().map_or(start, |(offset, _)| offset + 1);
        assert!(
            end >= self.acknowledged as i64,
            "{context}: {} ends at {end}, {} acknowledged",
            self.topic,
            self.acknowledged
        );
        assert!(end <= self.sent as i64, "{context}: more in {} than was sent", self.topic);
        for (index, (offset, text)) in found.iter().enumerate() {
            assert_eq!(*offset, start.max(found[0].0) + index as i64, "{context}: {}", self.topic);
            assert_eq!(*text, offset.to_string(), "{context}: {} at {offset}", self.topic);
        }
        // A new connection sends everything again that was not acknowledged.
        self.resent = 0;
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Committed,
    Doubtful,
    Void,
}

struct Transaction {
    values: Vec<(u32, String)>,
    position: i64,
    fate: Fate,
}

/// A producer with transactions over the partitions of the topic "moved", with positions in the transaction.
#[derive(Default)]
struct Transactional {
    id: String,
    /// The protocol that raises the epoch at every end.
    raises: bool,
    identity: Option<ProducerIdentity>,
    sequences: BTreeMap<u32, i32>,
    open: Option<usize>,
    transactions: Vec<Transaction>,
    count: u64,
    waiting: Option<(usize, CommitTicket)>,
    position: i64,
    /// Transactions whose commit was acknowledged.
    committed: u64,
}

impl Transactional {
    fn begin(&mut self) -> usize {
        *self.open.get_or_insert_with(|| {
            self.transactions.push(Transaction { values: Vec::new(), position: -1, fate: Fate::Void });
            self.transactions.len() - 1
        })
    }

    fn init(&mut self, log: &Arc<Log>) -> Result<ProducerIdentity, LogError> {
        self.open = None;
        self.sequences.clear();
        let identity = log.init_producer(Some(&self.id), 60_000, 0)?;
        self.settle();
        self.identity = Some(identity);
        Ok(identity)
    }

    fn settle(&mut self) {
        if let Some((index, ticket)) = &self.waiting {
            match ticket.poll() {
                Some(Ok(())) => {
                    self.transactions[*index].fate = Fate::Committed;
                    self.committed += 1;
                }
                Some(Err(_)) => {}
                None => return,
            }
            self.waiting = None;
        }
    }

    fn step(&mut self, log: &Arc<Log>, random: &mut Random) -> Result<(), LogError> {
        self.settle();
        let Some(identity) = self.identity else { return self.init(log).map(drop) };
        let group = format!("group-{}", self.id);
        match random.below(10) {
            0..6 => {
                let index = self.begin();
                let partition = random.below(log.describe_topic("moved")?.partitions as u64) as u32;
                log.add_partitions_to_transaction(&self.id, identity, &[("moved", partition)], 0)?;
                let count = 1 + random.below(3) as i32;
                let first = self.sequences.get(&partition).copied().unwrap_or(0);
                let text = format!("{}-{}-", self.id, self.count);
                self.count += 1;
                let mut bytes = encode(random, identity, first, count, &text, true);
                let values = (first..first + count).map(|value| (partition, format!("{text}{value}")));
                self.transactions[index].values.extend(values);
                let info = log.append_client("moved", partition, &mut bytes, 1_000)?;
                self.sequences.insert(partition, first + count);
                if random.below(4) == 0 {
                    // The answer was lost; the client sends it again.
                    let again = log.append_client("moved", partition, &mut bytes, 1_000)?;
                    assert!(again.duplicate && again.base_offset == info.base_offset);
                }
                if random.below(2) == 0 {
                    log.flush("moved", partition)?.wait()?;
                }
            }
            6 => {
                let index = self.begin();
                let position = log.offsets("idempotent-0", 0)?.last_stable;
                log.add_group_to_transaction(&self.id, identity, &group, 0)?;
                let commit = offset_commit("idempotent-0", position);
                log.add_offsets_to_transaction(&self.id, identity, &group, &[commit], 0)?;
                self.transactions[index].position = position;
            }
            7..9 => {
                let Some(index) = self.open.take() else { return Ok(()) };
                // In doubt from here on, also when asking fails.
                self.transactions[index].fate = Fate::Doubtful;
                if self.raises {
                    self.identity = Some(log.end_transaction_and_raise(&self.id, identity, true, 0)?);
                    self.sequences.clear();
                    self.transactions[index].fate = Fate::Committed;
                    self.committed += 1;
                } else {
                    let ticket = log.end_transaction(&self.id, identity, true, 0)?;
                    if random.below(2) == 0 {
                        ticket.wait()?;
                    }
                    self.waiting = Some((index, ticket));
                }
            }
            _ if random.below(3) == 0 => {
                self.init(log)?;
            }
            _ => {
                if self.open.take().is_none() {
                    return Ok(());
                }
                if self.raises {
                    self.identity = Some(log.end_transaction_and_raise(&self.id, identity, false, 0)?);
                    self.sequences.clear();
                } else {
                    log.end_transaction(&self.id, identity, false, 0)?.wait()?;
                }
            }
        }
        Ok(())
    }

    /// Judges all transactions, and takes over what the restart has decided.
    fn check(&mut self, log: &Arc<Log>, there: &BTreeSet<(u32, String)>, context: &str) {
        self.settle();
        self.waiting = None;
        let group = format!("group-{}", self.id);
        let position = log.committed_offset(&group, "idempotent-0", 0).map_or(-1, |offset| offset.offset);
        let mut decided = self.position;
        for (index, transaction) in self.transactions.iter_mut().enumerate() {
            let present = transaction.values.iter().filter(|value| there.contains(value)).count();
            let whole = present == transaction.values.len();
            let context = format!("{context}: transaction {index} of {}, {:?}", self.id, transaction.fate);
            match transaction.fate {
                Fate::Committed => assert!(whole, "{context}: {present} of {:?}", transaction.values),
                Fate::Void => assert_eq!(present, 0, "{context}"),
                Fate::Doubtful => {
                    assert!(whole || present == 0, "{context}: {present} of {:?}", transaction.values);
                    let with_records = !transaction.values.is_empty();
                    let with_position = transaction.position >= 0;
                    let committed =
                        if with_records { whole } else { with_position && position == transaction.position };
                    transaction.fate = if committed { Fate::Committed } else { Fate::Void };
                }
            }
            if transaction.fate == Fate::Committed && transaction.position >= 0 {
                decided = transaction.position;
            }
        }
        assert_eq!(position, decided, "{context}: position of {group}");
        self.position = decided;
        // Decided ones are followed to the end, but there is no need to look at void ones for ever.
        self.transactions
            .retain(|transaction| transaction.fate == Fate::Committed || !transaction.values.is_empty());
        self.identity = None;
        self.open = None;
    }
}

fn offset_commit(topic: &str, offset: i64) -> OffsetCommit {
    OffsetCommit { topic: topic.to_owned(), partition: 0, offset, leader_epoch: -1, metadata: String::new() }
}

/// What is said to have happened to the topics and the group without transactions.
#[derive(Default)]
struct Model {
    idempotent: Vec<Idempotent>,
    transactional: Vec<Transactional>,
    partitions: u32,
    partitions_doubtful: u32,
    /// Acknowledged and last tried.
    position: (i64, i64),
    starts: BTreeMap<String, i64>,
    now_ms: i64,
}

fn work(log: &Arc<Log>, model: &mut Model, random: &mut Random, steps: u64) -> Result<(), LogError> {
    for _ in 0..steps {
        model.now_ms += 10;
        match random.below(100) {
            0..45 => {
                let index = random.below(IDEMPOTENT as u64) as usize;
                model.idempotent[index].step(log, random)?;
            }
            45..88 => {
                let index = random.below(TRANSACTIONAL as u64) as usize;
                model.transactional[index].step(log, random)?;
            }
            88..91 => {
                let offset = log.offsets("idempotent-1", 0)?.next;
                model.position.1 = offset;
                log.commit_offsets("plain", &[offset_commit("idempotent-1", offset)], model.now_ms)?
                    .wait()?;
                model.position.0 = offset;
            }
            91..93 => {
                let topic = format!("idempotent-{}", random.below(IDEMPOTENT as u64));
                let offsets = log.offsets(&topic, 0)?;
                let to = offsets.log_start
                    + random.below((offsets.durable - offsets.log_start).max(0) as u64 + 1) as i64;
                let start = log.delete_records(&topic, 0, to)?;
                assert!(start >= to);
                model.starts.insert(topic, start);
            }
            93 => {
                model.partitions_doubtful = (model.partitions + 1).min(6);
                if model.partitions_doubtful > model.partitions {
                    log.create_partitions("moved", model.partitions_doubtful)?;
                    model.partitions = model.partitions_doubtful;
                }
            }
            _ => {
                log.maintain(model.now_ms)?;
            }
        }
    }
    Ok(())
}

fn visible(log: &Arc<Log>, topic: &str, partition: u32) -> Vec<(i64, String)> {
    let start = log.offsets(topic, partition).unwrap().log_start;
    let mut reader = log.reader(topic, partition, start, Isolation::ReadCommitted).unwrap();
    let (mut out, mut scratch, mut found) = (Vec::new(), Vec::new(), Vec::new());
    while reader.has_more() {
        reader.read(4096, &mut out).unwrap();
        for batch in batches(&out) {
            for record in batch.unwrap().records(&mut scratch, 1 << 20).unwrap() {
                let record = record.unwrap();
                let text = std::str::from_utf8(record.value.unwrap()).unwrap();
                if record.offset >= start {
                    let (value, padding) = text.split_once(':').unwrap();
                    assert!(padding.bytes().all(|byte| byte == b'.'), "{topic}-{partition}: {text}");
                    found.push((record.offset, value.to_owned()));
                }
            }
        }
    }
    assert!(found.is_sorted_by(|left, right| left.0 < right.0), "offsets grow");
    found
}

fn check(log: &Arc<Log>, model: &mut Model, context: &str) {
    let partitions = log.describe_topic("moved").unwrap().partitions;
    assert!(
        partitions == model.partitions || partitions == model.partitions_doubtful,
        "{context}: {partitions} partitions"
    );
    model.partitions = partitions;
    model.partitions_doubtful = partitions;
    let mut there = BTreeSet::new();
    for partition in 0..partitions {
        let offsets = log.offsets("moved", partition).unwrap();
        assert_eq!(offsets.last_stable, offsets.next, "{context}: nothing is open after a restart");
        for (offset, text) in visible(log, "moved", partition) {
            assert!(there.insert((partition, text)), "{context}: a value is there twice, again at {offset}");
        }
    }
    for producer in &mut model.transactional {
        producer.check(log, &there, context);
    }
    for producer in &mut model.idempotent {
        let start = log.offsets(&producer.topic, 0).unwrap().log_start;
        let known = model.starts.insert(producer.topic.clone(), start).unwrap_or(0);
        assert!(
            start >= known,
            "{context}: the first offset of {} was {known} and is {start}",
            producer.topic
        );
        producer.check(log, context);
    }
    let position = log.committed_offset("plain", "idempotent-1", 0).map_or(-1, |offset| offset.offset);
    assert!(
        position == model.position.0 || position == model.position.1,
        "{context}: position {position}, {:?} tried",
        model.position
    );
    model.position = (position, position);
    let end = log.offsets("idempotent-1", 0).unwrap().next;
    assert!(position <= end, "{context}: position {position} is behind the end {end}");
}

/// What came of a run: crash points, records and transactions acknowledged.
#[derive(Clone, Copy, Default)]
struct Done {
    points: u64,
    records: u64,
    commits: u64,
}

fn run(seed: u64) -> Done {
    let mut random = Random::of_seed(seed);
    let threaded = seed % 4 == 3;
    let mut disk = SimulatedDisk::new();
    let mut done = Done::default();
    let mut model = Model { partitions: 2, partitions_doubtful: 2, position: (-1, -1), ..Model::default() };
    {
        let log = Log::open(Arc::new(disk.clone()), Path::new("/log"), config(threaded)).unwrap();
        for index in 0..IDEMPOTENT {
            let topic = format!("idempotent-{index}");
            let retention: &[(&str, &str)] = if index == 0 { &[] } else { &[("retention.bytes", "12000")] };
            log.create_topic(&topic, 1, &settings(retention), 0).unwrap();
            model.idempotent.push(Idempotent { topic, ..Idempotent::default() });
        }
        log.create_topic("moved", 2, &settings(&[]), 0).unwrap();
    }
    for index in 0..TRANSACTIONAL {
        let id = format!("t{index}");
        model.transactional.push(Transactional {
            id,
            raises: index == 1,
            position: -1,
            ..Transactional::default()
        });
    }
    for cut in 0..CUTS_PER_RUN {
        let context = format!("seed {seed}, cut {cut}");
        // Sometimes only the process dies: what was written stays, synced or not.
        let killed = random.below(4) == 0;
        let span = 10u64 << random.below(7);
        let cut_at = disk.operations() + 1 + random.below(span);
        if !killed {
            disk.cut_power_at(cut_at);
        }
        match Log::open(Arc::new(disk.clone()), Path::new("/log"), config(threaded)) {
            Ok(log) => {
                let steps = random.below(400);
                let worked = work(&log, &mut model, &mut random, steps);
                if let Err(error) = &worked {
                    assert!(!killed && disk.operations() >= cut_at, "{context}: {error}");
                }
                if worked.is_ok() && random.below(3) == 0 {
                    let _ = log.close(model.now_ms);
                }
            }
            Err(error) => assert!(error.to_string().contains("power cut"), "{context}: {error}"),
        }
        done.points += 1;
        if !killed {
            disk = disk.crash(random.next());
            while random.below(3) == 0 {
                disk.cut_power_at(1 + random.below(60));
                if let Err(error) = Log::open(Arc::new(disk.clone()), Path::new("/log"), config(threaded)) {
                    assert!(error.to_string().contains("power cut"), "{context}, recovering: {error}");
                }
                disk = disk.crash(random.next());
                done.points += 1;
            }
        }
        let log = Log::open(Arc::new(disk.clone()), Path::new("/log"), config(threaded))
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        check(&log, &mut model, &context);
        drop(log);
    }
    done.records = model.idempotent.iter().map(|producer| producer.acknowledged as u64).sum();
    done.commits = model.transactional.iter().map(|producer| producer.committed).sum();
    done
}

#[test]
fn producers_lose_and_double_nothing_at_random_points() {
    let runs: u64 = std::env::var("COMMITLOG_CRASHES").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let first: u64 = std::env::var("COMMITLOG_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let all: Vec<Done> = (first..first + runs).map(run).collect();
    let [points, records, commits] =
        [|done: &Done| done.points, |done: &Done| done.records, |done: &Done| done.commits]
            .map(|count| all.iter().map(count).sum::<u64>());
    println!(
        "{points} crash points, {records} records and {commits} transactions acknowledged in {runs} runs"
    );
    // Without them nothing could have been lost.
    let is_enough = records >= RECORDS_PER_RUN_MIN * runs && commits >= COMMITS_PER_RUN_MIN * runs;
    assert!(is_enough || runs < RUNS_JUDGED_MIN, "{records} records, {commits} transactions in {runs} runs");
}

#[test]
fn a_producer_is_known_after_its_records_are_deleted_and_the_process_is_killed() {
    let disk = SimulatedDisk::new();
    let log = Log::open(Arc::new(disk.clone()), Path::new("/log"), config(false)).unwrap();
    log.create_topic("t", 1, &settings(&[]), 0).unwrap();
    let producer = log.init_producer(None, 0, 0).unwrap();
    let mut random = Random::of_seed(7);
    let mut batch = |sequence| encode(&mut random, producer, sequence, 1, "", false);
    // Several segments since the last checkpoint, all of them below the new start.
    for sequence in 0..60 {
        log.append_client("t", 0, &mut batch(sequence), 0).unwrap();
    }
    let mut last = batch(60);
    let info = log.append_client("t", 0, &mut last, 0).unwrap();
    assert_eq!(log.delete_records("t", 0, -1).unwrap(), 61);
    drop(log);
    let log = Log::open(Arc::new(disk), Path::new("/log"), config(false)).unwrap();
    let again = log.append_client("t", 0, &mut last, 0).unwrap();
    assert!(again.duplicate && again.base_offset == info.base_offset);
    assert!(log.append_client("t", 0, &mut batch(62), 0).is_err());
    assert_eq!(log.append_client("t", 0, &mut batch(61), 0).unwrap().base_offset, 61);
}
