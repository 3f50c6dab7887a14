//! One case from beginning to end: statements, records, what came out, what was made.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use functions::Library;
use plan::Settings;
use plan::catalog::Source;
use plan::step::{FormatSpec, WindowInfo};
use serde_json::Value as Json;
use sql::ast::{ColumnConstraint, SourceKind};
use types::{Column, Namespace, Schema, bytes_to_base64};

use super::case::{Case, Record};
use super::compare::{Actual, Numbers, is_expected};
use super::driver::{Driver, TopicRecord};

/// How a case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As expected.
    Passed,
    /// As expected, with this message.
    Refused(String),
    /// The first difference.
    Failed(String),
    /// The case expects a refusal and there was none.
    WronglyAccepted,
}

/// Runs a case; `with_scale` if its decimals are written as ksqlDB has them.
pub fn run(case: &Case, library: &Library, with_scale: bool) -> Outcome {
    let outcome = match Progress::of(case, library) {
        Progress::Refused { statement, error }
            if statement + 1 == case.statements.len() && case.is_refusal() =>
        {
            return Outcome::Refused(chain(&error));
        }
        Progress::Refused { statement, error } => {
            Err(anyhow!("statement {} refused: {}", statement + 1, chain(&error)))
        }
        Progress::QueryFailed(error) if case.is_refusal() => return Outcome::Refused(chain(&error)),
        Progress::QueryFailed(error) => Err(anyhow!("query failed: {}", chain(&error))),
        Progress::Done(_) if case.is_refusal() => return Outcome::WronglyAccepted,
        Progress::Done(driver) => {
            outputs(case, &driver, with_scale).and_then(|()| post_conditions(case, &driver))
        }
    };
    match outcome {
        Ok(()) => Outcome::Passed,
        Err(error) => Outcome::Failed(chain(&error)),
    }
}

/// How far a case came.
enum Progress {
    Refused { statement: usize, error: anyhow::Error },
    QueryFailed(anyhow::Error),
    Done(Box<Driver>),
}

impl Progress {
    fn of(case: &Case, library: &Library) -> Self {
        let mut driver = Driver::new(library.clone(), Settings::default());
        for (name, value) in &case.properties {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if let Err(error) = driver.set(name, &value) {
                return Self::QueryFailed(error);
            }
        }
        for (statement, text) in case.statements.iter().enumerate() {
            if let Err(error) = driver.run(text) {
                return Self::Refused { statement, error };
            }
        }
        match feed(case, &mut driver) {
            Ok(()) => Self::Done(Box::new(driver)),
            Err(error) => Self::QueryFailed(error),
        }
    }
}

fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

/// Writes the inputs, then runs the queries one after the other.
fn feed(case: &Case, driver: &mut Driver) -> Result<()> {
    let mut inputs: Vec<(&str, TopicRecord)> = Vec::new();
    for (number, record) in case.inputs.iter().enumerate() {
        let encode = || match driver.topic_format(&record.topic) {
            Some(format) => format.encode(record),
            None => Err(anyhow!("no stream or table is on topic {}", record.topic)),
        };
        inputs.push((&record.topic, encode().with_context(|| format!("input {number}"))?));
    }
    for (topic, record) in &inputs {
        driver.append(topic, record.clone());
    }
    let with_inputs: BTreeSet<&str> = case.inputs.iter().map(|record| record.topic.as_str()).collect();
    for query in 0..driver.queries().len() {
        let topics = driver.queries()[query].topics();
        for (topic, record) in inputs.iter().filter(|(topic, _)| topics.iter().any(|t| **t == **topic)) {
            driver.feed(query, topic, record)?;
        }
        for topic in topics.iter().filter(|topic| !with_inputs.contains(&***topic)) {
            for record in driver.records(topic).to_vec() {
                driver.feed(query, topic, &record)?;
            }
        }
    }
    Ok(())
}

fn outputs(case: &Case, driver: &Driver, with_scale: bool) -> Result<()> {
    let is_relaxed = |(name, value): &(String, Json)| {
        name == "use.exact.numeric.comparison" && (*value == Json::Bool(false) || *value == "false")
    };
    let is_relaxed = case.properties.iter().any(is_relaxed);
    let numbers = if is_relaxed || !with_scale { Numbers::ByValue } else { Numbers::WithScale };
    let mut topics: Vec<&str> = Vec::new();
    for record in &case.outputs {
        if !topics.contains(&record.topic.as_str()) {
            topics.push(&record.topic);
        }
    }
    for topic in topics {
        topic_outputs(case, driver, topic, numbers).map_err(|error| {
            let lost = driver.queries().iter().flat_map(|query| &query.lost).next();
            match lost {
                Some(lost) => anyhow!("{} (lost: {lost})", chain(&error)),
                None => error,
            }
        })?;
    }
    Ok(())
}

