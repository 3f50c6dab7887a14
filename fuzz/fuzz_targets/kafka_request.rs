//! Any bytes as the body of any request of Kafka's protocol in any version served: the shape check and the decoder refuse
//! it, or the handler answers it; nothing panics.
//!
//! The first two bytes choose API and version, the third whether the request is also carried out. The broker has a
//! topic, a group and a transactional id that requests can name; it is made anew now and then, as it remembers.

#![no_main]

use std::cell::RefCell;
use std::sync::Arc;

use commitlog::{Log, LogConfig, OffsetCommit, SimulatedDisk, TopicSettings};
use kafka::{Offline, check_body};
use libfuzzer_sys::{Corpus, fuzz_target};

/// Requests one broker sees.
const REQUESTS_MAX: usize = 2000;

struct Subject {
    broker: Offline,
    requests: usize,
}

thread_local! {
    static SUBJECT: RefCell<Option<Subject>> = const { RefCell::new(None) };
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let [api, version, mode, body @ ..] = data else { return Corpus::Reject };
    let (api_key, version) = Offline::chosen(*api, *version);
    let is_request = check_body(api_key, version, body);
    if !is_request || mode & 1 == 0 || Offline::is_costly(api_key) {
        return Corpus::Keep;
    }
    SUBJECT.with_borrow_mut(|subject| {
        let fresh = || Subject { broker: broker(), requests: 0 };
        let subject = match subject {
            Some(subject) if subject.requests < REQUESTS_MAX => subject,
            other => other.insert(fresh()),
        };
        subject.requests += 1;
        subject.broker.ask(api_key, version, body);
        subject.broker.tick(i64::from(mode >> 1) * 100);
    });
    Corpus::Keep
});

fn broker() -> Offline {
    let config = LogConfig { inline_writer: true, journal_allocate_bytes: 4096, ..LogConfig::default() };
    let log: Arc<Log> = Log::open(Arc::new(SimulatedDisk::new()), "/log", config).expect("there is power");
    log.create_topic("t", 2, &TopicSettings::new(), 0).expect("there is power");
    let commit = OffsetCommit {
        topic: "t".into(),
        partition: 0,
        offset: 0,
        leader_epoch: -1,
        metadata: String::new(),
    };
    log.commit_offsets("g", &[commit], 0).and_then(|ticket| ticket.wait()).expect("there is power");
    log.init_producer(Some("x"), 1000, 0).expect("there is power");
    Offline::open(log, &[("auto.create.topics.enable", "false")]).expect("there is power")
}
