//! The log on a real disk, through its public API.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use commitlog::*;

fn open(dir: &std::path::Path) -> Arc<Log> {
    Log::open(Arc::new(RealDisk), dir, LogConfig::default()).unwrap()
}

fn batch(values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for (i, value) in values.iter().enumerate() {
        builder.append(i as i64, None, Some(value.as_bytes()), &[]);
    }
    builder.finish().to_vec()
}

fn values(reader: &mut PartitionReader) -> Vec<String> {
    let mut out = Vec::new();
    let mut all = Vec::new();
    let mut scratch = Vec::new();
    while reader.has_more() {
        reader.read(1 << 20, &mut out).unwrap();
        for batch in batches(&out) {
            for record in batch.unwrap().records(&mut scratch, 1 << 20).unwrap() {
                all.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
            }
        }
    }
    all
}

#[test]
fn appended_and_committed_records_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for clean in [true, false] {
        let log = open(dir.path());
        let topic = format!("topic-{clean}");
        log.create_topic(&topic, 2, &TopicSettings::new(), 1).unwrap();
        log.append(&topic, 0, &mut batch(&["a", "b"]), 1).unwrap();
        let (info, ticket) = log.append_durable(&topic, 0, &mut batch(&["c"]), 1).unwrap();
        ticket.wait().unwrap();
        assert_eq!((info.base_offset, info.last_offset), (2, 2));

        let mut tx = log.transaction("query-1", 1).unwrap();
        for round in 0..10 {
            tx.append(&topic, 1, &mut batch(&[&format!("x{round}")]), 1).unwrap();
            tx.set_offset("query-1", &topic, 0, round.min(3), 1).unwrap();
            tx.put_meta(b"time", &[round as u8], 1).unwrap();
            let ticket = tx.commit(1).unwrap();
            if round == 9 {
                ticket.wait().unwrap();
            }
        }
        tx.append(&topic, 1, &mut batch(&["never"]), 1).unwrap();
        assert!(matches!(
            log.transaction("query-1", 1).map(|mut other| (other.abort(1), tx.commit(1))),
            Ok((Ok(()), Err(LogError::Fenced { .. })))
        ));
        if clean {
            log.close(1).unwrap();
        }
        drop((tx, log));

        let log = open(dir.path());
        let expected: Vec<String> = (0..10).map(|round| format!("x{round}")).collect();
        assert_eq!(values(&mut log.reader(&topic, 0, 0, Isolation::ReadCommitted).unwrap()), ["a", "b", "c"]);
        assert_eq!(values(&mut log.reader(&topic, 1, 0, Isolation::ReadCommitted).unwrap()), expected);
        assert_eq!(log.committed_offset("query-1", &topic, 0).unwrap().offset, 3);
        assert_eq!(log.committed_meta("query-1", b"time").as_deref(), Some([9u8].as_slice()));
        assert_eq!(log.offsets(&topic, 1).unwrap().last_stable, log.offsets(&topic, 1).unwrap().next);
    }
}
