//! `--rest`: ksqlDB's cases of its REST interface, each against a server of its own with an empty directory.
//!
//! As ksqlDB's runner does: the statements before the first SELECT go to `/ksql` in one request, then the records
//! are written, then, when the queries have caught up, each SELECT goes to `/query`. A SELECT that has to see the
//! records come (`waitForActivePushQuery`) is started before they are written.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use commitlog::{BatchBuilder, Header};
use engine::{Engine, EngineConfig};
use runtime::partition_of;
use serde_json::{Value as Json, json};
use server::{Server, ServerConfig};
use types::bytes_to_base64;

use super::case::{Case, Record};
use super::check::Outcome;
use super::compare::{Actual, Numbers, is_expected};
use super::driver::TopicRecord;
use super::payload::TopicFormat;
use super::rest_client::{Answer, post};

/// How long queries may take to catch up.
const CATCH_UP_TIME_MAX: Duration = Duration::from_secs(10);
/// How often it is asked whether a push query has begun.
const ASK_AGAIN: Duration = Duration::from_millis(2);

/// The settings of ksqlDB's runner: every change of a table is seen, topics have four partitions.
const RUNNER_SETTINGS: [(&str, &str); 2] = [("cache.max.bytes.buffering", "0"), ("num.partitions", "4")];

/// Runs a case.
pub fn run(case: &Case) -> Outcome {
    match case_on_server(case) {
        Ok(()) if case.is_refusal() => Outcome::WronglyAccepted,
        Ok(()) => Outcome::Passed,
        Err(Stop::Refused(answer)) if case.is_refusal() => match expected_refusal(case, &answer) {
            Ok(()) => Outcome::Refused(answer.body),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        },
        Err(Stop::Refused(answer)) => Outcome::Failed(format!("{}: {}", answer.status, answer.body)),
        Err(Stop::Failed(error)) => Outcome::Failed(format!("{error:#}")),
    }
}

/// Why a case ended.
enum Stop {
    /// The server refused a statement.
    Refused(Answer),
    /// It did something else than expected.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Stop::Failed(error)
    }
}

fn expected_refusal(case: &Case, answer: &Answer) -> Result<()> {
    let Some(expected) = &case.expected_error else { return Ok(()) };
    let status = &expected["status"];
    if status.is_null() || status.as_u64() == Some(answer.status.into()) {
        return Ok(());
    }
    bail!("status {} instead of {status}: {}", answer.status, answer.body)
}

fn case_on_server(case: &Case) -> Result<(), Stop> {
    let folder = tempfile::tempdir().context("making a data directory")?;
    let known = case.properties.iter().filter(|(name, _)| Engine::knows_setting(name));
    let own = known.map(|(name, value)| (name.clone(), text_of(value)));
    let runners = RUNNER_SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let properties =
        runners.into_iter().chain(own).map(|(name, value)| (name, value, "case".to_owned())).collect();
    let engine = Engine::open(EngineConfig { data_dir: folder.path().to_owned(), properties })
        .context("opening the engine")?;
    let config =
        ServerConfig { listeners: vec![SocketAddr::from(([127, 0, 0, 1], 0))], ..Default::default() };
    let server = Server::start(engine.clone(), config).context("starting the server")?;
    let run = Run { case, engine: &engine, address: server.addresses[0] };
    let result = run.run();
    server.shutdown();
    engine.close();
    result
}

fn text_of(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

struct Run<'a> {
    case: &'a Case,
    engine: &'a Engine,
    address: SocketAddr,
}

