#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use commitlog::{BatchBuilder, Compression, Header, Isolation, Log};
use proptest::prelude::*;

use super::*;
use crate::{Engine, EngineConfig, Session};

/// A log with a topic `t`, and what a decoder of its records is made for.
fn set_up(headers: &str) -> (Engine, plan::step::Step, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(EngineConfig { data_dir: dir.path().to_owned(), properties: vec![] }).unwrap();
    let sql = format!(
        "CREATE STREAM s (n BIGINT, x STRING{headers}) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', PARTITIONS=1);"
    );
    engine.execute(&sql, &mut Session::default(), &mut vec![]).unwrap();
    let source = engine.sources().into_iter().find(|source| &*source.name == "S").unwrap();
    (engine, plan::query::source_step(&source), dir)
}

fn open(log: &Arc<Log>, step: &plan::step::Step, from: i64) -> Input {
    let reader = log.reader("t", 0, from, Isolation::ReadCommitted).unwrap();
    let plan::step::StepKind::Source(source) = &step.kind else { unreachable!() };
    Input::new(reader, SourceDecoder::new(step).unwrap(), !source.headers.is_empty(), None)
}

/// A batch: how it is packed, and how long each record's text is.
type Packed = (Option<Compression>, Vec<usize>);

fn packed() -> impl Strategy<Value = Packed> {
    let codec = prop_oneof![
        3 => Just(None),
        2 => Just(Some(Compression::Zstd)),
        1 => Just(Some(Compression::Gzip)),
        1 => Just(Some(Compression::Lz4)),
        1 => Just(Some(Compression::Snappy)),
    ];
    let text = prop_oneof![10 => 0..50usize, 1 => 500..3000usize];
    (codec, prop::collection::vec(text, 1..40))
}

fn append(log: &Arc<Log>, batches: &[Packed], headers: usize) -> i64 {
    let names: Vec<Vec<u8>> = (0..headers).map(|n| n.to_string().into_bytes()).collect();
    let headers: Vec<Header<'_>> = names.iter().map(|key| Header { key, value: Some(key) }).collect();
    let mut count = 0;
    for (codec, texts) in batches {
        let mut builder = BatchBuilder::with_compression(codec.unwrap_or_default());
        for text in texts {
            let value = format!(r#"{{"n":{count},"x":"{}"}}"#, "x".repeat(*text));
            builder.append(count, None, Some(value.as_bytes()), &headers);
            count += 1;
        }
        log.append("t", 0, builder.finish(), 0).unwrap();
    }
    count
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Every record from an offset on comes once, in order, whatever parts it is found in, and the parts are small.
    #[test]
    fn parts_hold_every_record_once(batches in prop::collection::vec(packed(), 1..12), from in 0..300i64, blocks: bool) {
        let (engine, step, _dir) = set_up("");
        let log = engine.log();
        let count = append(&log, &batches, 0);
        let from = from.min(count);
        let mut input = open(&log, &step, from);
        let mut offset = from;
        while input.fill(1 << 20).unwrap() {
            let largest = batches.iter().map(|(_, texts)| texts.iter().map(|n| n + 40).sum::<usize>()).max();
            prop_assert!(input.places.len() <= RECORDS_MAX);
            prop_assert!(input.unpacked.len() <= UNPACKED_BYTES_MAX + largest.unwrap_or_default());
            loop {
                prop_assert_eq!(input.position(), offset);
                if blocks {
                    let count = input.load_block(7, i64::MAX);
                    for n in 0..count {
                        let Ok((row, _)) = input.block_row(n) else { panic!("a row is undecodable") };
                        prop_assert_eq!((row.offset, row.timestamp), (offset, offset));
                        offset += 1;
                    }
                    input.take_block();
                    if count == 0 {
                        break;
                    }
                } else {
                    let Some(loaded) = input.load() else { break };
                    prop_assert_eq!(loaded.ok(), Some(offset));
                    prop_assert_eq!(input.row().offset, offset);
                    input.take();
                    offset += 1;
                }
            }
        }
        prop_assert_eq!((offset, input.position(), input.has_more()), (count, count, false));
        engine.abandon();
    }
}

#[test]
fn headers_count_as_records_do() {
    let (engine, step, _dir) = set_up(", h ARRAY<STRUCT<key STRING, value BYTES>> HEADERS");
    let log = engine.log();
    let count = append(&log, &[(Some(Compression::Zstd), vec![0; 30]), (None, vec![0; 30])], 4);
    let mut input = open(&log, &step, 0);
    let mut parts = BTreeMap::new();
    let mut offset = 0;
    while input.fill(1 << 20).unwrap() {
        assert!(input.places.len() + input.headers.len() <= RECORDS_MAX + 4);
        while let Some(loaded) = input.load() {
            assert_eq!(loaded.ok(), Some(offset));
            *parts.entry(input.places.len()).or_insert(0) += 1;
            input.take();
            offset += 1;
        }
    }
    assert_eq!((offset, parts), (count, BTreeMap::from([(2, 60)])));
    engine.abandon();
}

#[test]
fn commit_markers_behind_the_last_part_are_passed() {
    let (engine, step, _dir) = set_up("");
    let log = engine.log();
    let mut tx = log.transaction("x", 0).unwrap();
    let mut builder = BatchBuilder::with_compression(Compression::Zstd);
    (0..25).for_each(|n| builder.append(n, None, Some(b"{}"), &[]));
    tx.append("t", 0, builder.finish(), 0).unwrap();
    tx.commit(0).unwrap().wait().unwrap();
    let mut input = open(&log, &step, 0);
    let mut taken = 0;
    while input.fill(1 << 20).unwrap() {
        while input.load().is_some() {
            input.take();
            taken += 1;
            assert_eq!(input.position(), if taken == 25 { 26 } else { taken });
        }
    }
    assert_eq!(taken, 25);
    engine.abandon();
}
