//! What Kafka's clients rely on: idempotence, fencing, outside transactions, compaction, retention.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use commitlog::*;

fn open(disk: &SimulatedDisk) -> Arc<Log> {
    let config = LogConfig { inline_writer: true, journal_allocate_bytes: 0, ..LogConfig::default() };
    Log::open(Arc::new(disk.clone()), "/log", config).unwrap()
}

fn settings(pairs: &[(&str, &str)]) -> TopicSettings {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn batch(key: Option<&str>, value: Option<&str>, count: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for _ in 0..count {
        builder.append(1000, key.map(str::as_bytes), value.map(str::as_bytes), &[]);
    }
    builder.finish().to_vec()
}

fn stamped(identity: ProducerIdentity, sequence: i32, count: usize, transactional: bool) -> Vec<u8> {
    let mut bytes = batch(None, Some("v"), count);
    set_producer(&mut bytes, identity.producer_id, identity.epoch, sequence, transactional);
    bytes
}

fn pairs(log: &Log, topic: &str) -> Vec<(i64, String, Option<String>)> {
    let start = log.offsets(topic, 0).unwrap().log_start;
    let mut reader = log.reader(topic, 0, start, Isolation::ReadCommitted).unwrap();
    let (mut out, mut scratch, mut found) = (Vec::new(), Vec::new(), Vec::new());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    while reader.has_more() {
        reader.read(1 << 20, &mut out).unwrap();
        for batch in batches(&out) {
            for record in batch.unwrap().records(&mut scratch, 1 << 20).unwrap() {
                let record = record.unwrap();
                found.push((record.offset, record.key.map(text).unwrap_or_default(), record.value.map(text)));
            }
        }
    }
    found
}

#[test]
fn batch_bytes_are_those_of_kafka() {
    // One record, key "k", value "v", timestamp 1000, written by hand from Kafka's documentation of the format.
    let mut expected = vec![0; 8];
    expected.extend(60i32.to_be_bytes());
    expected.extend([0, 0, 0, 0, 2]);
    expected.extend([0, 0, 0, 0]); // CRC, below
    expected.extend([0, 0, 0, 0, 0, 0]);
    expected.extend(1000i64.to_be_bytes());
    expected.extend(1000i64.to_be_bytes());
    expected.extend([0xff; 14]);
    expected.extend(1i32.to_be_bytes());
    expected.extend([20, 0, 0, 0, 2, b'k', 2, b'v', 0]);
    let len = expected.len();
    expected[8..12].copy_from_slice(&((len - 12) as i32).to_be_bytes());
    expected[61] = 16;
    // CRC32C bit by bit.
    let mut crc = !0u32;
    for byte in &expected[21..] {
        crc ^= *byte as u32;
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    expected[17..21].copy_from_slice(&(!crc).to_be_bytes());
    assert_eq!(batch(Some("k"), Some("v"), 1), expected);
}

#[test]
fn hostile_batches_are_refused_without_a_panic() {
    let mut builder = BatchBuilder::new();
    builder.append(1, Some(b"key"), Some(b"value"), &[Header { key: b"h", value: Some(b"x") }]);
    builder.append(2, None, None, &[]);
    let good = builder.finish().to_vec();
    let mut scratch = Vec::new();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            for resum in [false, true] {
                if resum && let Ok(batch) = Batch::parse(&bytes) {
                    // A liar with a right checksum.
                    let (id, epoch, sequence) =
                        (batch.producer_id(), batch.producer_epoch(), batch.base_sequence());
                    let transactional = batch.is_transactional();
                    let len = batch.len();
                    set_producer(&mut bytes[..len], id, epoch, sequence, transactional);
                }
                if let Ok(batch) = Batch::parse(&bytes) {
                    let _ = batch.control_type();
                    let _ = batch.validate_records(&mut scratch, 4096);
                    for record in batch.records(&mut scratch, 4096).into_iter().flatten().flatten() {
                        let _ = record.headers().count();
                    }
                }
            }
        }
        assert!(Batch::parse(&good[..at]).is_err());
    }
}

