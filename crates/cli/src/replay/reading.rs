//! Files read into batches, at the recorded pace or faster.

use std::{
    collections::BTreeMap,
    sync::mpsc::SyncSender,
    time::{Duration, Instant},
};

use connect::{FileReader, Pace, TimeField};
use formats::json::{Json, Kind};

use super::{batch::Batch, limits::Limits};

/// Faults that are told one by one.
const FAULTS_TOLD_MAX: usize = 10;
/// Topics that Zeek logs may name in one replay.
const TOPICS_MAX: usize = 256;
/// A shorter wait is not worth a batch of its own.
const WAIT_MIN: Duration = Duration::from_millis(5);

/// How events become records.
pub struct Plan {
    /// Where they go; `None`: where their Zeek log's name says.
    pub topic: Option<String>,
    /// Fields that may hold the time, in the order they are tried; none of them: now.
    pub times: Vec<TimeField>,
    /// The field that is the key.
    pub key: Option<String>,
    /// How fast.
    pub pace: Pace,
    /// How large a record may be.
    pub limits: Limits,
    /// Records sent together at most.
    pub batch_records: u64,
}

/// A line that became no record.
pub struct Fault {
    /// `file:line`.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

/// What was read.
#[derive(Default)]
pub struct Outcome {
    /// Events sent on.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Lines that became no record.
    pub refused: u64,
    /// The first of them.
    pub faults: Vec<Fault>,
    /// Events without a time of their own.
    pub without_time: u64,
    /// Events that are no JSON object; they are sent as they are.
    pub not_objects: u64,
}

impl Outcome {
    fn refuse(&mut self, place: String, message: String) {
        self.refused += 1;
        if self.faults.len() < FAULTS_TOLD_MAX {
            self.faults.push(Fault { place, message });
        }
    }
}

/// A batch, and how far reading has come.
pub struct Read {
    /// The batch.
    pub batch: Batch,
    /// Bytes of the files read so far.
    pub read_bytes: u64,
}

/// Reads all events into batches; ends early when nobody takes them any more.
pub fn read(reader: &mut FileReader, plan: &mut Plan, batches: &SyncSender<Read>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut open: BTreeMap<String, Batch> = BTreeMap::new();
    let started = Instant::now();
    loop {
        let read_bytes = reader.progress().read_bytes;
        let event = match reader.next_event() {
            None => break,
            Some(Err(error)) => {
                outcome.refuse(format!("{}:{}", error.file, error.line), error.fault.to_string());
                continue;
            }
            Some(Ok(event)) => event,
        };
        let Some(topic) = plan.topic.as_deref().or(event.path) else {
            let message = "no topic: give --topic, only Zeek's own format names its log".to_owned();
            outcome.refuse(format!("{}:{}", event.file, event.line), message);
            continue;
        };
        let time_ms = plan.times.iter().find_map(|field| field.time_ms(event.bytes).ok());
        let key = plan.key.as_deref().and_then(|field| key_of(event.bytes, field));
        let record_bytes = event.bytes.len() + key.as_ref().map_or(0, Vec::len);
        let record_bytes_max = plan.limits.record_bytes_max(topic);
        if record_bytes > record_bytes_max {
            outcome.refuse(
                format!("{}:{}", event.file, event.line),
                format!(
                    "record of {record_bytes} bytes is above the {record_bytes_max} bytes that topic \"{topic}\" \
                     takes (max.message.bytes)"
                ),
            );
            continue;
        }
        if let Some(time_ms) = time_ms {
            let wait = plan.pace.wait(time_ms, started.elapsed());
            if wait >= WAIT_MIN {
                for batch in std::mem::take(&mut open).into_values() {
                    if batches.send(Read { batch, read_bytes }).is_err() {
                        return outcome;
                    }
                }
                std::thread::sleep(wait);
            }
        } else {
            outcome.without_time += 1;
        }
        if !open.contains_key(topic) {
            if open.len() >= TOPICS_MAX {
                outcome.refuse(
                    format!("{}:{}", event.file, event.line),
                    format!("more than {TOPICS_MAX} topics"),
                );
                continue;
            }
            open.insert(topic.to_owned(), Batch::new(topic));
        }
        let Some(batch) = open.get_mut(topic) else { continue };
        batch.push(time_ms, key.as_deref(), event.bytes);
        outcome.events += 1;
        outcome.bytes += event.bytes.len() as u64;
        if batch.is_full(plan.batch_records) {
            let full = std::mem::replace(batch, Batch::new(topic));
            if batches.send(Read { batch: full, read_bytes }).is_err() {
                return outcome;
            }
        }
    }
    outcome.not_objects = reader.counts().not_objects;
    let read_bytes = reader.progress().read_bytes;
    for batch in open.into_values().filter(|batch| batch.records > 0) {
        if batches.send(Read { batch, read_bytes }).is_err() {
            break;
        }
    }
    outcome
}

/// Returns the field's value as a key: a text's characters, anything else as its JSON; null is none.
fn key_of(event: &[u8], field: &str) -> Option<Vec<u8>> {
    let event = Json::parse(std::str::from_utf8(event).ok()?)?;
    let found = match event.field(field) {
        Some(found) => found,
        None => field.split('.').try_fold(event, |value, name| value.field(name))?,
    };
    match (found.kind(), found.text()) {
        (Kind::Null, _) => None,
        (_, Some(text)) => Some(text.into_owned().into_bytes()),
        (Kind::Object | Kind::Array, None) => Some(found.compact().into_owned().into_bytes()),
        (_, None) => Some(found.raw().as_bytes().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use connect::{FileOptions, Speed};

    use super::{super::batch::RECORDS_MAX, *};

    fn replayed(name: &str, content: &str, topic: Option<&str>) -> (Outcome, Vec<Batch>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let mut reader = FileReader::open([path.to_str().unwrap()], FileOptions::default()).unwrap();
        let mut plan = Plan {
            topic: topic.map(str::to_owned),
            times: vec![TimeField::new("ts")],
            key: Some("a.b".to_owned()),
            pace: Pace::new(Speed::Max),
            limits: Limits::of(None),
            batch_records: RECORDS_MAX,
        };
        let (tx, rx) = std::sync::mpsc::sync_channel(100);
        let outcome = read(&mut reader, &mut plan, &tx);
        drop(tx);
        (outcome, rx.into_iter().map(|read| read.batch).collect())
    }

    #[test]
    fn zeek_log_goes_to_the_topic_of_its_name() {
        let log = "#separator \\x09\n#path\tconn\n#fields\tts\tn\n#types\ttime\tcount\n1.5\t1\nx\n2.5\t2\n";
        let (outcome, batches) = replayed("a.log", log, None);
        assert_eq!((outcome.events, outcome.refused, batches.len()), (2, 1, 1));
        assert!(outcome.faults[0].place.ends_with("a.log:6"), "{}", outcome.faults[0].place);
        assert_eq!(batches[0].topic, "conn");
        assert_eq!(batches[0].frames[..8], 1500_i64.to_be_bytes());
    }

    #[test]
    fn json_without_a_topic_is_refused_with_its_place() {
        let (outcome, batches) = replayed("a.json", "{\"ts\":1}\n", None);
        assert_eq!((outcome.refused, batches.len()), (1, 0));
    }

    #[test]
    fn many_lines_make_bounded_batches() {
        let lines = "{\"a\":{\"b\":7}}\n".repeat(10_000);
        let (outcome, batches) = replayed("a.json", &lines, Some("t"));
        assert_eq!((outcome.events, outcome.without_time), (10_000, 10_000));
        let counts: Vec<u64> = batches.iter().map(|batch| batch.records).collect();
        assert_eq!(counts, [4096, 4096, 1808]);
        assert_eq!(batches[0].frames[8..13], [0, 0, 0, 1, b'7']);
    }

    #[test]
    fn key_is_found_whatever_else_the_event_has() {
        let event = br#"{"x":{"$serde_json::private::Number":"y"},"z":"\ud800","k":1.50}"#;
        assert_eq!(key_of(event, "k"), Some(b"1.50".to_vec()));
        assert_eq!(key_of(br#"{"k":{"a" : 1}}"#, "k"), Some(br#"{"a":1}"#.to_vec()));
    }

    #[test]
    fn key_may_be_flat_nested_or_missing() {
        assert_eq!(key_of(br#"{"id.h":"x"}"#, "id.h"), Some(b"x".to_vec()));
        assert_eq!(key_of(br#"{"id":{"h":[1]}}"#, "id.h"), Some(b"[1]".to_vec()));
        assert_eq!(key_of(br#"{"id":null}"#, "id"), None);
        assert_eq!(key_of(b"broken", "id"), None);
    }
}
