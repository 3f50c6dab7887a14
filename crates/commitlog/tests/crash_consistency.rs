//! Random work, a power cut at a random operation, a restart, and a look at what is there. Several cuts in a row on
//! the same disk, some of them during recovery.
//!
//! After every restart: acknowledged records are there at their offsets; nothing aborted or never committed is visible
//! to read-committed readers; a transaction is visible on all its partitions or on none, with its offset and meta value;
//! what was absent once never comes back. `COMMITLOG_CRASHES` sets the number of runs.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use commitlog::*;

mod random;
use random::Random;

const PARTITIONS: u32 = 2;
const WRITERS: usize = 2;
const CUTS_PER_RUN: usize = 4;
/// What is acknowledged in a run at the least, on average over so many runs.
const RUNS_JUDGED_MIN: usize = 100;
const RECORDS_PER_RUN_MIN: usize = 40;
const COMMITS_PER_RUN_MIN: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Acknowledged,
    /// Written, not acknowledged: may be there or not, until a restart decides.
    Open,
    Void,
}

#[derive(Debug, Clone)]
struct Written {
    topic: String,
    partition: u32,
    /// −1 until the append has told.
    offset: i64,
    key: Option<u8>,
    fate: Fate,
    transaction: Option<usize>,
}

struct Transaction {
    values: Vec<u64>,
    consumed: i64,
    meta: u64,
    writer: usize,
    ticket: Option<CommitTicket>,
    fate: Fate,
}

#[derive(Default)]
struct Model {
    next_value: u64,
    written: BTreeMap<u64, Written>,
    transactions: Vec<Transaction>,
    topics: BTreeSet<String>,
    doubtful_topics: BTreeSet<String>,
    /// Committed in order per writer: (consumed, meta), the last that is sure.
    sure: [(i64, u64); WRITERS],
    /// Records and transactions that were acknowledged, not only found later.
    told: Told,
}

#[derive(Clone, Copy, Default)]
struct Told {
    records: usize,
    commits: usize,
}

fn config(threaded: bool) -> LogConfig {
    LogConfig {
        journal_bytes_max: 24 * 1024,
        journal_allocate_bytes: 4 * 1024,
        repeated_bytes_max: 3000,
        ahead_file_bytes: 16 * 1024,
        ahead_bytes_max: 5000,
        unvouched_bytes_max: 1500,
        inline_writer: !threaded,
        ..LogConfig::default()
    }
}

fn settings(compact: bool) -> TopicSettings {
    [("segment.bytes", "6000"), ("index.interval.bytes", "512"), ("min.cleanable.dirty.ratio", "0.1")]
        .into_iter()
        .chain([("cleanup.policy", if compact { "compact" } else { "delete" })])
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn encode(random: &mut Random, values: &[u64], key: Option<u8>) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for value in values {
        let mut text = format!("{value}:").into_bytes();
        let len = [0, 20, 300, 1500][random.below(4) as usize];
        text.resize(text.len() + random.below(len + 1) as usize, b'.');
        builder.append(*value as i64, key.as_ref().map(std::slice::from_ref), Some(&text), &[]);
    }
    builder.finish().to_vec()
}

impl Model {
    fn values(&mut self, count: u64) -> Vec<u64> {
        let from = self.next_value;
        self.next_value += count;
        (from..from + count).collect()
    }

    fn wrote(
        &mut self,
        values: &[u64],
        topic: &str,
        partition: u32,
        base: i64,
        key: Option<u8>,
        tx: Option<usize>,
    ) {
        for (index, value) in values.iter().enumerate() {
            let written = Written {
                topic: topic.to_owned(),
                partition,
                offset: if base < 0 { -1 } else { base + index as i64 },
                key,
                fate: Fate::Open,
                transaction: tx,
            };
            self.written.insert(*value, written);
        }
    }

    fn acknowledge(&mut self, values: &[u64]) {
        self.told.records += values.len();
        for value in values {
            self.written.get_mut(value).unwrap().fate = Fate::Acknowledged;
        }
    }

    /// Takes in the answers that have come.
    fn settle(&mut self) {
        for index in 0..self.transactions.len() {
            let transaction = &self.transactions[index];
            if transaction.fate == Fate::Open
                && let Some(Ok(())) = transaction.ticket.as_ref().and_then(|ticket| ticket.poll())
            {
                let values = transaction.values.clone();
                self.sure[transaction.writer] = (transaction.consumed, transaction.meta);
                self.transactions[index].fate = Fate::Acknowledged;
                self.told.commits += 1;
                self.acknowledge(&values);
            }
        }
    }
}

