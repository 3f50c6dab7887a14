//! What a start trusts and what it reads again.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use commitlog::*;

fn config() -> LogConfig {
    LogConfig {
        inline_writer: true,
        journal_allocate_bytes: 4096,
        unvouched_bytes_max: 1000,
        // They would give back what is cut.
        ahead_file_bytes: 0,
        ..LogConfig::default()
    }
}

fn open(disk: &SimulatedDisk) -> Arc<Log> {
    Log::open(Arc::new(disk.clone()), "/log", config()).unwrap()
}

fn append(log: &Log, count: i64) {
    for _ in 0..count {
        let mut builder = BatchBuilder::new();
        builder.append(7, None, Some(&[b'.'; 200]), &[]);
        let mut bytes = builder.finish().to_vec();
        log.append_durable("t", 0, &mut bytes, 0).unwrap().1.wait().unwrap();
    }
}

fn log_file(disk: &SimulatedDisk) -> PathBuf {
    let topics = Path::new("/log/topics");
    topics.join(&disk.list(topics).unwrap()[0]).join("0/00000000000000000000.log")
}

fn flip(disk: &SimulatedDisk, position: u64) {
    let file = disk.open(&log_file(disk)).unwrap();
    let mut byte = [0];
    file.read_at(&mut byte, position).unwrap();
    byte[0] ^= 1;
    file.write_at(&byte, position).unwrap();
    file.sync_data().unwrap();
}

/// A log with a checkpoint behind twenty records.
fn log_with_checkpoint(disk: &SimulatedDisk) -> Arc<Log> {
    let log = open(disk);
    log.create_topic("t", 1, &TopicSettings::default(), 0).unwrap();
    append(&log, 20);
    log.checkpoint_far_partitions().unwrap();
    log
}

#[test]
fn start_after_a_kill_reads_on_from_the_last_checkpoint() {
    let disk = SimulatedDisk::new();
    let log = log_with_checkpoint(&disk);
    let vouched = disk.open(&log_file(&disk)).unwrap().len().unwrap();
    append(&log, 3);
    let crashed = disk.crash(0);
    drop(log);

    // Vouched for: not read again, so damage there shows when it is read and not before.
    flip(&crashed, 100);
    let log = open(&crashed);
    assert_eq!(log.offsets("t", 0).unwrap().next, 23);
    let mut out = Vec::new();
    let corrupt = log.read("t", 0, 0, 1, Isolation::ReadUncommitted, &mut out);
    assert!(matches!(corrupt, Err(LogError::Corrupt { offset: 0, .. })));
    log.read("t", 0, 18, 1 << 20, Isolation::ReadUncommitted, &mut out).unwrap();
    assert_eq!(batches(&out).count(), 5);
    drop(log);

    // Not vouched for: read, and cut at the damage.
    let disk = disk.crash(0);
    flip(&disk, vouched + 100);
    assert_eq!(open(&disk).offsets("t", 0).unwrap().next, 20);
}

#[test]
fn checkpoint_without_its_index_costs_a_scan_only() {
    let disk = SimulatedDisk::new();
    let log = log_with_checkpoint(&disk);
    append(&log, 3);
    let crashed = disk.crash(0);
    crashed.remove(&log_file(&crashed).with_extension("index")).unwrap();
    assert_eq!(open(&crashed).offsets("t", 0).unwrap().next, 23);
}
