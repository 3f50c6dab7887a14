//! Damaged files and failing disks: no panic, nothing corrupt served, nothing acknowledged that is not safe.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use commitlog::*;

mod random;
mod readable;
use random::Random;
use readable::{Offsets, batch, read};

/// Small, so that a read ends within a segment.
const READ_BYTES: usize = 3000;

fn config() -> LogConfig {
    LogConfig {
        inline_writer: true,
        journal_allocate_bytes: 4096,
        // They would give back what is taken from segments here.
        ahead_file_bytes: 0,
        ..LogConfig::default()
    }
}

/// A log of several segments of 20 kB; returns the disk and the files of the partition.
fn make(clean: bool) -> (SimulatedDisk, Vec<PathBuf>) {
    let disk = SimulatedDisk::new();
    let log = open(&disk).unwrap();
    let settings = TopicSettings::from([("segment.bytes".to_owned(), "20000".to_owned())]);
    log.create_topic("t", 1, &settings, 0).unwrap();
    for from in (0..400).step_by(5) {
        log.append_durable("t", 0, &mut batch(from, 5), 0).unwrap().1.wait().unwrap();
    }
    if clean {
        log.close(0).unwrap();
    }
    drop(log);
    let topics = Path::new("/log/topics");
    let dir = topics.join(&disk.list(topics).unwrap()[0]).join("0");
    let files = disk.list(&dir).unwrap().into_iter().map(|name| dir.join(name)).collect();
    (disk, files)
}

fn open(disk: &SimulatedDisk) -> Result<Arc<Log>, LogError> {
    Log::open(Arc::new(disk.clone()), "/log", config())
}