fn topic_outputs(case: &Case, driver: &Driver, topic: &str, numbers: Numbers) -> Result<()> {
    let expected: Vec<&Record> = case.outputs.iter().filter(|record| record.topic == topic).collect();
    let actual = driver.records(topic);
    let format =
        driver.topic_format(topic).ok_or_else(|| anyhow!("no stream or table is on topic {topic}"))?;
    for (number, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
        let (key, window) = format.decode_key(actual.key.as_deref())?;
        let value = format.decode_value(actual.value.as_deref())?;
        let differs = |part: &str, actual: String, expected: String| {
            Err(anyhow!("{topic}[{number}] {part} is {actual}, not {expected}"))
        };
        if !is_expected(&key, &expected.key, numbers) {
            return differs("key", shown(&key), expected.key.to_string());
        }
        if !is_expected(&value, &expected.value, numbers) {
            return differs("value", shown(&value), expected.value.to_string());
        }
        if window != expected.window {
            return differs("window", format!("{window:?}"), format!("{:?}", expected.window));
        }
        if expected.timestamp.is_some_and(|timestamp| timestamp != actual.timestamp) {
            return differs("time", actual.timestamp.to_string(), format!("{:?}", expected.timestamp));
        }
        let base64 = |value: &Option<Vec<u8>>| value.as_deref().map(bytes_to_base64);
        let headers: Vec<_> =
            actual.headers.iter().map(|(name, value)| (name.clone(), base64(value))).collect();
        if headers != expected.headers {
            return differs("headers", format!("{headers:?}"), format!("{:?}", expected.headers));
        }
    }
    if actual.len() == expected.len() {
        return Ok(());
    }
    let next = match (actual.get(expected.len()), expected.get(actual.len())) {
        (Some(record), _) => {
            let (key, window) = format.decode_key(record.key.as_deref())?;
            let value = format.decode_value(record.value.as_deref())?;
            format!("then came {} {} {window:?}", shown(&key), shown(&value))
        }
        (_, Some(record)) => format!("missing {} {} {:?}", record.key, record.value, record.window),
        _ => String::new(),
    };
    Err(anyhow!("{topic} has {} records, not {}: {next}", actual.len(), expected.len()))
}

fn shown(actual: &Actual) -> String {
    match actual {
        Actual::Null => "null".to_owned(),
        Actual::Json(json) => json.to_string(),
        Actual::Text(text) => format!("{text:?}"),
        Actual::Value(value) => format!("{value:?}"),
    }
}

fn post_conditions(case: &Case, driver: &Driver) -> Result<()> {
    let Some(post) = &case.post else { return Ok(()) };
    for expected in post["sources"].as_array().into_iter().flatten() {
        let name = expected["name"].as_str().unwrap_or_default();
        let source = driver.catalog().source(name).ok_or_else(|| anyhow!("there is no source {name}"))?;
        source_is(source, expected, driver).with_context(|| format!("source {name}"))?;
    }
    if let Some(pattern) = post["topics"]["blacklist"].as_str() {
        let repartitions = driver.queries().iter().find(|query| query.has_repartition);
        if let (".*-repartition", Some(query)) = (pattern, repartitions) {
            return Err(anyhow!("query {} repartitions", query.id));
        }
    }
    for expected in post["topics"]["topics"].as_array().into_iter().flatten() {
        let name = expected["name"].as_str().unwrap_or_default();
        let is_internal = name.ends_with("-changelog") || name.ends_with("-repartition");
        let Some(source) = driver.catalog().sources().find(|source| *source.topic == *name) else {
            if is_internal {
                continue;
            }
            return Err(anyhow!("there is no topic {name}"));
        };
        format_is(&source.key_format, source.window, &expected["keyFormat"], "key format of the topic")?;
        format_is(&source.value_format, None, &expected["valueFormat"], "value format of the topic")?;
    }
    Ok(())
}

fn source_is(source: &Arc<Source>, expected: &Json, driver: &Driver) -> Result<()> {
    let differs =
        |part: &str, actual: String, expected: &Json| Err(anyhow!("{part} is {actual}, not {expected}"));
    let kind = match source.kind {
        SourceKind::Stream => "stream",
        SourceKind::Table => "table",
    };
    if expected["type"].as_str().is_some_and(|expected| !expected.eq_ignore_ascii_case(kind)) {
        return differs("kind", kind.to_owned(), &expected["type"]);
    }
    if expected["isSource"].as_bool().is_some_and(|expected| expected != source.is_source) {
        return differs("isSource", source.is_source.to_string(), &expected["isSource"]);
    }
    if let Some(text) = expected["schema"].as_str() {
        let schema = schema(text, driver).with_context(|| format!("reading schema {text}"))?;
        let same = |namespace: fn(&Namespace) -> bool| {
            let of = |schema: &Schema| -> Vec<Column> {
                schema.columns.iter().filter(|column| namespace(&column.namespace)).cloned().collect()
            };
            of(&schema) == of(&source.schema)
        };
        let is_same = same(|n| *n == Namespace::Key)
            && same(|n| *n == Namespace::Value)
            && same(|n| matches!(n, Namespace::Header(_)));
        if !is_same {
            return differs("schema", source.schema.to_string(), &Json::from(schema.to_string()));
        }
    }
    format_is(&source.key_format, source.window, &expected["keyFormat"], "key format")?;
    format_is(&source.value_format, None, &expected["valueFormat"], "value format")
}