impl Run<'_> {
    fn run(&self) -> Result<(), Stop> {
        let is_select = |text: &&String| text.trim_start().to_uppercase().starts_with("SELECT");
        let first = self.case.statements.iter().position(|text| is_select(&text));
        let (admin, selects) = self.case.statements.split_at(first.unwrap_or(self.case.statements.len()));
        self.create_topics()?;
        self.admin(admin)?;
        let expected = self.case.responses.iter().skip(admin.len());
        if self.case.waits_for_push {
            return self.push_before_records(&selects[0]);
        }
        self.write_records()?;
        for (number, select) in selects.iter().enumerate() {
            let answer = self.post("/query", select)?;
            if let Some(expected) = expected.clone().nth(number) {
                self.rows_are(select, &answer, &expected["query"])?;
            }
        }
        Ok(self.outputs()?)
    }

    fn create_topics(&self) -> Result<()> {
        for topic in &self.case.topics {
            let name = topic["name"].as_str().ok_or_else(|| anyhow!("a topic has no name"))?;
            let partitions = topic["numPartitions"].as_u64().or(topic["partitions"].as_u64()).unwrap_or(1);
            self.engine.create_topic(name, Some(partitions as u32), &[])?;
        }
        Ok(())
    }

    fn admin(&self, statements: &[String]) -> Result<(), Stop> {
        if statements.is_empty() {
            return Ok(());
        }
        let answer = self.post("/ksql", &statements.join("\n"))?;
        let entities: Json = serde_json::from_str(&answer.body).context("reading the answer of /ksql")?;
        for (number, expected) in self.case.responses.iter().enumerate() {
            let Some(expected) = expected.get("admin") else { break };
            let statement = statements.get(number).map(String::as_str).unwrap_or_default();
            if !is_within(expected, &entities[number], statement) {
                return Err(
                    anyhow!("statement {}: {} is not {expected}", number + 1, entities[number]).into()
                );
            }
        }
        Ok(())
    }

    fn post(&self, path: &str, sql: &str) -> Result<Answer, Stop> {
        let mut properties = json!({"auto.offset.reset": "earliest"});
        for (name, value) in &self.case.properties {
            properties[name] = value.clone();
        }
        let body = json!({"ksql": sql, "streamsProperties": properties});
        let answer = post(self.address, path, &body.to_string())?;
        if answer.status == 200 { Ok(answer) } else { Err(Stop::Refused(answer)) }
    }

    fn push_before_records(&self, select: &str) -> Result<(), Stop> {
        thread::scope(|scope| {
            let asking = scope.spawn(|| self.post("/query", select));
            let until = Instant::now() + CATCH_UP_TIME_MAX;
            while self.push_count() == 0 && !asking.is_finished() {
                ensure!(Instant::now() < until, "the push query does not begin");
                thread::sleep(ASK_AGAIN);
            }
            if !asking.is_finished() {
                self.write_records()?;
            }
            Ok(asking.join().map_err(|_| anyhow!("the asking thread panicked"))?)
        })?
        .and_then(|answer| {
            let expected = self.case.responses.iter().find_map(|response| response.get("query"));
            Ok(self.rows_are(select, &answer, expected.unwrap_or(&Json::Null))?)
        })
    }

    fn push_count(&self) -> u64 {
        let running = |metric: &engine::Metric| metric.name == "tripline_push_queries";
        self.engine.metrics().iter().filter(|metric| running(metric)).map(|metric| metric.value as u64).sum()
    }

    fn write_records(&self) -> Result<()> {
        for (number, record) in self.case.inputs.iter().enumerate() {
            self.write(record).with_context(|| format!("writing input {number}"))?;
        }
        ensure!(self.engine.wait_until_still(CATCH_UP_TIME_MAX)?, "the queries do not catch up");
        Ok(())
    }

    fn format(&self, topic: &str) -> Result<TopicFormat> {
        let sources = self.engine.sources();
        let source = sources.iter().find(|source| *source.topic == *topic);
        Ok(TopicFormat::of(source.ok_or_else(|| anyhow!("no stream or table is on topic {topic}"))?))
    }

    fn write(&self, record: &Record) -> Result<()> {
        let bytes = self.format(&record.topic)?.encode(record)?;
        let partitions = self.engine.describe_topic(&record.topic)?.partitions.len() as u32;
        let partition = bytes.key.as_deref().map_or(0, |key| partition_of(key, partitions));
        let headers: Vec<Header<'_>> = bytes
            .headers
            .iter()
            .map(|(name, value)| Header { key: name.as_bytes(), value: value.as_deref() })
            .collect();
        let mut batch = BatchBuilder::new();
        batch.append(bytes.timestamp, bytes.key.as_deref(), bytes.value.as_deref(), &headers);
        let now = bytes.timestamp;
        let (_, ticket) = self.engine.log().append_durable(&record.topic, partition, batch.finish(), now)?;
        Ok(ticket.wait()?)
    }

    fn rows_are(&self, select: &str, answer: &Answer, expected: &Json) -> Result<()> {
        let Some(expected) = expected.as_array() else { return Ok(()) };
        let lines: Json = serde_json::from_str(&answer.body)
            .with_context(|| format!("reading the rows of {select}: {}", answer.body))?;
        let lines = lines.as_array().ok_or_else(|| anyhow!("the rows are no array"))?;
        let differs = |what: &str| {
            anyhow!("{select}: {what}: got {}, not {}", answer.body, Json::from(expected.clone()))
        };
        let header = |lines: &[Json]| lines.first().map(|line| line["header"]["schema"].clone());
        ensure!(header(lines) == header(expected), differs("header"));
        ensure!(lines.len() == expected.len(), differs("number of lines"));
        let part = |lines: &[Json], name: &str| -> Vec<Json> {
            lines.iter().filter_map(|line| line.get(name)).cloned().collect()
        };
        ensure!(part(lines, "finalMessage") == part(expected, "finalMessage"), differs("final message"));
        let mut left = part(lines, "row");
        for row in part(expected, "row") {
            let is_it = |actual: &Json| {
                is_expected(&Actual::Json(actual["columns"].clone()), &row["columns"], Numbers::ByValue)
                    && actual["tombstone"].as_bool() == row["tombstone"].as_bool()
            };
            match left.iter().position(is_it) {
                Some(at) => drop(left.remove(at)),
                None => bail!(differs("rows")),
            }
        }
        Ok(())
    }

    fn outputs(&self) -> Result<()> {
        let mut by_topic: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        for record in &self.case.outputs {
            by_topic.entry(&record.topic).or_default().push(record);
        }
        for (topic, expected) in by_topic {
            let format = self.format(topic)?;
            let records = self.engine.records(topic, &[])?;
            let records: Vec<TopicRecord> = records
                .into_iter()
                .map(|r| TopicRecord { key: r.key, value: r.value, timestamp: r.timestamp, headers: vec![] })
                .collect();
            ensure!(
                records.len() == expected.len(),
                "{topic} has {} records, not {}",
                records.len(),
                expected.len()
            );
            for (number, (record, expected)) in records.iter().zip(&expected).enumerate() {
                let (key, window) = format.decode_key(record.key.as_deref())?;
                let value = format.decode_value(record.value.as_deref())?;
                let is_same = is_expected(&key, &expected.key, Numbers::ByValue)
                    && is_expected(&value, &expected.value, Numbers::ByValue)
                    && window == expected.window
                    && expected.timestamp.is_none_or(|timestamp| timestamp == record.timestamp);
                let bytes = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(bytes_to_base64);
                ensure!(
                    is_same,
                    "{topic}[{number}] is {key:?} {value:?} {window:?} {} ({:?}), not {expected:?}",
                    record.timestamp,
                    bytes(&record.value)
                );
            }
        }
        Ok(())
    }
}

/// Whether all that is expected is there; a name can end in `|starts_with`, and `{STATEMENT}` is the statement.
fn is_within(expected: &Json, actual: &Json, statement: &str) -> bool {
    match (expected, actual) {
        (Json::Object(expected), actual) => {
            expected.iter().all(|(name, expected)| match name.strip_suffix("|starts_with") {
                Some(name) => actual[name]
                    .as_str()
                    .is_some_and(|actual| actual.starts_with(expected.as_str().unwrap_or_default())),
                None => is_within(expected, &actual[name], statement),
            })
        }
        (Json::Array(expected), Json::Array(actual)) => {
            expected.len() == actual.len()
                && expected
                    .iter()
                    .zip(actual)
                    .all(|(expected, actual)| is_within(expected, actual, statement))
        }
        (Json::String(expected), Json::String(actual)) => {
            expected.replace("{STATEMENT}", statement) == *actual
        }
        (expected, actual) => expected == actual,
    }
}
