//! The write-ahead files: one sync for many partitions, and nothing answered is lost with the segments' unsynced bytes.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use commitlog::*;

const PARTITIONS: u32 = 8;

fn config(inline_writer: bool) -> LogConfig {
    LogConfig {
        inline_writer,
        journal_allocate_bytes: 0,
        ahead_file_bytes: 32 * 1024,
        ahead_bytes_max: 16 * 1024,
        ..LogConfig::default()
    }
}

fn open(disk: &SimulatedDisk, inline_writer: bool) -> Arc<Log> {
    Log::open(Arc::new(disk.clone()), "/log", config(inline_writer)).unwrap()
}

fn log_with_topic(disk: &SimulatedDisk, inline_writer: bool) -> Arc<Log> {
    log_with_segments(disk, inline_writer, 20_000)
}

fn log_with_segments(disk: &SimulatedDisk, inline_writer: bool, bytes: u32) -> Arc<Log> {
    let log = open(disk, inline_writer);
    let settings = TopicSettings::from([("segment.bytes".to_owned(), bytes.to_string())]);
    log.create_topic("t", PARTITIONS, &settings, 0).unwrap();
    log
}

fn batch(value: i64, len: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.append(value, None, Some(format!("{value}:{}", ".".repeat(len)).as_bytes()), &[]);
    builder.finish().to_vec()
}

fn append(log: &Log, partition: u32, value: i64, len: usize) {
    log.append("t", partition, &mut batch(value, len), 0).unwrap();
}

fn flush(log: &Log, partitions: std::ops::Range<u32>) -> CommitTicket {
    log.flush_partitions(partitions.map(|p| log.partition("t", p).unwrap()).collect()).unwrap()
}

/// Syncs in this call, if it can.
fn flush_helping(log: &Log, partitions: std::ops::Range<u32>) -> CommitTicket {
    let partitions = partitions.map(|p| log.partition("t", p).unwrap()).collect();
    let ticket = log.flush_helping(partitions).unwrap();
    log.help(&ticket);
    ticket
}

fn values(log: &Log, partition: u32) -> Vec<i64> {
    let mut reader = log.reader("t", partition, 0, Isolation::ReadCommitted).unwrap();
    let (mut out, mut scratch, mut values) = (Vec::new(), Vec::new(), Vec::new());
    while reader.has_more() {
        reader.read(1 << 16, &mut out).unwrap();
        for batch in batches(&out) {
            for record in batch.unwrap().records(&mut scratch, 1 << 20).unwrap() {
                let text = String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap();
                values.push(text.split(':').next().unwrap().parse().unwrap());
            }
        }
    }
    values
}

fn ahead_files(disk: &SimulatedDisk) -> Vec<PathBuf> {
    let names = disk.list(Path::new("/log")).unwrap();
    names.iter().filter(|name| name.starts_with("ahead.")).map(|name| Path::new("/log").join(name)).collect()
}

/// Takes every byte from every segment.
fn empty_segments(disk: &SimulatedDisk) {
    let topics = Path::new("/log/topics");
    let topic = topics.join(&disk.list(topics).unwrap()[0]);
    for partition in disk.list(&topic).unwrap() {
        let dir = topic.join(partition);
        for name in disk.list(&dir).unwrap().iter().filter(|name| name.ends_with(".log")) {
            disk.open(&dir.join(name)).unwrap().truncate(0).unwrap();
        }
    }
}

#[test]
fn many_partitions_take_one_sync() {
    let disk = SimulatedDisk::new();
    let log = log_with_topic(&disk, true);
    append(&log, 0, 0, 10);
    flush(&log, 0..1).wait().unwrap();
    let before = disk.syncs();
    for partition in 0..PARTITIONS {
        append(&log, partition, 1, 100);
    }
    flush(&log, 0..PARTITIONS).wait().unwrap();
    assert_eq!(disk.syncs(), before + 1);
    for partition in 0..PARTITIONS {
        let offsets = log.offsets("t", partition).unwrap();
        assert_eq!(offsets.durable, offsets.next);
    }
    flush(&log, 0..PARTITIONS).wait().unwrap();
    assert_eq!(disk.syncs(), before + 1, "what is durable is not synced again");
}

#[test]
fn what_is_answered_is_there_after_any_power_cut() {
    for seed in 0..60_u64 {
        let disk = SimulatedDisk::new();
        let log = log_with_topic(&disk, seed % 2 == 0);
        let mut random = seed * 7919 + 1;
        let mut expected = vec![Vec::new(); PARTITIONS as usize];
        // Many rounds of the ring; now and then more than a frame takes.
        for value in 0..150 + seed as i64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1) >> 7;
            let partition = random as u32 % PARTITIONS;
            let len = if random % 10 == 0 { 18_000 } else { 700 };
            append(&log, partition, value, len);
            expected[partition as usize].push(value);
            if random % 3 > 0 {
                append(&log, (partition + 1) % PARTITIONS, value, 50);
                expected[(partition as usize + 1) % PARTITIONS as usize].push(value);
            }
            let ticket = match value % 3 {
                0 => flush(&log, 0..PARTITIONS),
                _ => flush_helping(&log, 0..PARTITIONS),
            };
            ticket.wait().unwrap();
        }
        assert!(ahead_files(&disk).len() > 1, "the ring goes round");
        let after = disk.crash(seed);
        drop(log);
        let log = open(&after, true);
        for (partition, expected) in expected.iter().enumerate() {
            assert_eq!(&values(&log, partition as u32), expected, "seed {seed}, partition {partition}");
        }
        assert_eq!(ahead_files(&after), Vec::<PathBuf>::new(), "all of it is in the segments now");
    }
}

