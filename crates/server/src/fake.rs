//! A backend with canned answers, for tests.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::{
    CommandStatus, EngineError, Entity, FetchedRecord, Metric, PrintedRecord, ProducerSequence, PropertyInfo,
    ResultRow, ResultSchema, RowEvent, Session, SourceInfo, SourceList, Taken, TopicDescription,
};
use types::{DataType, ErrorKind, Value};

use crate::backend::{Backend, NewRecord, Printer, QueryRows, RowSource};

/// Answers by the text of the statement, and notes what it was asked.
#[derive(Clone, Default)]
pub struct Fake(pub Arc<Notes>);

#[derive(Default)]
pub struct Notes {
    /// Statements executed, with their properties.
    pub executed: Mutex<Vec<(String, Session)>>,
    /// Records appended.
    pub produced: Mutex<Vec<NewRecord>>,
    /// Batches they came in.
    pub batches: AtomicUsize,
    /// Rows inserted.
    pub inserted: Mutex<Vec<String>>,
    /// Queries that are open.
    pub open: AtomicUsize,
    /// Rows handed out.
    pub rows_given: AtomicU64,
    /// Called when the quiet query is to say something.
    pub wake: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
    /// What it says.
    pub pushed: Mutex<Vec<RowEvent>>,
}

impl Fake {
    /// Has the quiet query say something, as a worker thread would.
    pub fn push(&self, event: RowEvent) {
        self.0.pushed.lock().unwrap().push(event);
        let wake = self.0.wake.lock().unwrap().clone();
        if let Some(wake) = wake {
            wake();
        }
    }
}

pub fn row(number: i32, text: &str) -> ResultRow {
    ResultRow { values: vec![Value::Int(number), Value::text(text)], is_tombstone: false }
}

fn unknown() -> EngineError {
    let text = "SELECT X FROM S";
    let mut error = EngineError::user("unknown_column", "column \"X\" cannot be resolved").hint("use A");
    error.line_column = Some((1, 8));
    error.excerpt = Some(format!("  {text}"));
    error
}

impl Backend for Fake {
    fn execute(
        &self,
        sql: &str,
        session: &mut Session,
        answered: &mut Vec<Entity>,
    ) -> Result<(), EngineError> {
        self.0.executed.lock().unwrap().push((sql.to_owned(), session.clone()));
        if sql.contains("PANIC") {
            panic!("secret detail");
        }
        if sql.contains("BROKEN") {
            return Err(EngineError::new(ErrorKind::External, "log_down", "the log cannot be reached"));
        }
        if sql.contains("MISSING") {
            return Err(unknown());
        }
        if sql.contains("SHOW STREAMS") {
            answered.push(Entity::Sources(SourceList {
                kind: sql::SourceKind::Stream,
                sources: vec![SourceInfo {
                    name: "S".into(),
                    topic: "s".into(),
                    key_format: "KAFKA".into(),
                    value_format: "JSON".into(),
                    is_windowed: false,
                }],
            }));
        } else if !sql.starts_with("SET") {
            answered.push(Entity::Status(status()));
        }
        Ok(())
    }

    fn query(&self, sql: &str, _session: &Session) -> Result<QueryRows, EngineError> {
        if sql.contains("MISSING") {
            return Err(unknown());
        }
        let kind = match sql {
            _ if sql.contains("ENDLESS") => Kind::Endless,
            _ if sql.contains("QUIET") => Kind::Quiet,
            _ if sql.contains("FAILS") => Kind::Fails,
            _ => Kind::Two,
        };
        self.0.open.fetch_add(1, Ordering::SeqCst);
        let is_push = sql.contains("EMIT CHANGES");
        let text = if is_push { "`A` INTEGER, `B` STRING" } else { "`A` INTEGER KEY, `B` STRING" };
        Ok(QueryRows {
            id: "transient_1".into(),
            schema: ResultSchema {
                columns: vec![("A".into(), DataType::Int), ("B".into(), DataType::String)],
                text: text.into(),
            },
            is_push,
            is_lookup: !is_push,
            notice: None,
            rows: Box::new(FakeRows { kind, notes: self.0.clone(), given: 0, limit: sql.contains("LIMIT") }),
        })
    }