#[test]
fn batch_sent_again_is_answered_with_its_first_offset() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    log.create_topic("t", 1, &TopicSettings::new(), 0).unwrap();
    let identity = log.init_producer(None, 0, 0).unwrap();
    for sequence in [0, 2, 4] {
        log.append_client("t", 0, None, &mut stamped(identity, sequence, 2, false), 0).unwrap();
    }
    drop(log);
    let log = open(&disk);
    let again = log.append_client("t", 0, None, &mut stamped(identity, 2, 2, false), 0).unwrap();
    assert!(again.duplicate);
    assert_eq!((again.base_offset, again.last_offset), (2, 3));
    let error = log.append_client("t", 0, None, &mut stamped(identity, 8, 2, false), 0).unwrap_err();
    assert!(matches!(error, LogError::OutOfOrderSequence { expected: 6, found: 8, .. }));
    assert_ne!(log.init_producer(None, 0, 0).unwrap().producer_id, identity.producer_id);
    assert_eq!(log.offsets("t", 0).unwrap().next, 6);
}

#[test]
fn outside_transaction_commits_aborts_and_times_out() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    log.create_topic("t", 1, &TopicSettings::new(), 0).unwrap();
    let identity = log.init_producer(Some("app"), 60_000, 0).unwrap();
    let error = log.append_client("t", 0, Some("app"), &mut stamped(identity, 0, 1, true), 0).unwrap_err();
    assert!(matches!(error, LogError::TransactionState { .. }));
    for (sequence, commit) in [(0, true), (1, false)] {
        log.add_partitions_to_transaction("app", identity, &[("t", 0)], 0).unwrap();
        log.append_client("t", 0, Some("app"), &mut stamped(identity, sequence, 1, true), 0).unwrap();
        assert!(log.offsets("t", 0).unwrap().last_stable < log.offsets("t", 0).unwrap().next);
        log.end_transaction("app", identity, commit, 0).unwrap().wait().unwrap();
    }
    assert_eq!(pairs(&log, "t").len(), 1);
    assert_eq!(log.partition("t", 0).unwrap().aborted_transactions(0, 100).len(), 1);

    log.add_partitions_to_transaction("app", identity, &[("t", 0)], 1_000).unwrap();
    log.append_client("t", 0, Some("app"), &mut stamped(identity, 2, 1, true), 1_000).unwrap();
    log.maintain(61_000).unwrap();
    assert!(log.offsets("t", 0).unwrap().last_stable < log.offsets("t", 0).unwrap().next);
    log.maintain(61_001).unwrap();
    assert_eq!(log.offsets("t", 0).unwrap().last_stable, log.offsets("t", 0).unwrap().next);
    let error = log.end_transaction("app", identity, true, 61_001).map(|_| ()).unwrap_err();
    assert!(matches!(error, LogError::Fenced { .. }), "{error}");
    assert_eq!(pairs(&log, "t").len(), 1);
}

/// A log with the compacted topic "t".
fn compacting(disk: &SimulatedDisk, segment_bytes: &str) -> Arc<Log> {
    let log = open(disk);
    let topic = settings(&[
        ("cleanup.policy", "compact"),
        ("segment.bytes", segment_bytes),
        ("min.cleanable.dirty.ratio", "0"),
        ("delete.retention.ms", "1000"),
    ]);
    log.create_topic("t", 1, &topic, 0).unwrap();
    log
}

#[test]
fn compaction_keeps_the_last_value_and_drops_old_tombstones() {
    let disk = SimulatedDisk::new();
    let log = compacting(&disk, "200");
    for round in 0..5 {
        for key in ["a", "b", "c"] {
            log.append("t", 0, &mut batch(Some(key), Some(&format!("{key}{round}")), 1), 0).unwrap();
        }
    }
    log.append("t", 0, &mut batch(Some("b"), None, 1), 0).unwrap();
    let mut tx = log.transaction("w", 0).unwrap();
    tx.append("t", 0, &mut batch(Some("a"), Some("aborted"), 1), 0).unwrap();
    tx.abort(0).unwrap();
    for _ in 0..4 {
        log.append("t", 0, &mut batch(Some("z"), Some("z"), 1), 0).unwrap();
    }
    let expected = [("a", Some("a4")), ("c", Some("c4")), ("b", None), ("z", Some("z"))];
    let latest = |log: &Log| {
        let mut last: Vec<(String, Option<String>)> = Vec::new();
        for (_, key, value) in pairs(log, "t") {
            last.retain(|(other, _)| *other != key);
            last.push((key, value));
        }
        last
    };
    let expected: Vec<(String, Option<String>)> =
        expected.map(|(key, value)| (key.to_owned(), value.map(str::to_owned))).into();
    let before = log.partition("t", 0).unwrap().size();
    log.flush("t", 0).unwrap().wait().unwrap();
    assert!(log.maintain(10).unwrap().compacted_segments > 0);
    assert!(log.partition("t", 0).unwrap().size() < before);
    assert_eq!(latest(&log), expected);
    let gone = |log: &Log| log.partition("t", 0).unwrap().tombstones_gone_offset();
    assert_eq!(gone(&log), 0);
    log.maintain(2000).unwrap();
    assert!((16..=22).contains(&gone(&log)), "{}", gone(&log));
    let kept: Vec<String> = latest(&log).into_iter().map(|(key, _)| key).collect();
    assert_eq!(kept, ["a", "c", "z"]);
    let offsets: Vec<i64> = pairs(&log, "t").iter().map(|(offset, ..)| *offset).collect();
    let gone_before = gone(&log);
    drop((log, tx));
    let log = open(&disk);
    assert_eq!(pairs(&log, "t").iter().map(|(offset, ..)| *offset).collect::<Vec<_>>(), offsets);
    assert_eq!(gone(&log), gone_before);
}

