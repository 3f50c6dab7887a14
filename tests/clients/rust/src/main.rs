//! The Rust crate rdkafka: codecs, nulls, headers, a group with a second member, times, transactions, admin, logins.
// client: rdkafka (crate)
// needs: cargo make

use std::collections::HashSet;
use std::env::var;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, FromClientConfig};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, FutureProducer, FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

const WAIT: Duration = Duration::from_secs(20);

fn config(more: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", var("BOOTSTRAP").unwrap());
    for (name, value) in more {
        config.set(*name, *value);
    }
    config
}

fn make<T: FromClientConfig>(more: &[(&str, &str)]) -> T {
    config(more).create().unwrap()
}

fn member(topic: &str, group: &str, isolation: &str) -> BaseConsumer {
    let consumer: BaseConsumer = make(&[
        ("group.id", group),
        ("auto.offset.reset", "earliest"),
        ("isolation.level", isolation),
        ("heartbeat.interval.ms", "300"),
    ]);
    consumer.subscribe(&[topic]).unwrap();
    consumer
}

/// Polls members until something holds; each record goes to `seen` with its member's number.
fn poll_until(
    members: &[&BaseConsumer],
    seen: &mut Vec<(usize, i32, String)>,
    what: &str,
    mut holds: impl FnMut(&[(usize, i32, String)], &[HashSet<i32>]) -> bool,
) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        for (number, member) in members.iter().enumerate() {
            if let Some(message) = member.poll(Duration::from_millis(20)) {
                let message = message.unwrap();
                let value = String::from_utf8_lossy(message.payload().unwrap_or(b"null")).into_owned();
                seen.push((number, message.partition(), value));
            }
        }
        let shares: Vec<HashSet<i32>> = members
            .iter()
            .map(|m| m.assignment().unwrap().elements().iter().map(|e| e.partition()).collect())
            .collect();
        if holds(seen, &shares) {
            return;
        }
        assert!(Instant::now() < end, "still not: {what}; {} records, {shares:?}", seen.len());
    }
}

async fn codecs_and_times(topic: &str) {
    for (round, codec) in ["none", "gzip", "snappy", "lz4", "zstd"].iter().enumerate() {
        let producer: FutureProducer = make(&[("compression.type", codec), ("enable.idempotence", "true")]);
        for i in 0..20i64 {
            let key = format!("k{i}");
            let value = format!("v{i}").repeat(20);
            let headers = OwnedHeaders::new()
                .insert(Header { key: "h", value: Some("x") })
                .insert(Header { key: "n", value: None::<&str> });
            let mut record = FutureRecord::to(topic).partition(0).timestamp(1000 + i).headers(headers);
            if i % 3 != 0 {
                record = record.key(&key);
            }
            if i % 5 != 0 {
                record = record.payload(&value);
            }
            let sent = producer.send(record, WAIT).await.unwrap();
            assert_eq!(sent.offset, round as i64 * 20 + i);
        }
    }
    let consumer: BaseConsumer = make(&[("group.id", "unused")]);
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition_offset(topic, 0, Offset::Offset(1013)).unwrap();
    let found = consumer.offsets_for_times(wanted, WAIT).unwrap();
    assert_eq!(found.elements()[0].offset(), Offset::Offset(13));
    assert_eq!(consumer.fetch_watermarks(topic, 0, WAIT).unwrap(), (0, 100));
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Offset(0)).unwrap();
    consumer.assign(&from).unwrap();
    for place in 0..100i64 {
        let message = consumer.poll(WAIT).unwrap().unwrap();
        let i = place % 20;
        assert_eq!((message.offset(), message.timestamp().to_millis()), (place, Some(1000 + i)));
        assert_eq!(message.key().is_none(), i % 3 == 0);
        assert_eq!(message.payload().is_none(), i % 5 == 0);
        let headers = message.headers().unwrap();
        assert_eq!((headers.get(0).value, headers.get(1).value), (Some(&b"x"[..]), None));
    }
}