/// The schema as the case shows it; unlike one that is declared it can have columns like ROWTIME.
fn schema(text: &str, driver: &Driver) -> Result<Schema> {
    let columns = sql::parse_columns(text)?.into_iter().map(|column| {
        let namespace = match column.constraint {
            ColumnConstraint::Key | ColumnConstraint::PrimaryKey => Namespace::Key,
            ColumnConstraint::None => Namespace::Value,
            ColumnConstraint::Headers => Namespace::Header(None),
            ColumnConstraint::Header(name) => Namespace::Header(Some(name.into())),
        };
        let data_type = plan::typing::resolve_type(driver.catalog(), &column.type_name)?;
        Ok(Column { name: column.name.text, data_type, namespace })
    });
    Ok(Schema { columns: columns.collect::<Result<_>>()? })
}

/// The format is a name, or an object that for keys also tells the window.
fn format_is(spec: &FormatSpec, window: Option<WindowInfo>, expected: &Json, what: &str) -> Result<()> {
    let name = expected.as_str().or_else(|| expected["format"].as_str());
    let Some(name) = name else { return Ok(()) };
    if !name.eq_ignore_ascii_case(&spec.name) {
        return Err(anyhow!("{what} is {}, not {name}", spec.name));
    }
    let Some(fields) = expected.as_object() else { return Ok(()) };
    if what != "key format" {
        return Ok(());
    }
    let kind = fields.get("windowType").and_then(Json::as_str);
    let size = fields.get("windowSize").and_then(Json::as_i64);
    let fits = match (window, kind) {
        (None, None) => true,
        (Some(WindowInfo::Session), Some("SESSION")) => true,
        (Some(WindowInfo::Time { size_ms }), Some("TUMBLING" | "HOPPING")) => {
            size.is_none_or(|size| size == size_ms)
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(anyhow!("{what} has window {window:?}, not {kind:?} of {size:?}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::case::cases_of;

    fn check(rest: &str, expect: Outcome) {
        let file = format!(
            r#"{{"tests": [{{"name": "n", "statements": [
                "CREATE STREAM A (K STRING KEY, V INT) WITH (kafka_topic='a', value_format='JSON');",
                "CREATE STREAM B AS SELECT K, V + 1 AS V FROM A;"], {rest} }}]}}"#
        );
        let case = cases_of("f", &file).unwrap().remove(0);
        assert_eq!(run(&case, functions::library(), true), expect);
    }

    const INPUT: &str = r#""inputs": [{"topic": "a", "key": "x", "value": {"v": 1}}]"#;

    #[test]
    fn equal_records_pass() {
        let outputs = r#""outputs": [{"topic": "B", "key": "x", "value": {"V": 2}, "timestamp": 0}]"#;
        let post = r#""post": {"sources": [{"name": "B", "type": "stream", "schema": "K STRING KEY, V INT",
            "keyFormat": {"format": "KAFKA"}}], "topics": {"blacklist": ".*-repartition"}}"#;
        check(&format!("{INPUT}, {outputs}, {post}"), Outcome::Passed);
    }

    #[test]
    fn the_first_difference_is_told() {
        let failed = |text: &str| Outcome::Failed(text.to_owned());
        let with = |outputs: &str| format!("{INPUT}, \"outputs\": [{outputs}]");
        check(
            &with(r#"{"topic": "B", "key": "x", "value": {"V": 3}}"#),
            failed(r#"B[0] value is {"V":2}, not {"V":3}"#),
        );
        check(
            &with(r#"{"topic": "B", "key": "y", "value": {"V": 2}}"#),
            failed(r#"B[0] key is String("x"), not "y""#),
        );
        let two = r#"{"topic": "B", "key": "x", "value": {"V": 2}}, {"topic": "B", "value": null}"#;
        check(&with(two), failed("B has 1 records, not 2: missing null null None"));
        let post = r#""post": {"sources": [{"name": "B", "type": "table"}]}"#;
        check(post, failed("source B: kind is stream, not \"table\""));
    }

    #[test]
    fn a_refusal_that_does_not_come_fails() {
        check(r#""expectedException": {"type": "E"}"#, Outcome::WronglyAccepted);
    }
}
