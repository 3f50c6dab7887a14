//! The log against a plain model: random appends, reads, transactions, rolls and restarts.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use commitlog::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Append { partition: u32, count: u8, len: u16, codec: u8 },
    Transact { writer: u8, partition: u32, count: u8, len: u16 },
    Commit { writer: u8 },
    Abort { writer: u8 },
    Read { partition: u32, from: u16, max_bytes: u16 },
    Lookup { partition: u32, timestamp: u16 },
    Restart { clean: bool },
    DeleteRecords { partition: u32, before: u16 },
    Maintain,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2u32, 1..5u8, 0..800u16, 0..5u8)
            .prop_map(|(partition, count, len, codec)| Step::Append { partition, count, len, codec }),
        4 => (0..2u8, 0..2u32, 1..4u8, 0..400u16)
            .prop_map(|(writer, partition, count, len)| Step::Transact { writer, partition, count, len }),
        2 => (0..2u8).prop_map(|writer| Step::Commit { writer }),
        1 => (0..2u8).prop_map(|writer| Step::Abort { writer }),
        3 => (0..2u32, any::<u16>(), 1..=u16::MAX)
            .prop_map(|(partition, from, max_bytes)| Step::Read { partition, from, max_bytes }),
        1 => (0..2u32, 0..300u16).prop_map(|(partition, timestamp)| Step::Lookup { partition, timestamp }),
        1 => any::<bool>().prop_map(|clean| Step::Restart { clean }),
        1 => (0..2u32, any::<u16>()).prop_map(|(partition, before)| Step::DeleteRecords { partition, before }),
        1 => Just(Step::Maintain),
    ]
}

/// A record as the model knows it: offset, number (also its timestamp), writer of its open or aborted transaction.
type Row = (i64, i64);

#[derive(Default)]
struct Model {
    /// What read-committed readers may see in the end, by partition.
    committed: [Vec<Row>; 2],
    open: [Vec<(u32, Row)>; 2],
    next_number: i64,
    start: [i64; 2],
}

fn config() -> LogConfig {
    LogConfig {
        inline_writer: true,
        journal_bytes_max: 20_000,
        journal_allocate_bytes: 0,
        repeated_bytes_max: 1000,
        ahead_file_bytes: 16 * 1024,
        ahead_bytes_max: 5000,
        ..LogConfig::default()
    }
}

fn encode(model: &mut Model, count: u8, len: u16, codec: u8) -> (Vec<u8>, Vec<i64>) {
    let mut builder = BatchBuilder::with_compression(Compression::from_id(codec as i16).unwrap());
    let mut numbers = Vec::new();
    for _ in 0..count {
        let number = model.next_number;
        model.next_number += 1;
        let mut value = number.to_be_bytes().to_vec();
        value.resize(8 + len as usize, 7);
        let header = Header { key: b"n", value: None };
        builder.append(number, Some(b"key"), Some(&value), &[header]);
        numbers.push(number);
    }
    (builder.finish().to_vec(), numbers)
}

fn rows(bytes: &[u8], from: i64) -> Vec<Row> {
    let (mut rows, mut scratch) = (Vec::new(), Vec::new());
    for batch in batches(bytes) {
        let batch = batch.unwrap();
        batch.validate_records(&mut scratch, 1 << 20).unwrap();
        for record in batch.records(&mut scratch, 1 << 20).unwrap() {
            let record = record.unwrap();
            let number = i64::from_be_bytes(*record.value.unwrap().first_chunk().unwrap());
            assert_eq!(record.timestamp, number);
            assert_eq!(record.headers().count(), 1);
            if record.offset >= from {
                rows.push((record.offset, number));
            }
        }
    }
    rows
}

