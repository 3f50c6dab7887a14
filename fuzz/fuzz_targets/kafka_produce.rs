//! Any bytes as the records of a produce request, through every check of the broker: what it takes can be read back whole
//! and its records to their end.
//!
//! The first byte chooses the topic, the second the version, the third whether checksums are made right.

#![no_main]

use std::cell::RefCell;
use std::sync::Arc;

use commitlog::{Isolation, Log, LogConfig, SimulatedDisk, TopicSettings, batches};
use kafka::Offline;
use libfuzzer_sys::{Corpus, fuzz_target};

#[path = "../src/checksum.rs"]
mod checksum;

/// Requests one broker sees.
const REQUESTS_MAX: usize = 5000;
const READ_BYTES_MAX: usize = 1 << 20;
const PRODUCE: i16 = 0;
const ACKS_LEADER: i16 = 1;
/// Topic and settings.
const TOPICS: [(&str, &[(&str, &str)]); 4] = [
    ("p", &[]),
    ("c", &[("cleanup.policy", "compact")]),
    ("z", &[("compression.type", "zstd")]),
    ("l", &[("message.timestamp.type", "LogAppendTime"), ("message.timestamp.before.max.ms", "1000")]),
];

struct Subject {
    broker: Offline,
    log: Arc<Log>,
    requests: usize,
}

thread_local! {
    static SUBJECT: RefCell<Option<Subject>> = const { RefCell::new(None) };
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let [topic, version, mode, records @ ..] = data else { return Corpus::Reject };
    let mut records = records.to_vec();
    if mode & 1 == 1 {
        checksum::make_right(&mut records);
    }
    let topic = TOPICS[usize::from(*topic) % TOPICS.len()].0;
    // Up to the last version with plain lengths.
    let version = i16::from(*version) % 9;
    SUBJECT.with_borrow_mut(|subject| {
        let subject = match subject {
            Some(subject) if subject.requests < REQUESTS_MAX => subject,
            other => other.insert(fresh()),
        };
        subject.requests += 1;
        let before = subject.log.offsets(topic, 0).expect("the topic is there").next;
        subject.broker.ask(PRODUCE, version, &request(version, topic, &records));
        read_back(&subject.log, topic, before);
    });
    Corpus::Keep
});

fn fresh() -> Subject {
    let config = LogConfig { inline_writer: true, journal_allocate_bytes: 4096, ..LogConfig::default() };
    let log: Arc<Log> = Log::open(Arc::new(SimulatedDisk::new()), "/log", config).expect("there is power");
    for (topic, settings) in TOPICS {
        let settings: TopicSettings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        log.create_topic(topic, 1, &settings, 0).expect("there is power");
    }
    let broker = Offline::open(log.clone(), &[]).expect("there is power");
    Subject { broker, log, requests: 0 }
}

fn request(version: i16, topic: &str, records: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    if version >= 3 {
        // No transactional id.
        body.extend((-1i16).to_be_bytes());
    }
    body.extend(ACKS_LEADER.to_be_bytes());
    body.extend(1000i32.to_be_bytes());
    body.extend(1i32.to_be_bytes());
    body.extend((topic.len() as i16).to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend(1i32.to_be_bytes());
    body.extend(0i32.to_be_bytes());
    body.extend((records.len() as i32).to_be_bytes());
    body.extend(records);
    body
}

fn read_back(log: &Log, topic: &str, mut offset: i64) {
    let (mut out, mut scratch) = (Vec::new(), Vec::new());
    let end = log.offsets(topic, 0).expect("the topic is there").next;
    while offset < end {
        log.read(topic, 0, offset, READ_BYTES_MAX, Isolation::ReadUncommitted, &mut out)
            .expect("it was taken");
        let before = offset;
        for batch in batches(&out) {
            let batch = batch.expect("batches are served whole");
            batch.validate().expect("batches are served with right checksums");
            let records = batch.records(&mut scratch, commitlog::UNPACKED_BATCH_BYTES_MAX);
            for record in records.expect("only what can be unpacked is taken") {
                let record = record.expect("only whole records are taken");
                assert!(record.headers().all(|header| header.is_ok()));
            }
            assert!(batch.next_offset() > offset && batch.next_offset() <= end);
            offset = batch.next_offset();
        }
        assert!(offset > before, "a read goes on");
    }
}
