//! Compaction of a partition with a damaged segment, against a model of what could be read before.
//!
//! A bit is flipped in a closed segment; then compaction runs between more appends, over restarts, and after the bit is
//! put right. The segment stays byte for byte; the newest readable value of every key stays the newest; nothing deleted or
//! aborted is seen again; once the segment is whole, the newest of all that was ever written is seen.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use commitlog::*;

mod random;
use random::Random;

const KEYS: u64 = 12;
const RUNS: u64 = 120;
/// Long enough for tombstones to go and aborted transactions to be forgotten.
const PAUSE_MS: i64 = 100_000;

/// The newest value of every key; deleted ones are not there.
type Newest = BTreeMap<u8, String>;

fn open(disk: &SimulatedDisk) -> Arc<Log> {
    let config = LogConfig {
        inline_writer: true,
        journal_allocate_bytes: 0,
        // They would give back what is taken from segments here.
        ahead_file_bytes: 0,
        ..LogConfig::default()
    };
    Log::open(Arc::new(disk.clone()), "/log", config).unwrap()
}

fn create(log: &Log) {
    let settings = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1500"),
        ("index.interval.bytes", "200"),
        ("min.cleanable.dirty.ratio", "0"),
        ("delete.retention.ms", "1000"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    log.create_topic("t", 1, &TopicSettings::from(settings), 0).unwrap();
}

/// Appends records of random keys, some of them deletions, some aborted; `models` take in what counts.
fn append(log: &Arc<Log>, random: &mut Random, number: &mut u64, models: &mut [&mut Newest]) {
    let mut tx = log.transaction("w", 0).unwrap();
    for _ in 0..random.below(60) {
        let mut builder = BatchBuilder::new();
        let mut records = Vec::new();
        let kind = random.below(6);
        for _ in 0..1 + random.below(3) {
            let key = random.below(KEYS) as u8;
            *number += 1;
            let state = if kind == 0 { "aborted" } else { "kept" };
            let value = (random.below(4) > 0).then(|| format!("{state} {number}"));
            builder.append(0, Some(&[key]), value.as_deref().map(str::as_bytes), &[]);
            records.push((key, value));
        }
        let mut bytes = builder.finish().to_vec();
        if kind > 1 {
            log.append("t", 0, &mut bytes, 0).unwrap();
        } else {
            tx.append("t", 0, &mut bytes, 0).unwrap();
            if kind == 0 {
                tx.abort(0).unwrap();
                continue;
            }
            tx.commit(0).unwrap().wait().unwrap();
        }
        for (key, value) in records {
            for model in &mut *models {
                match &value {
                    Some(value) => model.insert(key, value.clone()),
                    None => model.remove(&key),
                };
            }
        }
    }
    log.flush("t", 0).unwrap().wait().unwrap();
}

/// Reads all that can be read.
fn newest(log: &Log) -> Newest {
    let mut newest = Newest::new();
    let mut reader = log.reader("t", 0, 0, Isolation::ReadCommitted).unwrap();
    let (mut out, mut scratch) = (Vec::new(), Vec::new());
    while reader.has_more() {
        match reader.read(500, &mut out) {
            Ok(_) => {}
            Err(LogError::Corrupt { resume_offset, .. }) => {
                reader.seek(resume_offset);
                continue;
            }
            Err(error) => panic!("{error}"),
        }
        for batch in batches(&out) {
            for record in batch.unwrap().records(&mut scratch, 1 << 20).unwrap() {
                let record = record.unwrap();
                let key = record.key.unwrap()[0];
                match record.value {
                    Some(value) => newest.insert(key, String::from_utf8(value.to_vec()).unwrap()),
                    None => newest.remove(&key),
                };
            }
        }
    }
    assert!(newest.values().all(|value| value.starts_with("kept ")), "{newest:?}");
    newest
}

/// The partition's segments that are closed and have records.
fn closed_segments(disk: &SimulatedDisk) -> Vec<PathBuf> {
    let topics = Path::new("/log/topics");
    let dir = topics.join(&disk.list(topics).unwrap()[0]).join("0");
    let mut paths: Vec<PathBuf> = disk.list(&dir).unwrap().into_iter().map(|name| dir.join(name)).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.pop();
    paths.retain(|path| !content(disk, path).is_empty());
    paths
}

fn content(disk: &SimulatedDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

fn flip(disk: &SimulatedDisk, path: &Path, at: usize, bit: u8) {
    let file = disk.open(path).unwrap();
    file.write_at(&[content(disk, path)[at] ^ bit], at as u64).unwrap();
    file.sync_data().unwrap();
}

/// What the runs have met.
#[derive(Default)]
struct Met {
    damaged: u64,
    compacted_beside: u64,
    put_right: u64,
}

fn run(seed: u64, met: &mut Met) {
    let mut random = Random::of_seed(seed);
    let disk = SimulatedDisk::new();
    let mut log = open(&disk);
    create(&log);
    let (mut all, mut number, mut now_ms) = (Newest::new(), 0, 0);
    for _ in 0..1 + random.below(3) {
        append(&log, &mut random, &mut number, &mut [&mut all]);
        append(&log, &mut random, &mut number, &mut [&mut all]);
        if random.below(2) == 0 {
            now_ms += PAUSE_MS;
            assert_eq!(log.maintain(now_ms).unwrap().failed_partitions, 0);
        }
    }
    assert_eq!(newest(&log), all, "seed {seed}");

    let closed = closed_segments(&disk);
    if closed.is_empty() {
        return;
    }
    let path = &closed[random.below(closed.len() as u64) as usize];
    let at = random.below(content(&disk, path).len() as u64) as usize;
    let bit = 1 << random.below(8);
    flip(&disk, path, at, bit);
    let damaged = content(&disk, path);
    let mut readable = newest(&log);
    let mut is_known = false;
    for step in 0..6 {
        let context = format!("seed {seed}, step {step}, {} at {at}", path.display());
        if random.below(2) == 0 {
            append(&log, &mut random, &mut number, &mut [&mut all, &mut readable]);
        }
        if random.below(3) > 0 {
            now_ms += PAUSE_MS;
            let report = log.maintain(now_ms).unwrap();
            assert_eq!(report.failed_partitions, 0, "{context}");
            is_known |= report.damaged_segments > 0;
            met.compacted_beside += (report.damaged_segments > 0 && report.compacted_segments > 0) as u64;
            assert!(!is_known || log.partition("t", 0).unwrap().damaged_places() > 0, "{context}");
        }
        if random.below(3) == 0 {
            match random.below(2) {
                0 => log.close(now_ms).unwrap(),
                _ => drop(log),
            }
            log = open(&disk);
        }
        assert_eq!(newest(&log), readable, "{context}");
        assert!(!is_known || content(&disk, path) == damaged, "{context}: the segment was written");
    }
    if !is_known {
        return;
    }
    met.damaged += 1;
    flip(&disk, path, at, bit);
    for step in 0..4 {
        if random.below(3) == 0 {
            drop(log);
            log = open(&disk);
        }
        assert_eq!(newest(&log), all, "seed {seed}, put right, step {step}");
        now_ms += PAUSE_MS;
        let report = log.maintain(now_ms).unwrap();
        assert_eq!((report.failed_partitions, report.damaged_segments), (0, 0), "seed {seed}, step {step}");
    }
    assert_eq!(newest(&log), all, "seed {seed}");
    met.put_right += 1;
}

#[test]
fn damaged_segment_stays_and_the_others_are_compacted() {
    let mut met = Met::default();
    for seed in 0..RUNS {
        run(seed, &mut met);
    }
    let Met { damaged, compacted_beside, put_right } = met;
    println!(
        "{damaged} runs met damage, {compacted_beside} passes compacted beside it, {put_right} ended whole"
    );
    assert!(damaged > RUNS / 3 && compacted_beside > RUNS / 3 && put_right == damaged);
}
