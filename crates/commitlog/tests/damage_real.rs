//! Real files that are cut and flipped: no panic, nothing wrong served, what is damaged is counted, other partitions
//! stay whole.
//!
//! `COMMITLOG_DAMAGE=whole` cuts at every byte of the last 64 KiB and flips 10,000 bits; without it a part of that.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use commitlog::*;

mod random;
mod readable;
use random::Random;
use readable::{Offsets, batch, read};

const RECORDS: i64 = 1500;
const READ_BYTES: usize = 1 << 20;
const OTHERS: [(&str, u32); 2] = [("t", 1), ("other", 0)];

fn whole() -> bool {
    std::env::var("COMMITLOG_DAMAGE").is_ok_and(|amount| amount == "whole")
}

/// A directory of its own, in memory where that is possible, as every start syncs; gone with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let shared = Path::new("/dev/shm");
        let base = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
        let path = base.join(format!("commitlog-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(dir: &Path) -> Result<Arc<Log>, LogError> {
    let config = LogConfig {
        inline_writer: true,
        journal_allocate_bytes: 4096,
        // They would give back what is taken from segments here.
        ahead_file_bytes: 0,
        ..LogConfig::default()
    };
    Log::open(Arc::new(RealDisk), dir, config)
}

/// A log whose partition t-0 has a closed segment and more than 64 KiB in the active one. Returns t-0's directory.
fn make(dir: &Path, clean: bool) -> PathBuf {
    let log = open(dir).unwrap();
    let settings = TopicSettings::from([("segment.bytes".to_owned(), "100000".to_owned())]);
    log.create_topic("t", 2, &settings, 0).unwrap();
    log.create_topic("other", 1, &settings, 0).unwrap();
    for from in (0..RECORDS).step_by(5) {
        log.append_durable("t", 0, &mut batch(from, 5), 0).unwrap().1.wait().unwrap();
        for (topic, partition) in OTHERS.iter().filter(|_| from < 100) {
            log.append_durable(topic, *partition, &mut batch(from, 5), 0).unwrap().1.wait().unwrap();
        }
    }
    if clean {
        log.close(0).unwrap();
    }
    drop(log);
    let topics = fs::read_dir(dir.join("topics")).unwrap().map(|entry| entry.unwrap().path());
    topics
        .into_iter()
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("t."))
        .unwrap()
        .join("0")
}

/// Copies the files that a start writes into, and those to be damaged; the others are linked, as they are replaced or
/// left alone.
fn copy(from: &Path, to: &Path, own: &[&Path]) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&source, &target, own);
        } else if own.contains(&source.as_path()) || source.extension().is_some_and(|e| e == "index") {
            fs::copy(source, target).unwrap();
        } else {
            fs::hard_link(source, target).unwrap();
        }
    }
}

fn active_segment(partition: &Path) -> PathBuf {
    files(partition).into_iter().rfind(|path| path.extension().is_some_and(|e| e == "log")).unwrap()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_file());
    found.sort();
    found
}

fn damaged_places(log: &Log) -> u64 {
    log.partition("t", 0).unwrap().damaged_places()
}

fn check_others(log: &Log, context: &str) {
    for (topic, partition) in OTHERS {
        assert_eq!(
            read(log, topic, partition, READ_BYTES, Offsets::Theirs),
            100,
            "{context}: {topic}-{partition}"
        );
        assert_eq!(
            log.partition(topic, partition).unwrap().damaged_places(),
            0,
            "{context}: {topic}-{partition}"
        );
    }
}