fn run(steps: Vec<Step>) {
    let disk = SimulatedDisk::new();
    let settings: TopicSettings = [("segment.bytes", "3000"), ("index.interval.bytes", "200")]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let open = || Log::open(Arc::new(disk.clone()), "/log", config()).unwrap();
    let mut log = open();
    log.create_topic("t", 2, &settings, 0).unwrap();
    let mut model = Model::default();
    let mut txs: Vec<EpochTx> = (0..2).map(|i| log.transaction(&format!("w{i}"), 0).unwrap()).collect();
    for step in steps {
        let now_ms = 0;
        match step {
            Step::Append { partition, count, len, codec } => {
                let (mut bytes, numbers) = encode(&mut model, count, len, codec);
                let info = log.append_client("t", partition, None, &mut bytes, now_ms).unwrap();
                let new =
                    numbers.iter().enumerate().map(|(i, number)| (info.base_offset + i as i64, *number));
                model.committed[partition as usize].extend(new);
            }
            Step::Transact { writer, partition, count, len } => {
                let (mut bytes, numbers) = encode(&mut model, count, len, 0);
                let info = txs[writer as usize].append("t", partition, &mut bytes, now_ms).unwrap();
                let new = numbers.iter().enumerate();
                let new = new.map(|(i, number)| (partition, (info.base_offset + i as i64, *number)));
                model.open[writer as usize].extend(new);
            }
            Step::Commit { writer } => {
                txs[writer as usize].commit(now_ms).unwrap().wait().unwrap();
                for (partition, row) in std::mem::take(&mut model.open[writer as usize]) {
                    model.committed[partition as usize].push(row);
                    model.committed[partition as usize].sort_unstable();
                }
            }
            Step::Abort { writer } => {
                txs[writer as usize].abort(now_ms).unwrap();
                model.open[writer as usize].clear();
            }
            Step::Read { partition, from, max_bytes } => {
                let offsets = log.offsets("t", partition).unwrap();
                let first_open =
                    model.open.iter().flatten().filter(|(p, _)| *p == partition).map(|(_, row)| row.0).min();
                assert_eq!(offsets.last_stable, first_open.unwrap_or(offsets.next));
                let start = model.start[partition as usize];
                assert_eq!(offsets.log_start, start);
                let from = start + from as i64 % (offsets.next - start + 1);
                let mut reader = log.reader("t", partition, from, Isolation::ReadCommitted).unwrap();
                let (mut out, mut found) = (Vec::new(), Vec::new());
                // With no bytes at all nothing is read.
                reader.read(0, &mut out).unwrap();
                assert_eq!((reader.offset(), out.len()), (from, 0));
                while reader.has_more() {
                    let before = reader.offset();
                    reader.read(max_bytes as usize, &mut out).unwrap();
                    assert!(reader.offset() > before);
                    found.extend(rows(&out, from));
                }
                let expected: Vec<Row> = model.committed[partition as usize]
                    .iter()
                    .filter(|row| row.0 >= from && row.0 < offsets.last_stable)
                    .copied()
                    .collect();
                assert_eq!(found, expected);
            }
            Step::Lookup { partition, timestamp } => {
                let found =
                    log.partition("t", partition).unwrap().offset_for_timestamp(timestamp as i64).unwrap();
                // Numbers grow with offsets, whoever wrote them; aborted records and markers count, as in Kafka.
                if let Some((offset, at)) = found {
                    assert!(at >= timestamp as i64 && offset >= model.start[partition as usize]);
                }
                let first = model.committed[partition as usize]
                    .iter()
                    .find(|row| row.1 >= timestamp as i64 && row.0 >= model.start[partition as usize]);
                if let Some(first) = first {
                    assert!(found.unwrap().0 <= first.0);
                }
            }
            Step::Restart { clean } => {
                if clean {
                    log.close(now_ms).unwrap();
                }
                txs.clear();
                log = open();
                model.open = Default::default();
                txs = (0..2).map(|i| log.transaction(&format!("w{i}"), now_ms).unwrap()).collect();
            }
            Step::DeleteRecords { partition, before } => {
                let end = log.offsets("t", partition).unwrap().last_stable;
                let start = model.start[partition as usize];
                let before = start + before as i64 % (end - start + 1);
                assert_eq!(log.delete_records("t", partition, before).unwrap(), before);
                model.start[partition as usize] = before;
            }
            Step::Maintain => {
                log.checkpoint_far_partitions().unwrap();
                assert_eq!(log.maintain(now_ms).unwrap().failed_partitions, 0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn log_agrees_with_a_list_of_records(steps in prop::collection::vec(step(), 1..120)) {
        run(steps);
    }
}