#[test]
fn aborted_transactions_without_records_are_forgotten_and_stay_unseen() {
    let disk = SimulatedDisk::new();
    let log = compacting(&disk, "1000");
    let mut tx = log.transaction("w", 0).unwrap();
    for round in 0..50 {
        tx.append("t", 0, &mut batch(Some("a"), Some("aborted"), 1), 0).unwrap();
        tx.abort(0).unwrap();
        log.append("t", 0, &mut batch(Some(&format!("{round}")), Some("kept"), 1), 0).unwrap();
    }
    log.flush("t", 0).unwrap().wait().unwrap();
    let known = |log: &Log| log.partition("t", 0).unwrap().aborted_transactions(0, i64::MAX).len();
    assert_eq!(known(&log), 50);
    // It stands in the middle of a segment that compaction replaces.
    let mut reader = log.reader("t", 0, 0, Isolation::ReadCommitted).unwrap();
    let (mut out, mut scratch, mut kept) = (Vec::new(), Vec::new(), 0);
    let mut read = |reader: &mut PartitionReader| {
        reader.read(100, &mut out).unwrap();
        for batch in batches(&out).flatten() {
            for record in batch.records(&mut scratch, 1 << 20).unwrap() {
                assert_eq!(record.unwrap().value, Some(b"kept".as_slice()));
                kept += 1;
            }
        }
    };
    read(&mut reader);
    assert!(log.maintain(10).unwrap().compacted_segments > 0);
    assert_eq!(known(&log), 50, "a read before may ask still");
    log.maintain(20).unwrap();
    log.maintain(60_020).unwrap();
    assert!(known(&log) < 10, "{} are known", known(&log));
    while reader.has_more() {
        read(&mut reader);
    }
    assert_eq!(kept, 50);
    // Nor does a start bring them back.
    drop((log, tx, reader));
    assert!(known(&open(&disk.crash(0))) < 10);
}

#[test]
fn aborted_transactions_of_deleted_records_are_told_for_a_while() {
    for by_retention in [false, true] {
        let disk = SimulatedDisk::new();
        let log = open(&disk);
        let topic = settings(&[("segment.bytes", "200"), ("retention.bytes", "100")]);
        log.create_topic("t", 1, &topic, 0).unwrap();
        let mut tx = log.transaction("w", 0).unwrap();
        for _ in 0..10 {
            tx.append("t", 0, &mut batch(None, Some("aborted"), 1), 0).unwrap();
            tx.abort(0).unwrap();
        }
        log.append("t", 0, &mut batch(None, Some("kept"), 1), 0).unwrap();
        log.flush("t", 0).unwrap().wait().unwrap();
        let partition = log.partition("t", 0).unwrap();
        // A fetch has read, and asks what of it counts after others were at work.
        let mut out = Vec::new();
        let read = partition.read(0, 1 << 20, Isolation::ReadCommitted, &mut out).unwrap();
        let known = || partition.aborted_transactions(0, read.next_offset).len();
        assert_eq!((batches(&out).count(), known()), (21, 10));
        match by_retention {
            true => assert!(log.maintain(10).unwrap().deleted_segments > 0),
            false => assert_eq!(log.delete_records("t", 0, 20).unwrap(), 20),
        }
        assert_eq!(known(), 10);
        log.maintain(20).unwrap();
        assert_eq!(known(), 10);
        log.maintain(60_020).unwrap();
        assert!(known() <= 1, "{} are known", known());
        drop((log, tx, partition));
        let log = open(&disk.crash(0));
        assert!(log.partition("t", 0).unwrap().aborted_transactions(0, 100).len() <= 1);
    }
}