#[test]
fn the_last_segment_cut_at_every_byte_keeps_the_whole_batches() {
    let span = if whole() { 64 << 10 } else { 1500 };
    for clean in [false, true] {
        let folder = Folder::new(if clean { "cut-clean" } else { "cut" });
        let (template, dir) = (folder.0.join("template"), folder.0.join("cut"));
        let partition = make(&template, clean);
        let last = active_segment(&partition);
        let bytes = fs::read(&last).unwrap();
        assert!(bytes.len() > 64 << 10, "the active segment has {} bytes", bytes.len());
        let base: i64 = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let target = dir.join(last.strip_prefix(&template).unwrap());
        for cut in bytes.len() - span..bytes.len() {
            let _ = fs::remove_dir_all(&dir);
            copy(&template, &dir, &[&last]);
            OpenOptions::new().write(true).open(&target).unwrap().set_len(cut as u64).unwrap();
            let context = format!("cut at {cut}, clean {clean}");
            let log = open(&dir).unwrap();
            let next =
                batches(&bytes[..cut]).flatten().map(|batch| batch.next_offset()).last().unwrap_or(base);
            assert_eq!(log.offsets("t", 0).unwrap().next, next, "{context}");
            // A cut end is what a crash leaves; after a clean stop it is damage.
            assert_eq!(damaged_places(&log) > 0, clean, "{context}");
            assert_eq!(log.append("t", 0, &mut batch(next, 5), 0).unwrap().base_offset, next, "{context}");
            if cut % 64 == 0 || !whole() {
                assert_eq!(read(&log, "t", 0, READ_BYTES, Offsets::Theirs), next + 5, "{context}");
                check_others(&log, &context);
            }
        }
    }
}

#[test]
fn flipped_bits_are_refused_and_counted() {
    let flips = if whole() { 5_000 } else { 300 };
    let mut random = Random::of_seed(1);
    let mut below = |bound: usize| random.below(bound as u64) as usize;
    let (mut refused_starts, mut damaged, mut harmless) = (0, 0, 0);
    for clean in [false, true] {
        let folder = Folder::new(if clean { "flip-clean" } else { "flip" });
        let (template, dir) = (folder.0.join("template"), folder.0.join("flip"));
        let partition = make(&template, clean);
        let active = active_segment(&partition);
        let mut targets: Vec<PathBuf> = files(&partition).into_iter().chain(files(&template)).collect();
        targets.retain(|path| fs::metadata(path).unwrap().len() > 0);
        for _ in 0..flips {
            // Most flips where most bytes are, but every file has its share.
            let path = &targets[below(targets.len())];
            let mut bytes = fs::read(path).unwrap();
            let at = below(bytes.len());
            let is_log = path.extension().is_some_and(|extension| extension == "log");
            let mut begin = 0;
            let mut batch_at = None;
            for batch in batches(&bytes).flatten().take_while(|_| is_log) {
                if (begin..begin + batch.len()).contains(&at) {
                    batch_at = Some((at - begin, begin + batch.len() == bytes.len()));
                }
                begin += batch.len();
            }
            // The checksum covers neither the base offset nor the leader epoch.
            let in_base_offset = batch_at.is_some_and(|(at, _)| at < 8);
            let in_last_batch = batch_at.is_some_and(|(_, last)| last);
            bytes[at] ^= 1 << below(8);
            let _ = fs::remove_dir_all(&dir);
            copy(&template, &dir, &[path, &active]);
            let target = dir.join(path.strip_prefix(&template).unwrap());
            OpenOptions::new()
                .write(true)
                .open(&target)
                .unwrap()
                .write_all_at(&bytes[at..at + 1], at as u64)
                .unwrap();
            let context = format!("{} at {at}, clean {clean}", target.display());
            let log = match open(&dir) {
                Ok(log) => log,
                Err(error) => {
                    assert!(target.extension().is_some_and(|e| e == "journal"), "{context}: {error}");
                    refused_starts += 1;
                    continue;
                }
            };
            check_others(&log, &context);
            let offsets = if in_base_offset { Offsets::MayBeFlipped } else { Offsets::Theirs };
            let count = read(&log, "t", 0, READ_BYTES, offsets);
            assert!(count == RECORDS || is_log, "{context}: {count}");
            // In the last batch after a crash it cannot be told from a write that was cut off.
            assert!(
                count == RECORDS || damaged_places(&log) > 0 || (in_last_batch && !clean),
                "{context}: {count} records are left and no damage is counted"
            );
            if damaged_places(&log) > 0 { damaged += 1 } else { harmless += 1 }
        }
    }
    assert!(
        damaged > flips / 4 && harmless > 0,
        "{damaged} damaged places counted, {harmless} flips harmless"
    );
    println!("{damaged} damaged places counted, {harmless} flips harmless, {refused_starts} starts refused");
}