fn content(disk: &SimulatedDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn last_segment_cut_at_every_byte_keeps_the_whole_batches() {
    for clean in [true, false] {
        let (template, files) = make(clean);
        let last = files.iter().rfind(|path| path.extension().is_some_and(|e| e == "log")).unwrap();
        let bytes = content(&template, last);
        for cut in bytes.len().saturating_sub(8192)..bytes.len() {
            let disk = template.crash(0);
            disk.open(last).unwrap().truncate(cut as u64).unwrap();
            let log = open(&disk).unwrap();
            let base: i64 = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
            let whole =
                batches(&bytes[..cut]).flatten().map(|batch| batch.next_offset()).last().unwrap_or(base);
            assert_eq!(log.offsets("t", 0).unwrap().next, whole, "cut at {cut}, clean {clean}");
            let info = log.append("t", 0, &mut batch(whole, 5), 0).unwrap();
            assert_eq!(info.base_offset, whole);
            assert_eq!(read(&log, "t", 0, READ_BYTES, Offsets::Theirs), whole + 5);
        }
    }
}

#[test]
fn flipped_bits_are_refused_or_cut_never_served() {
    let mut random = Random::of_seed(1);
    let mut next = |bound: usize| random.below(bound as u64) as usize;
    for clean in [true, false] {
        let (template, mut files) = make(clean);
        files.extend(["topics.journal", "transactions.journal"].map(|name| Path::new("/log").join(name)));
        for _ in 0..1000 {
            let path = &files[next(files.len())];
            let mut bytes = content(&template, path);
            if bytes.is_empty() {
                continue;
            }
            let at = next(bytes.len());
            // The CRC does not cover the base offset: a flip there can look like a gap and shift the offsets.
            let mut begin = 0;
            let in_base_offset = path.extension().is_some_and(|extension| extension == "log")
                && batches(&bytes).flatten().any(|batch| {
                    begin += batch.len();
                    (begin - batch.len()..begin - batch.len() + 8).contains(&at)
                });
            bytes[at] ^= 1 << next(8);
            let disk = template.crash(0);
            disk.open(path).unwrap().write_at(&bytes, 0).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            match open(&disk) {
                Ok(log) if log.describe_topic("t").is_ok() => {
                    let offsets = if in_base_offset { Offsets::MayBeFlipped } else { Offsets::Theirs };
                    let count = read(&log, "t", 0, READ_BYTES, offsets);
                    if !name.ends_with(".log") {
                        assert_eq!(count, 400, "{name} at {at}");
                    }
                }
                Ok(_) => panic!("{name} at {at}: the topic is gone without a word"),
                Err(error) => assert!(name.ends_with(".journal"), "{name}: {error}"),
            }
        }
    }
}

#[test]
fn flipped_base_offset_is_not_served_whatever_is_read_with_it() {
    let (template, files) = make(true);
    let logs: Vec<_> = files.iter().filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    // A power cut would lose the index files, which only a clean stop's start may trust.
    files.iter().for_each(|path| template.open(path).unwrap().sync_data().unwrap());
    for path in [logs[0], logs[1], logs[logs.len() - 1]] {
        let bytes = content(&template, path);
        let mut at = 0;
        for batch in batches(&bytes).flatten() {
            for bit in (0..8).chain([31, 62]) {
                let disk = template.crash(0);
                let flipped = batch.base_offset() ^ 1 << bit;
                disk.open(path).unwrap().write_at(&flipped.to_be_bytes(), at).unwrap();
                let log = open(&disk).unwrap();
                // One batch a read: nothing else is at hand to compare with.
                read(&log, "t", 0, 1, Offsets::Theirs);
                assert!(
                    log.partition("t", 0).unwrap().damaged_places() > 0,
                    "{} to {flipped}",
                    path.display()
                );
            }
            at += batch.len() as u64;
        }
    }
}

#[test]
fn damage_in_a_closed_segment_costs_its_batch_only() {
    for clean in [true, false] {
        let (template, files) = make(clean);
        let logs: Vec<_> = files.iter().filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
        let checkpoint = files.iter().find(|path| path.ends_with("checkpoint")).unwrap();
        for (path, without_checkpoint) in
            logs[..logs.len() - 1].iter().flat_map(|path| [(path, false), (path, true)])
        {
            let bytes = content(&template, path);
            let mut begin = 0;
            for batch in batches(&bytes).flatten() {
                // In the base offset, so that it goes up or down; in the length; in a record.
                for (at, bit) in [(6, 1), (7, 2), (7, 8), (11, 4), (90, 1)] {
                    let disk = template.crash(0);
                    let file = disk.open(path).unwrap();
                    file.write_at(&[bytes[begin + at] ^ bit], (begin + at) as u64).unwrap();
                    // Without them it is read again at the start.
                    let _ = disk.remove(&path.with_extension("index"));
                    if without_checkpoint {
                        disk.remove(checkpoint).unwrap();
                    }
                    let log = open(&disk).unwrap();
                    let context = format!(
                        "batch {} of {}, byte {at}, bit {bit}, clean {clean}, {without_checkpoint}",
                        batch.base_offset(),
                        path.display()
                    );
                    assert_eq!(log.offsets("t", 0).unwrap().next, 400, "{context}");
                    assert_eq!(read(&log, "t", 0, READ_BYTES, Offsets::Theirs), 395, "{context}");
                    assert_eq!(log.partition("t", 0).unwrap().damaged_places(), 1, "{context}");
                }
                begin += batch.len();
            }
        }
    }
}

#[test]
fn damage_while_running_costs_its_batch_only() {
    let (template, files) = make(true);
    files.iter().for_each(|path| template.open(path).unwrap().sync_data().unwrap());
    for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "log")) {
        let bytes = content(&template, path);
        let mut begin = 0;
        for batch in batches(&bytes).flatten() {
            // In the base offset, in the length, in a record.
            for (at, bit) in [(6, 1), (7, 8), (11, 4), (90, 1)] {
                let disk = template.crash(0);
                let log = open(&disk).unwrap();
                let file = disk.open(path).unwrap();
                file.write_at(&[bytes[begin + at] ^ bit], (begin + at) as u64).unwrap();
                let context = format!("batch {} of {}, byte {at}", batch.base_offset(), path.display());
                // A place behind the damage, to begin with.
                let behind = batch.next_offset() + 2;
                let mut out = Vec::new();
                if behind < 400 {
                    log.read("t", 0, behind, 1, Isolation::ReadCommitted, &mut out).unwrap();
                    assert_eq!(Batch::parse(&out).unwrap().base_offset(), behind - 2, "{context}");
                }
                assert_eq!(read(&log, "t", 0, READ_BYTES, Offsets::Theirs), 395, "{context}");
                assert_eq!(log.partition("t", 0).unwrap().damaged_places(), 1, "{context}");
            }
            begin += batch.len();
        }
    }
}

