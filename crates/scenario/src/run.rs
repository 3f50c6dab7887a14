//! A scenario run in one way, item by item.
//!
//! Before each item the engine is waited for until it is still: all input consumed and committed, through all
//! queries. So records of different topics meet in the order of the file, and no test sleeps.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::{Engine, EngineConfig, Entity, NewRecord, Session};
use plan::catalog::Source;
use plan::step::WindowInfo;
use serde_json::Value;

use crate::bytes::neutral;
use crate::compare::{self, Actual, Order};
use crate::door::{Door, EngineDoor, ServerDoor};
use crate::file::{Item, ItemKind, Scenario};
use crate::line::RecordLine;
use crate::way::Way;
use crate::{pattern, window};

/// How long the engine may take until it is still.
const STILL_TIME: Duration = Duration::from_secs(20);
/// Rows taken of a push query without LIMIT beyond those expected.
const ROWS_MAX: usize = 100_000;

/// An expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The item's line, from 1.
    pub line: usize,
    /// What was different; harmless on a terminal.
    pub message: String,
}

/// Linux' file system in memory.
const MEMORY_DIR: &str = "/dev/shm";

/// Settings of every run, unless the file says otherwise.
fn settings(way: Way) -> Vec<(&'static str, String)> {
    vec![
        ("num.partitions", way.partitions().to_string()),
        ("num.stream.threads", "2".into()),
        // Every change is seen, not the last one of a moment.
        ("cache.max.bytes.buffering", "0".into()),
        ("commit.interval.ms", "5".into()),
        // Scenario times begin in 1970.
        ("log.retention.ms", "-1".into()),
    ]
}

/// A directory for the run's data: in memory where the system has that, as every change is synced.
fn data_dir() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in(MEMORY_DIR).or_else(|_| tempfile::tempdir())
}