    fn print(&self, sql: &str, _session: &Session) -> Result<Box<dyn Printer>, EngineError> {
        match sql.contains("nowhere") {
            true => Err(EngineError::user("unknown_topic", "topic \"nowhere\" is not there")),
            false => Ok(Box::new(FakePrinter { asked: 0, ends: sql.contains("LIMIT") })),
        }
    }

    fn fetch(&self, _topic: &str, fetch: engine::Fetch) -> Result<Vec<FetchedRecord>, EngineError> {
        let is_asked = fetch.partition.is_none_or(|p| p == 0);
        let records = (0..2).filter(|offset| is_asked && *offset >= fetch.offset).map(fetched);
        Ok(records.take(fetch.records_max).collect())
    }

    fn close_query(&self, id: &str) -> bool {
        id == "transient_1"
    }

    fn insert_json(&self, target: &str, row: &str) -> Result<(), EngineError> {
        if target == "DOWN" {
            return Err(EngineError::new(ErrorKind::External, "log_down", "the log cannot be reached"));
        }
        if row.contains("bad") {
            return Err(EngineError::new(ErrorKind::Data, "bad_row", "the row does not fit"));
        }
        self.0.inserted.lock().unwrap().push(row.to_owned());
        Ok(())
    }

    fn produce(
        &self,
        topic: &str,
        _partition: Option<u32>,
        records: &[NewRecord],
    ) -> Result<(), EngineError> {
        if topic == "down" {
            return Err(EngineError::new(ErrorKind::External, "log_down", "the log cannot be reached"));
        }
        self.0.batches.fetch_add(1, Ordering::SeqCst);
        self.0.produced.lock().unwrap().extend_from_slice(records);
        Ok(())
    }

    fn produce_once(
        &self,
        topic: &str,
        partition: Option<u32>,
        records: &[NewRecord],
        sequence: &ProducerSequence,
    ) -> Result<Taken, EngineError> {
        // It has seen the numbers up to 5.
        match sequence.sequence {
            0..=5 => Ok(Taken::Repeated),
            6 => self.produce(topic, partition, records).map(|()| Taken::Written),
            _ => Err(EngineError::user("sequence_gap", "batch 6 is missing")),
        }
    }

    fn create_topic(
        &self,
        _name: &str,
        _partitions: Option<u32>,
        _settings: &[(String, String)],
    ) -> Result<(), EngineError> {
        Ok(())
    }

    fn alter_topic(&self, name: &str, changes: &[(String, Option<String>)]) -> Result<(), EngineError> {
        let expected =
            [("retention.ms".to_owned(), Some("5".to_owned())), ("segment.bytes".to_owned(), None)];
        match name {
            "nowhere" => Err(EngineError::user("unknown_topic", "topic \"nowhere\" is not there")),
            _ if changes == expected => Ok(()),
            _ => Err(EngineError::user("bad_topic_setting", format!("{changes:?}"))),
        }
    }

    fn delete_topic(&self, name: &str) -> Result<(), EngineError> {
        match name {
            "nowhere" => Err(EngineError::user("unknown_topic", "topic \"nowhere\" is not there")),
            _ => Ok(()),
        }
    }

    fn describe_topic(&self, name: &str) -> Result<TopicDescription, EngineError> {
        Ok(TopicDescription { name: name.to_owned(), partitions: vec![(0, 0, 2, 99)], settings: vec![] })
    }

    fn properties(&self, _session: &Session) -> Vec<PropertyInfo> {
        vec![PropertyInfo {
            name: "auto.offset.reset".into(),
            value: "latest".into(),
            origin: "default".into(),
            scope: "Kafka",
            description: "Where a query starts.",
        }]
    }

