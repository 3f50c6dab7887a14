//! Damage in what no checkpoint vouches for, found after a power cut: what was acknowledged is written again from the
//! write-ahead files, or stays where it is; only the damaged batch can be lost.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use commitlog::*;

mod random;
#[expect(dead_code, reason = "no offset is in doubt here")]
mod readable;
use random::Random;
use readable::{Offsets, batch, read};

/// Above the size that a write-ahead file takes.
const LARGE: i64 = 30;
const RUNS: u64 = 300;

fn open(disk: &SimulatedDisk) -> Arc<Log> {
    let config = LogConfig {
        inline_writer: true,
        journal_allocate_bytes: 0,
        repeated_bytes_max: 1500,
        ahead_file_bytes: 64 * 1024,
        ahead_bytes_max: 2000,
        ..LogConfig::default()
    };
    Log::open(Arc::new(disk.clone()), "/log", config).unwrap()
}

fn log_file(disk: &SimulatedDisk) -> PathBuf {
    let topics = Path::new("/log/topics");
    topics.join(&disk.list(topics).unwrap()[0]).join("0/00000000000000000000.log")
}

fn content(disk: &SimulatedDisk) -> Vec<u8> {
    let file = disk.open(&log_file(disk)).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

/// What is appended: small batches, which a write-ahead file or the journal repeats, and large ones, which are synced.
/// Returns the number of records.
fn fill(log: &Arc<Log>, random: &mut Random, is_transactional: bool) -> i64 {
    let mut tx = log.transaction("w", 0).unwrap();
    let mut records = 0;
    for step in 0..60 {
        let next = log.offsets("t", 0).unwrap().next;
        let is_large = (1..50).contains(&step) && random.below(6) == 0;
        let count = if is_large { LARGE } else { 1 };
        records += count;
        let mut bytes = batch(next, count);
        // At the end, a frame or a large transaction says that what lies before is kept.
        if is_transactional && (random.below(2) == 0 || step == 50) {
            if step == 50 {
                records += LARGE - count;
                bytes = batch(next, LARGE);
            }
            tx.append("t", 0, &mut bytes, 0).unwrap();
            tx.commit(0).unwrap().wait().unwrap();
        } else {
            log.append_durable("t", 0, &mut bytes, 0).unwrap().1.wait().unwrap();
        }
    }
    records
}

#[test]
fn damage_before_a_frame_of_a_write_ahead_file_costs_its_batch_at_most() {
    let (mut mended, mut lost) = (0, 0);
    for seed in 0..RUNS {
        let mut random = Random::of_seed(seed);
        let disk = SimulatedDisk::new();
        let log = open(&disk);
        log.create_topic("t", 1, &TopicSettings::new(), 0).unwrap();
        let records = fill(&log, &mut random, seed % 2 == 0);
        let next = log.offsets("t", 0).unwrap().next;
        let bytes = content(&disk);
        let begins: Vec<usize> = batches(&bytes)
            .flatten()
            .scan(0, |at, batch| {
                *at += batch.len();
                Some(*at - batch.len())
            })
            .collect();
        let damaged = random.below(begins.len() as u64) as usize;
        let batch = Batch::parse(&bytes[begins[damaged]..]).unwrap();
        let count = if batch.is_control() { 0 } else { batch.record_count() as i64 };
        let crashed = disk.crash(random.next());
        drop(log);
        let file = crashed.open(&log_file(&crashed)).unwrap();
        // In the base offset, in the length, in a record; the file may end before it.
        let at = begins[damaged] + [6, 11, 90][random.below(3) as usize];
        let kept = content(&crashed);
        let Some(byte) = kept.get(at) else { continue };
        file.write_at(&[byte ^ 4], at as u64).unwrap();
        file.sync_data().unwrap();

        let context = format!("seed {seed}, batch {damaged} of {} records", count);
        for start in 0..3 {
            let log = open(&crashed);
            assert_eq!(log.offsets("t", 0).unwrap().next, next, "{context}, start {start}");
            let found = read(&log, "t", 0, 3000, Offsets::Theirs);
            let places = log.partition("t", 0).unwrap().damaged_places();
            if found < records {
                assert_eq!(found, records - count, "{context}, start {start}");
                assert!(count == LARGE, "{context}: it was repeated");
                // Later on it may be a gap.
                assert!(places > 0 || start > 0, "{context}");
            }
            if start == 0 {
                mended += i32::from(found == records);
                lost += i32::from(found < records);
            }
            if start == 1 {
                log.close(0).unwrap();
            }
        }
    }
    println!("{mended} mended, {lost} lost one batch");
    assert!(mended > RUNS as i32 / 5 && lost > RUNS as i32 / 12);
}