fn group(topic: &str) {
    let producer: BaseProducer = make(&[]);
    let mut sent = 0;
    let mut produce = || {
        for _ in 0..200 {
            let value = sent.to_string();
            producer.send(BaseRecord::<(), str>::to(topic).partition(sent % 4).payload(&value)).unwrap();
            sent += 1;
        }
        producer.flush(WAIT).unwrap();
    };
    let mut seen = Vec::new();
    let first = member(topic, topic, "read_committed");
    produce();
    poll_until(&[&first], &mut seen, "one member reads all", |seen, _| seen.len() == 200);
    {
        let second = member(topic, topic, "read_committed");
        let both = [&first, &second];
        poll_until(&both, &mut seen, "two members share", |_, s| {
            s[0].len() == 2 && s[1].len() == 2 && s[0].is_disjoint(&s[1])
        });
        produce();
        poll_until(&both, &mut seen, "two members read all", |seen, _| seen.len() == 400);
        assert_eq!(seen.iter().filter(|(number, ..)| *number == 1).count(), 100);
        // Its positions are committed when it goes.
        second.commit_consumer_state(rdkafka::consumer::CommitMode::Sync).unwrap();
    }
    poll_until(&[&first], &mut seen, "the member left has all", |_, s| s[0].len() == 4);
    produce();
    poll_until(&[&first], &mut seen, "the member left reads all", |seen, _| seen.len() == 600);
    let values: HashSet<&String> = seen.iter().map(|(_, _, value)| value).collect();
    assert_eq!(values.len(), 600);
}

fn transactions(topic: &str) {
    let producer: BaseProducer = make(&[("transactional.id", topic)]);
    producer.init_transactions(WAIT).unwrap();
    for commit in [true, false, true] {
        producer.begin_transaction().unwrap();
        let value = commit.to_string();
        producer.send(BaseRecord::<(), str>::to(topic).partition(0).payload(&value)).unwrap();
        producer.flush(WAIT).unwrap();
        let done = if commit { producer.commit_transaction(WAIT) } else { producer.abort_transaction(WAIT) };
        done.unwrap();
    }
    for (isolation, expected) in [("read_committed", 2), ("read_uncommitted", 3)] {
        let (mut seen, reader) = (Vec::new(), member(topic, &format!("{topic}-{isolation}"), isolation));
        poll_until(&[&reader], &mut seen, isolation, |seen, _| seen.len() >= expected);
        assert_eq!(seen.iter().filter(|(_, _, value)| value == "true").count(), 2);
        assert_eq!(seen.len(), expected);
    }
}

async fn admin_calls(admin: &AdminClient<DefaultClientContext>, topic: &str) {
    let options = AdminOptions::new().operation_timeout(Some(WAIT));
    let altered = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("retention.ms", "5000");
    admin.alter_configs([&altered], &options).await.unwrap()[0].as_ref().unwrap();
    let told = admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options).await.unwrap();
    let told = told[0].as_ref().unwrap().get("retention.ms").unwrap().value.clone();
    assert_eq!(told.as_deref(), Some("5000"));
    admin.create_partitions([&NewPartitions::new(topic, 6)], &options).await.unwrap()[0].as_ref().unwrap();
    let metadata = admin.inner().fetch_metadata(Some(topic), WAIT).unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 6);
    admin.delete_topics(&[topic], &options).await.unwrap()[0].as_ref().unwrap();
}

fn logins(topic: &str) {
    let (user, password, ca) = (var("SASL_USER").unwrap(), var("SASL_PASSWORD").unwrap(), var("CA_FILE").unwrap());
    let address = var("BOOTSTRAP_SASL_SSL").unwrap();
    let log_in = |mechanism: &str, password: &str| {
        let consumer: BaseConsumer = make(&[
            ("bootstrap.servers", address.as_str()),
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", &ca),
            ("sasl.mechanism", mechanism),
            ("sasl.username", &user),
            ("sasl.password", password),
        ]);
        consumer.fetch_metadata(Some(topic), Duration::from_secs(5)).is_ok()
    };
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        assert!(log_in(mechanism, &password), "{mechanism}");
    }
    assert!(!log_in("SCRAM-SHA-512", "wrong"));
}

#[tokio::main]
async fn main() {
    let name = var("NAME").unwrap();
    let admin: AdminClient<DefaultClientContext> = make(&[]);
    let options = AdminOptions::new().operation_timeout(Some(WAIT));
    let topics: Vec<String> = ["codecs", "group", "tx"].iter().map(|t| format!("{name}-{t}")).collect();
    let new: Vec<NewTopic> = topics.iter().map(|t| NewTopic::new(t, 4, TopicReplication::Fixed(1))).collect();
    for result in admin.create_topics(&new, &options).await.unwrap() {
        result.unwrap();
    }
    codecs_and_times(&topics[0]).await;
    group(&topics[1]);
    transactions(&topics[2]);
    logins(&topics[0]);
    admin_calls(&admin, &topics[0]).await;
    println!("codecs, nulls, headers, times, rebalance, transactions, admin, PLAIN, SCRAM");
}
