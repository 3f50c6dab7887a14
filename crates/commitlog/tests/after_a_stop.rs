//! What a start finds that is not as it was left: old records, lost journals, files of somebody else.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use commitlog::*;

const YEAR_MS: i64 = 365 * 24 * 3_600_000;
const NOW_MS: i64 = 55 * YEAR_MS;

fn open(disk: &SimulatedDisk) -> Result<Arc<Log>, LogError> {
    let config = LogConfig { inline_writer: true, ..LogConfig::default() };
    Log::open(Arc::new(disk.clone()), "/log", config)
}

fn topic_dir(disk: &SimulatedDisk) -> PathBuf {
    let topics = Path::new("/log/topics");
    topics.join(&disk.list(topics).unwrap()[0])
}

fn old_batch(producer: Option<ProducerIdentity>) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.append(NOW_MS - 10 * YEAR_MS, None, Some(b"old"), &[]);
    let mut bytes = builder.finish().to_vec();
    if let Some(producer) = producer {
        set_producer(&mut bytes, producer.producer_id, producer.epoch, 0, true);
    }
    bytes
}

#[test]
fn old_records_are_kept_when_a_kill_left_a_transaction_open() {
    let disk = SimulatedDisk::new();
    let log = open(&disk).unwrap();
    log.create_topic("t", 1, &TopicSettings::default(), NOW_MS).unwrap();
    log.append_durable("t", 0, &mut old_batch(None), NOW_MS).unwrap().1.wait().unwrap();
    let producer = log.init_producer(Some("p"), 60_000, NOW_MS).unwrap();
    log.add_partitions_to_transaction("p", producer, &[("t", 0)], NOW_MS).unwrap();
    log.append_client("t", 0, Some("p"), &mut old_batch(Some(producer)), NOW_MS).unwrap();
    log.flush("t", 0).unwrap().wait().unwrap();
    drop(log);
    let log = open(&disk).unwrap();
    log.maintain(NOW_MS + 1000).unwrap();
    assert_eq!(log.offsets("t", 0).unwrap().log_start, 0);
}

#[test]
fn lost_topic_journal_is_not_taken_for_no_topics() {
    let disk = SimulatedDisk::new();
    let log = open(&disk).unwrap();
    log.create_topic("t", 1, &TopicSettings::default(), 0).unwrap();
    log.append_durable("t", 0, &mut old_batch(None), 0).unwrap().1.wait().unwrap();
    drop(log);
    disk.remove(Path::new("/log/topics.journal")).unwrap();
    for _ in 0..2 {
        let error = open(&disk).err().unwrap().to_string();
        assert!(error.contains("records but no topic"), "{error}");
    }
    let segment = topic_dir(&disk).join("0/00000000000000000000.log");
    assert!(!disk.open(&segment).unwrap().is_empty().unwrap(), "nothing is removed");
}

#[test]
fn files_of_somebody_else_among_the_topics_are_left_alone() {
    let disk = SimulatedDisk::new();
    let log = open(&disk).unwrap();
    log.create_topic("t", 1, &TopicSettings::default(), 0).unwrap();
    drop(log);
    let copy = PathBuf::from(format!("{}.bak", topic_dir(&disk).display()));
    disk.create_dir(&copy).unwrap();
    disk.create(Path::new("/log/topics/notes.txt")).unwrap();
    let log = open(&disk).unwrap();
    log.append_durable("t", 0, &mut old_batch(None), 0).unwrap().1.wait().unwrap();
    assert_eq!(disk.list(Path::new("/log/topics")).unwrap().len(), 3);
}

#[test]
fn partitions_that_could_not_be_noted_are_not_there() {
    let disk = SimulatedDisk::new();
    let log = open(&disk).unwrap();
    log.create_topic("t", 1, &TopicSettings::default(), 0).unwrap();
    let (mut refused, mut taken) = (0, 0);
    // The journal's entry is the last that growing writes: every power cut before leaves one partition.
    for cut in 1..20 {
        let other = disk.crash(cut);
        let log = open(&other).unwrap();
        let begun = other.operations();
        other.cut_power_at(begun + cut);
        let grown = log.create_partitions("t", 2);
        let appended = log.append("t", 1, &mut old_batch(None), 0);
        assert!(grown.is_ok() || appended.is_err(), "cut {cut}: taken before it is noted");
        refused += u32::from(grown.is_err());
        taken += u32::from(appended.is_ok());
    }
    assert!(refused > 4 && taken > 4, "{refused} refused, {taken} taken");
}

#[test]
fn commit_after_a_close_is_refused_and_nobody_waits_for_it() {
    for inline_writer in [false, true] {
        let disk = SimulatedDisk::new();
        let config = LogConfig { inline_writer, ..LogConfig::default() };
        let log = Log::open(Arc::new(disk.clone()), "/log", config).unwrap();
        log.create_topic("t", 1, &TopicSettings::default(), 0).unwrap();
        let mut tx = log.transaction("w", 0).unwrap();
        log.close(0).unwrap();
        tx.put_meta(b"key", b"value", 0).unwrap();
        let refused = tx.commit(0).map(|_| ());
        assert!(matches!(refused, Err(LogError::Closed)), "{refused:?}, inline {inline_writer}");
        // It waits for commits on their way.
        tx.abort(0).unwrap();
        drop((tx, log));
        let log = open(&disk).unwrap();
        assert_eq!(log.committed_meta("w", b"key"), None);
    }
}