    fn check_session_property(&self, name: &str, _value: Option<&str>) -> Result<(), EngineError> {
        match name.strip_prefix("ksql.streams.").unwrap_or(name) {
            "auto.offset.reset" => Ok(()),
            _ => Err(EngineError::user("unknown_property", format!("setting \"{name}\" is not known"))),
        }
    }

    fn service_id(&self) -> String {
        "default_".into()
    }

    fn health(&self) -> Vec<(&'static str, bool, Option<String>)> {
        vec![("metastore", true, None), ("kafka", false, Some("disk full".into()))]
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![Metric { name: "tripline_up", help: "Up.", kind: "gauge", labels: vec![], value: 1.0 }]
    }

    fn command_status(&self, command_id: &str) -> Option<CommandStatus> {
        (command_id == "stream/`S`/create").then(status)
    }

    fn names(&self) -> Vec<String> {
        vec!["S".into()]
    }
}

fn status() -> CommandStatus {
    CommandStatus {
        command_id: "stream/`S`/create".into(),
        sequence: 0,
        message: "Stream created".into(),
        query_id: None,
        warnings: vec![],
    }
}

enum Kind {
    /// Two rows, the second a tombstone, then the end.
    Two,
    /// Rows as fast as they are asked for.
    Endless,
    /// Nothing until it is pushed.
    Quiet,
    /// One row, then an error.
    Fails,
}

struct FakeRows {
    kind: Kind,
    notes: Arc<Notes>,
    given: u32,
    limit: bool,
}

impl RowSource for FakeRows {
    fn next(&mut self, _timeout: Duration) -> Option<RowEvent> {
        self.given += 1;
        let first = RowEvent::Rows(vec![
            row(1, "a\u{1b}\n"),
            ResultRow { values: vec![Value::Int(2), Value::Null], is_tombstone: true },
        ]);
        match (&self.kind, self.given) {
            (Kind::Endless, _) => {
                self.notes.rows_given.fetch_add(100, Ordering::SeqCst);
                Some(RowEvent::Rows((0..100).map(|i| row(i, &"x".repeat(100))).collect()))
            }
            (Kind::Quiet, _) => {
                let mut pushed = self.notes.pushed.lock().unwrap();
                (!pushed.is_empty()).then(|| pushed.remove(0))
            }
            (_, 1) => Some(first),
            (Kind::Fails, _) => {
                Some(RowEvent::Failed(EngineError::new(ErrorKind::Internal, "bug", "the query stopped")))
            }
            (Kind::Two, _) => Some(RowEvent::End { limit_reached: self.limit }),
        }
    }

    fn on_ready(&mut self, wake: Arc<dyn Fn() + Send + Sync>) {
        *self.notes.wake.lock().unwrap() = Some(wake);
    }
}

impl Drop for FakeRows {
    fn drop(&mut self) {
        self.notes.open.fetch_sub(1, Ordering::SeqCst);
    }
}

fn fetched(offset: i64) -> FetchedRecord {
    FetchedRecord {
        timestamp: 1000,
        key: Some(vec![0xff]),
        value: Some(b"{\"a\":1}".to_vec()),
        headers: vec![("h".to_owned(), Some(b"v".to_vec()))],
        partition: 0,
        offset,
    }
}

fn record(offset: i64) -> PrintedRecord {
    PrintedRecord {
        timestamp: 1000,
        key: Some("k".into()),
        value: Some("{\"a\":1}".into()),
        partition: 0,
        offset,
    }
}

struct FakePrinter {
    asked: u32,
    ends: bool,
}

impl Printer for FakePrinter {
    fn next(&mut self, _timeout: Duration) -> Result<Option<Vec<PrintedRecord>>, EngineError> {
        self.asked += 1;
        Ok(match (self.asked, self.ends) {
            (2, _) => Some(vec![record(0), record(1)]),
            (3, true) => Some(vec![]),
            _ => None,
        })
    }

    fn formats(&self) -> (String, String) {
        ("KAFKA_STRING".into(), "JSON".into())
    }
}
