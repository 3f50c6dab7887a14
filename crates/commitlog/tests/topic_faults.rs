//! Topics on a disk that fails once, at every operation of a series of changes, or that is full: what was acknowledged,
//! and nothing else, is there at once, after the changes that follow, and after a start.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use commitlog::*;

fn open(disk: &SimulatedDisk) -> Arc<Log> {
    let config = LogConfig { inline_writer: true, journal_allocate_bytes: 0, ..LogConfig::default() };
    Log::open(Arc::new(disk.clone()), "/log", config).unwrap()
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Create(&'static str, u32),
    Delete(&'static str),
    Alter(&'static str, &'static str),
    Grow(&'static str, u32),
    /// A group's position.
    Consume(&'static str),
}

use Change::*;

/// Names that come again and entries of several lengths, so that what a failed write leaves is longer or shorter than what
/// is written over it.
const CHANGES: [Change; 12] = [
    Create("a", 1),
    Consume("a"),
    Create("b-with-a-name-of-some-length", 2),
    Alter("a", "12345678901"),
    Grow("a", 3),
    Delete("a"),
    Create("c", 1),
    Create("a", 2),
    Alter("c", "7"),
    Consume("c"),
    Delete("b-with-a-name-of-some-length"),
    Delete("c"),
];

/// A topic's number of partitions, its `retention.ms`, and whether a group has a position in it.
type Topics = BTreeMap<&'static str, (u32, Option<String>, bool)>;

impl Change {
    fn make(self, log: &Log) -> Result<(), LogError> {
        match self {
            Create(topic, partitions) => {
                log.create_topic(topic, partitions, &TopicSettings::new(), 0).map(|_| ())
            }
            Delete(topic) => log.delete_topic(topic),
            Alter(topic, ms) => log.alter_topic(topic, &[("retention.ms", Some(ms))]).map(|_| ()),
            Grow(topic, partitions) => log.create_partitions(topic, partitions).map(|_| ()),
            Consume(topic) => {
                let commit = OffsetCommit {
                    topic: topic.to_owned(),
                    partition: 0,
                    offset: 0,
                    leader_epoch: -1,
                    metadata: String::new(),
                };
                log.commit_offsets("group", &[commit], 0).and_then(|ticket| ticket.wait())
            }
        }
    }

    /// Returns what should be there afterwards; `None` if the change makes no sense.
    fn after(self, before: &Topics) -> Option<Topics> {
        let mut topics = before.clone();
        match self {
            Create(topic, partitions) => {
                topics.insert(topic, (partitions, None, false)).is_none().then_some(topics)
            }
            Delete(topic) => topics.remove(topic).map(|_| topics),
            Alter(topic, ms) => topics.get_mut(topic).map(|t| t.1 = Some(ms.to_owned())).map(|()| topics),
            Grow(topic, partitions) => topics.get_mut(topic).map(|t| t.0 = partitions).map(|()| topics),
            Consume(topic) => topics.get_mut(topic).map(|t| t.2 = true).map(|()| topics),
        }
    }
}

fn check(log: &Log, expected: &[&Topics], context: &str) {
    let found: BTreeMap<String, (u32, Option<String>, bool)> = log
        .topics()
        .into_iter()
        .map(|topic| {
            let is_consumed = log.committed_offset("group", &topic.name, 0).is_some();
            let retention_ms = topic.settings.get("retention.ms").cloned();
            for partition in 0..topic.partitions {
                assert_eq!(log.offsets(&topic.name, partition).unwrap().next, 0, "{context}");
            }
            (topic.name, (topic.partitions, retention_ms, is_consumed))
        })
        .collect();
    let is_same = |topics: &&Topics| {
        topics.len() == found.len() && topics.iter().all(|(name, topic)| found.get(*name) == Some(topic))
    };
    assert!(expected.iter().any(is_same), "{context}: {found:?} instead of {expected:?}");
}

fn check_starts(disk: &SimulatedDisk, expected: &[&Topics], context: &str) {
    for seed in 0..4 {
        check(&open(&disk.crash(seed)), expected, &format!("{context}, power cut {seed}"));
    }
}

/// What a run has met.
#[derive(Default, Debug)]
struct Met {
    refused: u32,
    read_only: u32,
}

/// Makes the changes; one that fails has done nothing, unless the log is read-only.
fn make_changes(log: &Log, disk: &SimulatedDisk, context: &str, met: &mut Met) {
    let mut topics = Topics::new();
    for (index, change) in CHANGES.into_iter().enumerate() {
        let context = format!("{context}, change {index} {change:?}");
        let Some(after) = change.after(&topics) else {
            change.make(log).unwrap_err();
            continue;
        };
        match change.make(log) {
            Ok(()) => topics = after,
            Err(_) if log.read_only_cause().is_some() => {
                // Only a start tells.
                met.read_only += 1;
                check(log, &[&topics, &after], &context);
                check_starts(disk, &[&topics, &after], &context);
                return;
            }
            Err(_) => {
                met.refused += 1;
                check_starts(disk, &[&topics], &context);
            }
        }
        check(log, &[&topics], &context);
    }
    check_starts(disk, &[&topics], context);
    disk.set_capacity(None);
    // The failure may be here.
    if log.maintain(0).is_err() && log.read_only_cause().is_none() {
        log.maintain(0).unwrap();
    }
    if log.read_only_cause().is_some() {
        return;
    }
    let dirs = disk.list(Path::new("/log/topics")).unwrap();
    assert_eq!(dirs.len(), topics.len(), "{context}: {dirs:?}");
}

#[test]
fn change_that_fails_is_taken_back_whatever_was_written() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    let first = disk.operations();
    make_changes(&log, &disk, "no failure", &mut Met::default());
    let count = disk.operations() - first;
    let mut met = Met::default();
    for nth in 1..=count {
        for kept in [0, 1, 15, 17, usize::MAX] {
            let disk = SimulatedDisk::new();
            let log = open(&disk);
            assert_eq!(disk.operations(), first);
            disk.fail_operation_at(first + nth, kept);
            make_changes(&log, &disk, &format!("operation {nth} of {count}, {kept} bytes kept"), &mut met);
        }
    }
    assert!(met.refused > 100 && met.read_only > 50, "{met:?}");
}

#[test]
fn change_that_a_full_disk_refuses_is_taken_back() {
    let mut met = Met::default();
    for capacity in (0..4000).step_by(7) {
        let disk = SimulatedDisk::new();
        let log = open(&disk);
        disk.set_capacity(Some(capacity));
        make_changes(&log, &disk, &format!("capacity {capacity}"), &mut met);
    }
    assert!(met.refused > 500 && met.read_only == 0, "{met:?}");
}