/// Works until something fails (the power is gone) or the steps are used up.
fn work(log: &Arc<Log>, model: &mut Model, random: &mut Random, steps: u64) -> Result<(), LogError> {
    let mut txs = Vec::new();
    for writer in 0..WRITERS {
        txs.push((log.transaction(&format!("writer-{writer}"), 0)?, None::<usize>));
    }
    let mut readers = BTreeMap::new();
    for step in 0..steps {
        model.settle();
        let now_ms = step as i64;
        let topics: Vec<String> = model.topics.iter().cloned().collect();
        let topic = topics[random.below(topics.len() as u64) as usize].clone();
        let partition = random.below(PARTITIONS as u64) as u32;
        let key = (topic == "compacted").then(|| random.below(5) as u8);
        let writer = random.below(WRITERS as u64) as usize;
        match random.below(100) {
            0..15 => {
                let count = 1 + random.below(4);
                let values = model.values(count);
                let mut bytes = encode(random, &values, key);
                model.wrote(&values, &topic, partition, -1, key, None);
                let info = log.append(&topic, partition, &mut bytes, now_ms)?;
                model.wrote(&values, &topic, partition, info.base_offset, key, None);
            }
            15..35 => {
                let count = 1 + random.below(4);
                let values = model.values(count);
                let mut bytes = encode(random, &values, key);
                model.wrote(&values, &topic, partition, -1, key, None);
                let (info, ticket) = log.append_durable(&topic, partition, &mut bytes, now_ms)?;
                let base = info.base_offset;
                model.wrote(&values, &topic, partition, base, key, None);
                ticket.wait()?;
                // A sync covers what was written before it.
                let before: Vec<u64> = model
                    .written
                    .iter()
                    .filter(|(_, w)| w.topic == topic && w.partition == partition && w.offset < base)
                    .filter(|(_, w)| w.offset >= 0 && w.fate == Fate::Open && w.transaction.is_none())
                    .map(|(value, _)| *value)
                    .collect();
                model.acknowledge(&before);
                model.acknowledge(&values);
            }
            35..65 => {
                let count = 1 + random.below(3);
                let values = model.values(count);
                let mut bytes = encode(random, &values, key);
                let index = *txs[writer].1.get_or_insert_with(|| {
                    let transaction = Transaction {
                        values: Vec::new(),
                        consumed: -1,
                        meta: 0,
                        writer,
                        ticket: None,
                        fate: Fate::Open,
                    };
                    model.transactions.push(transaction);
                    model.transactions.len() - 1
                });
                model.wrote(&values, &topic, partition, -1, key, Some(index));
                model.transactions[index].values.extend(&values);
                let info = txs[writer].0.append(&topic, partition, &mut bytes, now_ms)?;
                model.wrote(&values, &topic, partition, info.base_offset, key, Some(index));
            }
            65..85 => {
                let Some(index) = txs[writer].1.take() else { continue };
                let source = format!("source-{writer}");
                let consumed = log.offsets(&source, 0)?.last_stable;
                let meta = model.next_value;
                model.transactions[index].consumed = consumed;
                model.transactions[index].meta = meta;
                let group = format!("group-{writer}");
                txs[writer].0.set_offset(&group, &source, 0, consumed, now_ms)?;
                txs[writer].0.put_meta(b"meta", &meta.to_be_bytes(), now_ms)?;
                // In doubt from here on, also when handing over fails.
                model.transactions[index].ticket = Some(CommitTicket::default());
                let ticket = txs[writer].0.commit(now_ms)?;
                model.transactions[index].ticket = Some(ticket);
            }
            85..89 => {
                let Some(index) = txs[writer].1.take() else { continue };
                model.transactions[index].fate = Fate::Void;
                for value in model.transactions[index].values.clone() {
                    model.written.get_mut(&value).unwrap().fate = Fate::Void;
                }
                txs[writer].0.abort(now_ms)?;
            }
            89..91 => {
                log.maintain(now_ms)?;
            }
            91 => log.checkpoint_far_partitions()?,
            92..94 => {
                let name = format!("extra-{}", model.next_value);
                model.next_value += 1;
                model.doubtful_topics.insert(name.clone());
                log.create_topic(&name, PARTITIONS, &settings(false), now_ms)?;
                model.doubtful_topics.remove(&name);
                model.topics.insert(name);
            }
            94 => {
                let Some(name) = topics.iter().find(|name| name.starts_with("extra")).cloned() else {
                    continue;
                };
                if txs.iter().any(|(_, open)| open.is_some()) {
                    continue;
                }
                model.topics.remove(&name);
                model.doubtful_topics.insert(name.clone());
                log.delete_topic(&name)?;
                model.doubtful_topics.remove(&name);
            }
            95 => {
                // Taking over voids what is open.
                if let Some(index) = txs[writer].1.take() {
                    model.transactions[index].fate = Fate::Void;
                    for value in model.transactions[index].values.clone() {
                        model.written.get_mut(&value).unwrap().fate = Fate::Void;
                    }
                }
                txs[writer].0 = log.transaction(&format!("writer-{writer}"), now_ms)?;
            }
            _ => {
                let slot = (topic.clone(), partition);
                let reader = match readers.entry(slot) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => {
                        entry.insert(log.reader(&topic, partition, 0, Isolation::ReadCommitted)?)
                    }
                };
                let mut out = Vec::new();
                while reader.has_more() {
                    let before = reader.offset();
                    reader.read(1 + random.below(5000) as usize, &mut out)?;
                    assert!(reader.offset() > before);
                }
            }
        }
    }
    Ok(())
}

