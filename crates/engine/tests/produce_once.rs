//! Batches with sequences: written once, whatever is sent again and whenever the process dies.

#![allow(clippy::unwrap_used, reason = "a test")]

mod opened;

use std::path::Path;

use engine::{Engine, NewRecord, ProducerSequence, Taken};
use opened::{open_with, try_open};

fn open(dir: &Path) -> Engine {
    open_with(dir, &[("num.partitions", "3")])
}

fn sequence(producer: &str, sequence: u64) -> ProducerSequence {
    ProducerSequence { producer: producer.to_owned(), sequence }
}

/// Ten records with keys `10 n` to `10 n + 9`.
fn batch(n: u64) -> Vec<NewRecord> {
    (n * 10..n * 10 + 10)
        .map(|key| (Some(key as i64), Some(key.to_string().into_bytes()), Some(b"{}".to_vec())))
        .collect()
}

fn send(engine: &Engine, producer: &str, n: u64) -> Taken {
    engine.produce_once("t", None, &batch(n), &sequence(producer, n)).unwrap()
}

/// All keys in the topic, sorted.
fn keys(engine: &Engine) -> Vec<u64> {
    let records = engine.records("t", &[]).unwrap();
    let key = |key: Option<Vec<u8>>| String::from_utf8(key.unwrap()).unwrap().parse().unwrap();
    let mut keys: Vec<u64> = records.into_iter().map(|record| key(record.key)).collect();
    keys.sort();
    keys
}

#[test]
fn repeated_batch_is_acknowledged_and_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    assert_eq!(send(&engine, "a", 0), Taken::Written);
    assert_eq!(send(&engine, "a", 1), Taken::Written);
    assert_eq!(send(&engine, "a", 1), Taken::Repeated);
    assert_eq!(send(&engine, "a", 0), Taken::Repeated);
    assert_eq!(send(&engine, "b", 0), Taken::Written);
    assert_eq!(keys(&engine).len(), 30);
    // Each topic is counted for itself.
    let other = engine.produce_once("u", None, &batch(0), &sequence("a", 0)).unwrap();
    assert_eq!(other, Taken::Written);
    engine.close();
}

#[test]
fn gap_and_unknown_producer_are_refused_and_write_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    send(&engine, "a", 0);
    let refused = |producer: &str, n: u64| {
        let error = engine.produce_once("t", None, &batch(n), &sequence(producer, n)).unwrap_err();
        assert_eq!(error.code, "sequence_gap");
        error.render()
    };
    assert_eq!(
        refused("a", 2),
        "batch 2 of producer \"a\" for topic \"t\" does not follow its last one, 0\n  hint: send batch 1 first"
    );
    assert!(refused("b", 1).contains("the producer is not known"));
    assert_eq!(keys(&engine).len(), 10);
    engine.close();
}

#[test]
fn killed_and_stopped_servers_remember_what_they_took() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..6 {
        let engine = open(dir.path());
        // The first is what the client did not see acknowledged.
        for n in (round * 3u64).saturating_sub(1)..round * 3 + 3 {
            let taken = send(&engine, "a", n);
            assert_eq!(taken == Taken::Repeated, n + 1 == round * 3, "{n}");
        }
        if round % 2 == 0 { engine.abandon() } else { engine.close() }
    }
    let engine = open(dir.path());
    assert_eq!(keys(&engine), (0..180).collect::<Vec<_>>());
    engine.close();
}

#[test]
fn batch_with_a_record_that_is_refused_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.create_topic("t", Some(3), &[("max.message.bytes".to_owned(), "5000".to_owned())]).unwrap();
    send(&engine, "a", 0);
    let mut records = batch(1);
    records.push((None, Some(b"10".to_vec()), Some(vec![b'x'; 6000])));
    let error = engine.produce_once("t", None, &records, &sequence("a", 1)).unwrap_err();
    assert!(error.message.contains("max.message.bytes"), "{error}");
    // The number is free for a batch that fits.
    assert_eq!(send(&engine, "a", 1), Taken::Written);
    assert_eq!(keys(&engine), (0..20).collect::<Vec<_>>());
    engine.close();
}

#[test]
fn producers_at_the_same_time_do_not_mix() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    std::thread::scope(|scope| {
        for producer in 0..4 {
            let engine = &engine;
            scope.spawn(move || {
                for n in 0..10 {
                    let name = producer.to_string();
                    assert_eq!(send(engine, &name, n), Taken::Written);
                    assert_eq!(send(engine, &name, n), Taken::Repeated);
                }
            });
        }
    });
    let expect: Vec<u64> = (0..100).flat_map(|key| [key; 4]).collect();
    assert_eq!(keys(&engine), expect);
    engine.close();
}

#[test]
fn directory_in_use_is_refused_with_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let second = try_open(dir.path(), &[]);
    let error = second.err().unwrap();
    assert_eq!(error.code, "data_directory_in_use");
    assert!(error.render().contains("is in use by another server (process "), "{}", error.render());
    engine.close();
}