#[test]
fn damage_in_what_a_clean_stop_vouches_for_costs_its_batch_only() {
    let (template, files) = make(true);
    let path = files.iter().rfind(|path| path.extension().is_some_and(|e| e == "log")).unwrap();
    let bytes = content(&template, path);
    let mut begin = 0;
    for batch in batches(&bytes).flatten() {
        let disk = template.crash(0);
        disk.open(path).unwrap().write_at(&[bytes[begin + 90] ^ 1], begin as u64 + 90).unwrap();
        let _ = disk.remove(&path.with_extension("index"));
        let log = open(&disk).unwrap();
        assert_eq!(log.offsets("t", 0).unwrap().next, 400, "batch {}", batch.base_offset());
        assert_eq!(read(&log, "t", 0, READ_BYTES, Offsets::Theirs), 395, "batch {}", batch.base_offset());
        begin += batch.len();
    }
}

#[test]
fn journal_that_has_lost_entries_is_refused() {
    let journal = Path::new("/log/transactions.journal");
    let (template, _) = make(false);
    let log = open(&template).unwrap();
    for _ in 0..3 {
        log.transaction("w", 0).unwrap();
    }
    drop(log);
    let refused = |disk: &SimulatedDisk| open(disk).map(|_| ()).unwrap_err().to_string();
    let disk = template.crash(0);
    let file = disk.open(journal).unwrap();
    file.write_at(&[0xff], 60).unwrap();
    let error = refused(&disk);
    assert!(error.contains("/log/transactions.journal") && error.contains("at byte "), "{error}");
    // What the error proposes helps.
    let place: u64 = error.split("at byte ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    file.truncate(place).unwrap();
    assert_eq!(read(&open(&disk).unwrap(), "t", 0, READ_BYTES, Offsets::Theirs), 400);

    let disk = template.crash(0);
    disk.remove(journal).unwrap();
    let error = refused(&disk);
    assert!(error.contains("/log/transactions.journal") && error.contains("missing"), "{error}");
}

#[test]
fn failed_sync_acknowledges_nothing_any_more() {
    // A short journal and short segments: rewriting, rolling and checkpoints have syncs of their own.
    let config = LogConfig { journal_bytes_max: 2000, ..config() };
    let settings = TopicSettings::from([
        ("segment.bytes".to_owned(), "2000".to_owned()),
        ("retention.bytes".to_owned(), "20000".to_owned()),
    ]);
    let mut failures = 0;
    for nth in 0..150 {
        let disk = SimulatedDisk::new();
        let log = Log::open(Arc::new(disk.clone()), "/log", config.clone()).unwrap();
        log.create_topic("t", 1, &settings, 0).unwrap();
        let mut tx = log.transaction("w", 0).unwrap();
        disk.fail_sync_at(disk.syncs() + 1 + nth);
        let mut acknowledged = Vec::new();
        let mut failed = false;
        for from in 0..60 {
            let result = if from % 2 == 0 {
                log.append_durable("t", 0, &mut batch(from, 1), 0).and_then(|(_, ticket)| ticket.wait())
            } else {
                let appended = tx.append("t", 0, &mut batch(from, 1), 0);
                appended.and_then(|_| tx.commit(0)).and_then(|ticket| ticket.wait())
            };
            match result {
                Ok(()) => {
                    assert!(!failed, "nothing is acknowledged after a failed sync");
                    acknowledged.push(from);
                }
                Err(error) => {
                    assert!(matches!(error, LogError::ReadOnly { .. }), "{error}");
                    failed = true;
                }
            }
            if from % 20 == 19 {
                let _ = log.maintain(0);
            }
        }
        if failed {
            failures += 1;
            assert!(log.read_only_cause().is_some());
            assert!(matches!(log.alter_topic("t", &[]), Err(LogError::ReadOnly { .. })));
            assert!(log.create_topic("u", 1, &settings, 0).is_err());
            assert!(log.delete_records("t", 0, -1).is_err());
        }
        drop((tx, log));
        let log = Log::open(Arc::new(disk.crash(nth)), "/log", config.clone()).unwrap();
        let start = log.offsets("t", 0).unwrap().log_start;
        let mut reader = log.reader("t", 0, start, Isolation::ReadCommitted).unwrap();
        let (mut out, mut scratch, mut there) = (Vec::new(), Vec::new(), Vec::new());
        while reader.has_more() {
            reader.read(1 << 20, &mut out).unwrap();
            for batch in batches(&out) {
                for record in batch.unwrap().records(&mut scratch, 1 << 20).unwrap() {
                    let value = record.unwrap().value.unwrap().to_vec();
                    let text = String::from_utf8(value).unwrap();
                    there.push(text.split(':').next().unwrap().parse::<i64>().unwrap());
                }
            }
        }
        let kept = there.first().copied().unwrap_or(i64::MAX);
        for value in acknowledged.into_iter().filter(|value| start == 0 || *value >= kept) {
            assert!(there.contains(&value), "sync {nth}: {value} was acknowledged");
        }
    }
    assert!(failures > 60, "{failures} runs met the failure");
}

#[test]
fn full_disk_refuses_and_goes_on_once_there_is_space() {
    let disk = SimulatedDisk::new();
    let log = Log::open(Arc::new(disk.clone()), "/log", config()).unwrap();
    log.create_topic("t", 1, &TopicSettings::new(), 0).unwrap();
    let mut tx = log.transaction("w", 0).unwrap();
    for spare in [0u64, 100, 1000, 5000, 12_000] {
        disk.set_capacity(Some(0));
        assert!(log.append("t", 0, &mut batch(0, 3), 0).unwrap_err().is_disk_full());
        let mut low = 0u64;
        // Find what is used by raising the limit until one small append fits.
        loop {
            disk.set_capacity(Some(low));
            if log.append("t", 0, &mut batch(0, 1), 0).is_ok() {
                break;
            }
            low += 500;
        }
        disk.set_capacity(Some(low + spare));
        let mut results = Vec::new();
        for _ in 0..40 {
            let appended = tx.append("t", 0, &mut batch(0, 3), 0);
            let done = appended.and_then(|_| tx.commit(0)).and_then(|ticket| ticket.wait());
            if done.is_err() {
                let _ = tx.abort(0);
            }
            results.push(done.is_ok());
        }
        assert!(results.contains(&false));
        disk.set_capacity(None);
        tx.abort(0).unwrap();
        tx.append("t", 0, &mut batch(0, 3), 0).unwrap();
        tx.commit(0).unwrap().wait().unwrap();
        log.maintain(0).unwrap();
        assert!(log.read_only_cause().is_none());
        let offsets = log.offsets("t", 0).unwrap();
        assert_eq!(offsets.last_stable, offsets.next);
    }
    let before = log.offsets("t", 0).unwrap();
    drop((tx, log));
    let log = Log::open(Arc::new(disk.crash(3)), "/log", config()).unwrap();
    assert!(log.offsets("t", 0).unwrap().next <= before.next);
}