fn visible(log: &Arc<Log>, topic: &str, partition: u32) -> Vec<(i64, u64)> {
    let mut reader = log.reader(topic, partition, 0, Isolation::ReadCommitted).unwrap();
    let (mut out, mut scratch, mut found) = (Vec::new(), Vec::new(), Vec::new());
    while reader.has_more() {
        let before = reader.offset();
        reader.read(4096, &mut out).unwrap();
        assert!(reader.offset() > before, "a read goes on");
        for batch in batches(&out) {
            for record in batch.unwrap().records(&mut scratch, 1 << 20).unwrap() {
                let record = record.unwrap();
                let text = std::str::from_utf8(record.value.unwrap()).unwrap();
                let (value, padding) = text.split_once(':').unwrap();
                assert!(padding.bytes().all(|byte| byte == b'.'), "{topic}-{partition}: {text}");
                found.push((record.offset, value.parse().unwrap()));
            }
        }
    }
    assert!(found.is_sorted_by(|left, right| left.0 < right.0), "offsets grow");
    found
}

/// Compares, and takes over what the restart has decided.
fn check(log: &Arc<Log>, model: &mut Model, context: &str) {
    model.settle();
    for name in std::mem::take(&mut model.doubtful_topics) {
        if log.describe_topic(&name).is_ok() {
            model.topics.insert(name);
        }
    }
    let there: BTreeSet<String> = log.topics().into_iter().map(|topic| topic.name).collect();
    assert_eq!(there, model.topics, "{context}: topics");
    let mut present: BTreeMap<u64, i64> = BTreeMap::new();
    let mut newest: BTreeMap<(String, u32, u8), i64> = BTreeMap::new();
    for topic in &there {
        for partition in 0..PARTITIONS {
            let offsets = log.offsets(topic, partition).unwrap();
            assert_eq!(offsets.last_stable, offsets.next, "{context}: nothing is open after a restart");
            for (offset, value) in visible(log, topic, partition) {
                let written = model.written.get_mut(&value).unwrap();
                if written.offset < 0 {
                    // The append failed before it could tell.
                    written.offset = offset;
                }
                assert_eq!(
                    (&written.topic, written.partition),
                    (topic, partition),
                    "{context}: value {value}"
                );
                assert_eq!(written.offset, offset, "{context}: {value} {written:?}");
                assert_ne!(written.fate, Fate::Void, "{context}: void value {value} in {topic}-{partition}");
                present.insert(value, offset);
                if let Some(key) = written.key {
                    newest.insert((topic.clone(), partition, key), offset);
                }
            }
        }
    }
    for (value, written) in &model.written {
        if written.fate != Fate::Acknowledged
            || present.contains_key(value)
            || !there.contains(&written.topic)
        {
            continue;
        }
        let superseded = written.key.is_some_and(|key| {
            newest
                .get(&(written.topic.clone(), written.partition, key))
                .is_some_and(|at| *at > written.offset)
        });
        assert!(superseded, "{context}: acknowledged value {value} is lost: {written:?}");
    }
    // Transactions in doubt: all or nothing, in order.
    for writer in 0..WRITERS {
        let offset = log.committed_offset(&format!("group-{writer}"), &format!("source-{writer}"), 0);
        let consumed = offset.map_or(-1, |offset| offset.offset);
        let meta = log.committed_meta(&format!("writer-{writer}"), b"meta");
        let meta = meta.map_or(0, |meta| u64::from_be_bytes(meta.as_ref().try_into().unwrap()));
        let mut decided = model.sure[writer];
        let mut passed = false;
        for transaction in &mut model.transactions {
            if transaction.writer != writer || transaction.fate != Fate::Open {
                continue;
            }
            if decided == (consumed, meta) {
                passed = true;
            }
            transaction.fate = if transaction.ticket.is_some() && !passed {
                decided = (transaction.consumed, transaction.meta);
                Fate::Acknowledged
            } else {
                Fate::Void
            };
            for value in &transaction.values {
                let written = model.written.get_mut(value).unwrap();
                written.fate = transaction.fate;
                if !there.contains(&written.topic) {
                    continue;
                }
                let superseded = written.key.is_some_and(|key| {
                    newest
                        .get(&(written.topic.clone(), written.partition, key))
                        .is_some_and(|at| *at > written.offset)
                });
                let is_there = present.contains_key(value);
                match transaction.fate {
                    Fate::Acknowledged => {
                        assert!(is_there || superseded, "{context}: part of {value} is missing")
                    }
                    _ => assert!(!is_there, "{context}: uncommitted {value} is visible: {written:?}"),
                }
            }
        }
        assert_eq!(decided, (consumed, meta), "{context}: offset and meta of writer {writer}");
        model.sure[writer] = decided;
        let source = log.offsets(&format!("source-{writer}"), 0).unwrap();
        assert!(consumed <= source.next, "{context}: position {consumed} is behind the end {}", source.next);
    }
    for (value, written) in &mut model.written {
        if written.fate == Fate::Open {
            written.fate = if present.contains_key(value) || written.key.is_some() {
                Fate::Acknowledged
            } else {
                Fate::Void
            };
            // A keyed record may have been compacted away; it is not followed further.
            if written.key.is_some() && !present.contains_key(value) {
                written.topic = "gone".to_owned();
            }
        }
    }
}