#[test]
fn segments_that_lost_everything_come_back() {
    let disk = SimulatedDisk::new();
    let log = log_with_topic(&disk, true);
    for value in 0..20 {
        append(&log, 0, value, 100);
        append(&log, 1, value, 100);
        flush(&log, 0..2).wait().unwrap();
    }
    drop(log);
    empty_segments(&disk);
    let log = open(&disk, true);
    assert_eq!(values(&log, 0), (0..20).collect::<Vec<_>>());
    assert_eq!(values(&log, 1), (0..20).collect::<Vec<_>>());
}

#[test]
fn who_flushes_and_does_not_help_is_answered_too() {
    let disk = SimulatedDisk::new();
    let log = log_with_topic(&disk, false);
    for value in 0..3 {
        append(&log, 0, value, 10);
        log.flush_helping(vec![log.partition("t", 0).unwrap()]).unwrap().wait().unwrap();
    }
    let offsets = log.offsets("t", 0).unwrap();
    assert_eq!(offsets.durable, offsets.next);
}

#[test]
fn nothing_behind_a_lost_frame_comes_back() {
    let disk = SimulatedDisk::new();
    let log = log_with_segments(&disk, true, 1 << 20);
    // Three pages each: two frames in each of three files.
    for value in 0..6 {
        append(&log, 0, value, 10_000);
        flush(&log, 0..1).wait().unwrap();
    }
    drop(log);
    let files = ahead_files(&disk);
    assert_eq!(files.len(), 3);
    // The second frame of the first file.
    disk.open(&files[0]).unwrap().write_at(&[0xff; 64], 3 * 4096).unwrap();
    empty_segments(&disk);
    let log = open(&disk, true);
    // As if nobody had been promised the others; a gap would make a producer's retry look like a duplicate.
    assert_eq!(values(&log, 0), [0]);
}

#[test]
fn damaged_files_take_nothing_from_whole_segments() {
    for seed in 0..200_u64 {
        let disk = SimulatedDisk::new();
        let log = log_with_topic(&disk, true);
        for value in 0..12 {
            append(&log, 0, value, 3000);
            flush(&log, 0..1).wait().unwrap();
        }
        drop(log);
        for path in ahead_files(&disk) {
            let file = disk.open(&path).unwrap();
            let at = seed * 163 % file.len().unwrap();
            file.write_at(&[0xa5; 3], at).unwrap();
            if seed % 3 == 0 {
                file.truncate(at).unwrap();
            }
        }
        let log = open(&disk, true);
        assert_eq!(values(&log, 0), (0..12).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn a_clean_stop_leaves_no_files() {
    for inline_writer in [true, false] {
        let disk = SimulatedDisk::new();
        let log = log_with_topic(&disk, inline_writer);
        append(&log, 0, 0, 10);
        flush(&log, 0..1).wait().unwrap();
        assert!(!ahead_files(&disk).is_empty());
        log.close(0).unwrap();
        assert_eq!(ahead_files(&disk), Vec::<PathBuf>::new());
        assert_eq!(values(&open(&disk, true), 0), [0]);
    }
}

#[test]
fn without_room_for_a_file_segments_are_synced() {
    let disk = SimulatedDisk::new();
    let log = log_with_topic(&disk, true);
    // A frame takes a page at least, a record of this topic does not.
    let topics = Path::new("/log/topics");
    let segment = topics.join(&disk.list(topics).unwrap()[0]).join("0/00000000000000000000.log");
    let journal = disk.open(Path::new("/log/transactions.journal")).unwrap().len().unwrap();
    let used = journal + disk.open(&segment).unwrap().len().unwrap();
    disk.set_capacity(Some(used + 3500));
    append(&log, 0, 7, 200);
    flush(&log, 0..1).wait().unwrap();
    let after = disk.crash(1);
    after.set_capacity(None);
    assert_eq!(values(&open(&after, true), 0), [7]);
}

#[test]
fn failed_sync_of_a_frame_acknowledges_nothing_any_more() {
    for (inline_writer, helping) in [(true, false), (false, false), (false, true)] {
        let disk = SimulatedDisk::new();
        let log = log_with_topic(&disk, inline_writer);
        append(&log, 0, 0, 10);
        flush(&log, 0..1).wait().unwrap();
        disk.fail_sync_at(disk.syncs() + 1);
        append(&log, 0, 1, 10);
        let ticket = if helping { flush_helping(&log, 0..1) } else { flush(&log, 0..1) };
        assert!(ticket.wait().is_err());
        assert!(log.read_only_cause().is_some());
        assert_eq!(log.offsets("t", 0).unwrap().durable, 1);
        assert!(log.append("t", 1, &mut batch(2, 10), 0).is_err());
    }
}