#[test]
fn records_of_long_ago_are_kept_from_when_they_were_written() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    log.create_topic("t", 1, &settings(&[("retention.ms", "5000")]), 0).unwrap();
    log.append("t", 0, &mut batch(None, Some("value"), 1), 1_000_000).unwrap();
    log.flush("t", 0).unwrap().wait().unwrap();
    log.maintain(1_004_000).unwrap();
    assert_eq!(log.offsets("t", 0).unwrap().log_start, 0);
    drop(log);
    let log = open(&disk);
    log.maintain(2_000_000).unwrap();
    assert_eq!(log.offsets("t", 0).unwrap().log_start, 0, "the time of writing is not known: it begins anew");
    // The first closes the segment, the second deletes it.
    log.maintain(2_006_000).unwrap();
    log.maintain(2_006_000).unwrap();
    assert_eq!(log.offsets("t", 0).unwrap().log_start, 1, "{:?}", log.offsets("t", 0));
}

#[test]
fn retention_deletes_whole_segments_by_time_and_size() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    let topic = settings(&[("segment.bytes", "200"), ("retention.ms", "5000")]);
    log.create_topic("t", 1, &topic, 0).unwrap();
    for _ in 0..20 {
        log.append("t", 0, &mut batch(None, Some("value"), 1), 1000).unwrap();
    }
    log.flush("t", 0).unwrap().wait().unwrap();
    log.alter_topic("t", &[("retention.bytes", Some("500"))]).unwrap();
    log.maintain(1000).unwrap();
    let size = log.partition("t", 0).unwrap().size();
    assert!((500..800).contains(&size), "{size}");
    log.maintain(10_000).unwrap();
    let offsets = log.offsets("t", 0).unwrap();
    assert_eq!((offsets.log_start, offsets.next), (20, 20));
    assert!(matches!(
        log.read("t", 0, 0, 100, Isolation::ReadCommitted, &mut Vec::new()),
        Err(LogError::OffsetOutOfRange { .. })
    ));
    drop(log);
    let log = open(&disk.crash(1));
    assert_eq!(log.offsets("t", 0).unwrap().log_start, 20);
    assert_eq!(log.append("t", 0, &mut batch(None, Some("v"), 1), 0).unwrap().base_offset, 20);
}

#[test]
fn producer_id_whose_epochs_are_used_up_writes_no_more() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    log.create_topic("t", 1, &TopicSettings::new(), 0).unwrap();
    let first = log.init_producer(Some("app"), 60_000, 0).unwrap();
    let next = (0..=i16::MAX)
        .map(|_| log.init_producer(Some("app"), 60_000, 0).unwrap())
        .find(|identity| identity.producer_id != first.producer_id)
        .unwrap();
    assert_eq!(next.epoch, 0);
    log.add_partitions_to_transaction("app", next, &[("t", 0)], 0).unwrap();
    for epoch in [0, i16::MAX - 1] {
        let old = ProducerIdentity { epoch, ..first };
        let error = log.append_client("t", 0, Some("app"), &mut stamped(old, 0, 1, true), 0).unwrap_err();
        assert!(matches!(error, LogError::UnknownProducer { .. }));
    }
    log.append_client("t", 0, Some("app"), &mut stamped(next, 0, 1, true), 0).unwrap();
}

#[test]
fn transaction_that_could_not_be_aborted_in_time_is_aborted_later() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    log.create_topic("t", 1, &TopicSettings::new(), 0).unwrap();
    let identity = log.init_producer(Some("app"), 60_000, 0).unwrap();
    log.add_partitions_to_transaction("app", identity, &[("t", 0)], 0).unwrap();
    log.append_client("t", 0, Some("app"), &mut stamped(identity, 0, 1, true), 0).unwrap();
    disk.set_capacity(Some(0));
    assert!(log.abort_expired(61_000).unwrap_err().is_disk_full());
    disk.set_capacity(None);
    log.abort_expired(61_001).unwrap();
    assert_eq!(log.offsets("t", 0).unwrap().last_stable, log.offsets("t", 0).unwrap().next);
    // Once.
    let next = log.init_producer(Some("app"), 60_000, 61_001).unwrap();
    log.abort_expired(61_002).unwrap();
    log.add_partitions_to_transaction("app", next, &[("t", 0)], 61_002).unwrap();
}