fn run(seed: u64) -> Told {
    let mut random = Random::of_seed(seed);
    let threaded = seed % 4 == 3;
    let mut disk = SimulatedDisk::new();
    let mut model = Model::default();
    {
        let log = Log::open(Arc::new(disk.clone()), Path::new("/log"), config(threaded)).unwrap();
        for (name, compact) in
            [("plain", false), ("source-0", false), ("source-1", false), ("compacted", true)]
        {
            log.create_topic(name, PARTITIONS, &settings(compact), 0).unwrap();
            model.topics.insert(name.to_owned());
        }
        model.sure = [(-1, 0); WRITERS];
    }
    for cut in 0..CUTS_PER_RUN {
        let context = format!("seed {seed}, cut {cut}");
        let span = 10u64 << random.below(7);
        let cut_at = disk.operations() + 1 + random.below(span);
        disk.cut_power_at(cut_at);
        match Log::open(Arc::new(disk.clone()), Path::new("/log"), config(threaded)) {
            Ok(log) => {
                let steps = random.below(400);
                let done = work(&log, &mut model, &mut random, steps);
                if let Err(error) = &done {
                    assert!(disk.operations() >= cut_at, "{context}: {error}");
                }
                if done.is_ok() && random.below(2) == 0 {
                    let _ = log.close(1000);
                }
            }
            Err(error) => assert!(error.to_string().contains("power cut"), "{context}: {error}"),
        }
        model.settle();
        disk = disk.crash(random.next());
        // The power may fail again while recovering.
        while random.below(3) == 0 {
            disk.cut_power_at(1 + random.below(60));
            if let Err(error) = Log::open(Arc::new(disk.clone()), Path::new("/log"), config(threaded)) {
                assert!(error.to_string().contains("power cut"), "{context}, recovering: {error}");
            }
            disk = disk.crash(random.next());
        }
        let log = Log::open(Arc::new(disk.clone()), Path::new("/log"), config(threaded))
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        check(&log, &mut model, &context);
        drop(log);
    }
    model.told
}

#[test]
fn acknowledged_work_survives_power_cuts_at_random_points() {
    let runs: u64 = std::env::var("COMMITLOG_CRASHES").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let first: u64 = std::env::var("COMMITLOG_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let told: Vec<Told> = (first..first + runs).map(run).collect();
    let records: usize = told.iter().map(|told| told.records).sum();
    let commits: usize = told.iter().map(|told| told.commits).sum();
    println!("{records} records and {commits} transactions acknowledged in {runs} runs");
    // Without them nothing could have been lost.
    let runs = runs as usize;
    let is_enough = records >= RECORDS_PER_RUN_MIN * runs && commits >= COMMITS_PER_RUN_MIN * runs;
    assert!(is_enough || runs < RUNS_JUDGED_MIN, "{records} records, {commits} transactions in {runs} runs");
}