/// Runs a scenario in one way.
pub(crate) fn run(
    scenario: &Scenario,
    way: Way,
    server: Option<&ServerDoor>,
    more: &[(&'static str, String)],
) -> Result<(), Failure> {
    let first = scenario.items.first().map_or(1, |item| item.line);
    let fail = |message: String| Failure { line: first, message: neutral(&message) };
    let dir = data_dir().map_err(|e| fail(format!("no directory for data: {e}")))?;
    let mut properties: Vec<(String, String, String)> = settings(way)
        .into_iter()
        .chain(more.iter().cloned())
        .filter(|(name, _)| !scenario.server.iter().any(|(given, _)| given == name))
        .map(|(name, value)| (name.to_owned(), value, "scenario".to_owned()))
        .collect();
    properties.extend(scenario.server.iter().map(|(n, v)| (n.clone(), v.clone(), "file".to_owned())));
    let config = EngineConfig { data_dir: dir.path().to_owned(), properties };
    let mut session = Session::default();
    session.properties.insert("auto.offset.reset".into(), "earliest".into());
    let mut run = Run {
        way,
        server: server.cloned(),
        engine: None,
        config,
        session,
        time: 0,
        seen: BTreeMap::new(),
        answer: None,
        is_stop_known: false,
    };
    run.open().map_err(fail)?;
    for (i, item) in scenario.items.iter().enumerate() {
        let next = scenario.items.get(i + 1).map(|item| &item.kind);
        run.item(item, next)
            .map_err(|message| Failure { line: item.line, message: neutral(message.trim_end()) })?;
    }
    if let Some((engine, _)) = run.engine.take() {
        engine.close();
    }
    Ok(())
}

struct Run {
    way: Way,
    server: Option<ServerDoor>,
    engine: Option<(Engine, Box<dyn Door>)>,
    config: EngineConfig,
    session: Session,
    /// Of the last input record.
    time: i64,
    /// Topic → the offsets up to which it was looked at.
    seen: BTreeMap<String, Vec<i64>>,
    /// What the last statement said.
    answer: Option<String>,
    /// Whether the file expects that a query was stopped.
    is_stop_known: bool,
}

impl Run {
    fn open(&mut self) -> Result<(), String> {
        let engine = Engine::open(self.config.clone()).map_err(|e| e.render())?;
        let door: Box<dyn Door> = match (self.way, &self.server) {
            (Way::Server, Some(open)) => open(&engine)?,
            _ => Box::new(EngineDoor(engine.clone())),
        };
        self.engine = Some((engine, door));
        Ok(())
    }

    fn engine(&self) -> &Engine {
        &self.engine.as_ref().expect("open between items").0
    }

    /// In the way that kills: ends the engine where it is and starts it again.
    fn after_change(&mut self) -> Result<(), String> {
        if self.way == Way::Restore
            && let Some((engine, door)) = self.engine.take()
        {
            engine.abandon();
            drop((engine, door));
            self.open()?;
        }
        Ok(())
    }

    fn item(&mut self, item: &Item, next: Option<&ItemKind>) -> Result<(), String> {
        if !self.engine().wait_until_still(STILL_TIME).map_err(|e| e.render())? {
            return Err(format!("the queries were not done after {STILL_TIME:?}"));
        }
        if !matches!(item.kind, ItemKind::Stopped(_) | ItemKind::Problem(_)) && !self.is_stop_known {
            self.check_running()?;
        }
        match &item.kind {
            ItemKind::Statement(sql) => self.statement(sql, next)?,
            ItemKind::Input { target, records } => self.input(target, records)?,
            ItemKind::Records { target, is_unordered, records } => {
                self.expect_records(target, *is_unordered, records)?;
            }
            ItemKind::Rows { sql, rows } => self.expect_rows(sql, rows)?,
            ItemKind::Error(wanted) | ItemKind::Answer(wanted) => {
                let said = self.answer.as_deref().unwrap_or_default();
                if !pattern::matches(wanted, said) {
                    return Err(format!("\"{wanted}\" was not said, but\n{said}"));
                }
            }
            ItemKind::Problem(wanted) => self.expect_problem(wanted)?,
            ItemKind::Stopped(wanted) => {
                let errors = self.stopped()?;
                if !errors.iter().any(|e| pattern::matches(wanted, e)) {
                    return Err(format!("no query was stopped by \"{wanted}\"; stopped: {errors:?}"));
                }
                self.is_stop_known = true;
            }
        }
        Ok(())
    }

    fn statement(&mut self, sql: &str, next: Option<&ItemKind>) -> Result<(), String> {
        let (_, door) = self.engine.as_ref().expect("open between items");
        let done = door.execute(sql, &mut self.session);
        let fails = matches!(next, Some(ItemKind::Error(_)));
        match (done, fails) {
            (Ok(answer), false) | (Err(answer), true) => self.answer = Some(answer),
            (Ok(answer), true) => return Err(format!("an error was expected, but it was done: {answer}")),
            (Err(error), false) => return Err(error),
        }
        self.after_change()
    }

    fn input(&mut self, target: &str, lines: &[RecordLine]) -> Result<(), String> {
        let (topic, window) = self.resolve(target);
        let mut records: Vec<NewRecord> = Vec::new();
        for line in lines {
            self.time = line.time.resolve(self.time);
            let mut key = line.key.clone();
            if let Some(bounds) = line.window {
                let (Some(key), Some(window)) = (&mut key, window) else {
                    return Err(format!("\"{target}\" has no windowed keys (line {})", line.number));
                };
                window::join(key, window, bounds);
            }
            records.push((Some(self.time), key, line.value.clone()));
        }
        let at_once = if self.way == Way::One { records.len().max(1) } else { 1 };
        for records in records.chunks(at_once) {
            if !self.engine().wait_until_still(STILL_TIME).map_err(|e| e.render())? {
                return Err(format!("the queries were not done after {STILL_TIME:?}"));
            }
            self.engine().produce(&topic, None, records).map_err(|e| e.render())?;
            self.after_change()?;
        }
        Ok(())
    }

    /// The topic meant, and how windows are in its keys.
    fn resolve(&self, target: &str) -> (String, Option<WindowInfo>) {
        let sources = self.engine().sources();
        let exact = target.trim_matches(['"', '`']);
        let folded = if exact == target { target.to_uppercase() } else { exact.to_owned() };
        let window = |topic: &str| {
            let mut on_topic = sources.iter().filter(|s: &&std::sync::Arc<Source>| &*s.topic == topic);
            on_topic.find_map(|s| s.window)
        };
        if self.engine().describe_topic(exact).is_ok() {
            return (exact.to_owned(), window(exact));
        }
        match sources.iter().find(|s| *s.name == *folded) {
            Some(source) => (source.topic.to_string(), window(&source.topic)),
            None => (exact.to_owned(), None),
        }
    }

    fn expect_records(
        &mut self,
        target: &str,
        is_unordered: bool,
        lines: &[RecordLine],
    ) -> Result<(), String> {
        let (topic, window) = self.resolve(target);
        let partitions = self.engine().describe_topic(&topic).map_err(|e| e.render())?.partitions.len();
        let seen = self.seen.entry(topic.clone()).or_default();
        seen.resize(partitions, 0);
        let (engine, _) = self.engine.as_ref().expect("open between items");
        let records = engine.records(&topic, seen).map_err(|e| e.render())?;
        let mut actual = Vec::new();
        for record in records {
            seen[record.partition as usize] = record.offset + 1;
            let (key, bounds) = match (&record.key, window) {
                (Some(key), Some(window)) => match window::split(key, window) {
                    Some((own, bounds)) => (Some(own.to_vec()), Some(bounds)),
                    None => (record.key, None),
                },
                _ => (record.key, None),
            };
            actual.push(Actual { time: record.timestamp, key, window: bounds, value: record.value });
        }
        let order = match (is_unordered, partitions) {
            (true, _) => Order::None,
            (false, 1) => Order::All,
            (false, _) => Order::PerKey,
        };
        match compare::records(&compare::expected(lines), &actual, order) {
            None => Ok(()),
            Some(difference) => Err(format!("{target} has other records (- expected, + came)\n{difference}")),
        }
    }

    fn expect_rows(&self, sql: &str, lines: &[(usize, Value)]) -> Result<(), String> {
        let is_push = matches!(
            sql::parse_one(sql),
            Ok(sql::Parsed { statement: sql::Statement::Query(query), .. }) if query.emit.is_some()
        );
        let (_, door) = self.engine.as_ref().expect("open between items");
        let rows_max = if is_push { lines.len() } else { ROWS_MAX };
        let actual = door.rows(sql, &self.session, rows_max, STILL_TIME)?;
        let expected: Vec<Value> = lines.iter().map(|(_, row)| row.clone()).collect();
        match compare::rows(&expected, &actual, is_push && self.way != Way::Many) {
            None => Ok(()),
            Some(difference) => Err(format!("the query gives other rows (- expected, + came)\n{difference}")),
        }
    }

    fn expect_problem(&self, wanted: &str) -> Result<(), String> {
        let engine = self.engine();
        let sources = engine.sources();
        let log =
            sources.iter().find(|s| &*s.name == "KSQL_PROCESSING_LOG").ok_or("there is no processing log")?;
        let records = engine.records(&log.topic, &[]).map_err(|e| e.render())?;
        let messages: Vec<String> = records
            .iter()
            .filter_map(|r| serde_json::from_slice::<Value>(r.value.as_deref()?).ok())
            .flat_map(|entry| match entry.get("message") {
                Some(Value::Object(message)) => {
                    let texts = message.values().filter_map(|m| m.get("errorMessage")?.as_str());
                    texts.map(str::to_owned).collect()
                }
                _ => vec![],
            })
            .collect();
        if messages.iter().any(|m| pattern::matches(wanted, m)) {
            return Ok(());
        }
        Err(format!("the processing log does not say \"{wanted}\", but\n{}", messages.join("\n")))
    }

    /// Why queries were stopped, with their ids.
    fn stopped(&self) -> Result<Vec<String>, String> {
        let mut answered = Vec::new();
        self.engine()
            .execute("SHOW QUERIES;", &mut Session::default(), &mut answered)
            .map_err(|e| e.render())?;
        let Some(Entity::Queries(queries)) = answered.pop() else { return Ok(vec![]) };
        Ok(queries.into_iter().filter_map(|q| Some(format!("{}: {}", q.id, q.error?))).collect())
    }

    fn check_running(&self) -> Result<(), String> {
        match self.stopped()? {
            errors if errors.is_empty() => Ok(()),
            errors => Err(format!("stopped by an error: {}", errors.join("\n"))),
        }
    }
}
