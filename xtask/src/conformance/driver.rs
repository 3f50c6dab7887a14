//! Statements and records against one catalog, topics in memory, everything on one partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use functions::Library;
use plan::Settings;
use plan::catalog::{Catalog, Source};
use plan::query::Purpose;
use plan::statement::{PlannedInsert, PlannedPersistent, Planner};
use plan::step::{Layout, SinkStep};
use runtime::{Columns, Emitted, Encoded, Row, SinkEncoder, compile};
use sql::ast::{AlterSource, DropSource, Query, SourceKind, Statement};
use types::{DataType, Namespace, Value};

use super::payload::TopicFormat;
use super::running_query::RunningQuery;

/// A record in a topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicRecord {
    /// `None` is a null key.
    pub key: Option<Vec<u8>>,
    /// `None` is a null value.
    pub value: Option<Vec<u8>>,
    /// In ms.
    pub timestamp: i64,
    /// Names and values.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl From<Encoded<'_>> for TopicRecord {
    fn from(record: Encoded<'_>) -> Self {
        let Encoded { key, value, timestamp, .. } = record;
        let (key, value) = (key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec));
        Self { key, value, timestamp, headers: Vec::new() }
    }
}

/// Name and type.
pub type ResultColumn = (Arc<str>, DataType);

/// A server without network, disk and clock.
pub struct Driver {
    catalog: Catalog,
    library: Library,
    settings: Settings,
    topics: BTreeMap<String, Vec<TopicRecord>>,
    /// What each topic held when a source was first made on it.
    topic_formats: BTreeMap<String, TopicFormat>,
    queries: Vec<RunningQuery>,
    queries_made: usize,
    /// `ksql.timestamp.throw.on.invalid`
    pub is_strict_about_time: bool,
}

impl Driver {
    /// Nothing in it yet.
    pub fn new(library: Library, settings: Settings) -> Self {
        Self {
            catalog: Catalog::default(),
            library,
            settings,
            topics: BTreeMap::new(),
            topic_formats: BTreeMap::new(),
            queries: Vec::new(),
            queries_made: 0,
            is_strict_about_time: false,
        }
    }

    /// What can be named.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The queries in the order in which they were made.
    pub fn queries(&self) -> &[RunningQuery] {
        &self.queries
    }

    /// What lies in a topic: as the first source that is still there has it, else as the first that ever was.
    pub fn topic_format(&self, topic: &str) -> Option<TopicFormat> {
        let source = self.catalog.sources().find(|source| *source.topic == *topic);
        source.map(|source| TopicFormat::of(source)).or_else(|| self.topic_formats.get(topic).cloned())
    }

    /// The records of a topic.
    pub fn records(&self, topic: &str) -> &[TopicRecord] {
        self.topics.get(topic).map(Vec::as_slice).unwrap_or_default()
    }

    /// Appends a record to a topic.
    pub fn append(&mut self, topic: &str, record: TopicRecord) {
        self.topics.entry(topic.to_owned()).or_default().push(record);
    }

    /// Gives a record to a query; what comes out is appended to its sink's topic, with the record's headers
    /// as Kafka Streams hands them on.
    pub fn feed(&mut self, query: usize, topic: &str, record: &TopicRecord) -> Result<()> {
        let query = &mut self.queries[query];
        let emitted = query.process(topic, record)?;
        let sink_topic = query.sink_topic.to_string();
        let with_headers = |out| TopicRecord { headers: record.headers.clone(), ..out };
        self.topics.entry(sink_topic).or_default().extend(emitted.into_iter().map(with_headers));
        Ok(())
    }

    /// Runs all statements of a text.
    pub fn run(&mut self, text: &str) -> Result<()> {
        for parsed in sql::parse(text)? {
            self.run_statement(&parsed.statement, &parsed.text)?;
        }
        Ok(())
    }

    /// Runs a parsed statement.
    pub fn run_parsed(&mut self, parsed: &sql::Parsed) -> Result<()> {
        self.run_statement(&parsed.statement, &parsed.text)
    }

    /// Plans a SELECT as the engine would answer it, and returns its columns.
    pub fn plan_select(&self, query: &Query) -> Result<Vec<ResultColumn>> {
        let planner = self.planner();
        let column = |name: &Arc<str>, data_type: &DataType| (name.clone(), data_type.clone());
        if query.emit.is_none() && plan::pull::is_simple(query) {
            let source = planner.source(&query.from.source.name)?;
            if source.kind == SourceKind::Table {
                let pull = planner.pull(query, &|_| None)?;
                let type_of = |e: &plan::expr::Expr| e.data_type.clone().unwrap_or(DataType::String);
                return Ok(pull.columns.iter().map(|c| column(&c.name, &type_of(&c.expr))).collect());
            }
        }
        let layout = planner.query(query, Purpose::Transient)?.root.layout;
        Ok(layout.value.iter().map(|(name, data_type)| column(name, data_type)).collect())
    }

    fn planner(&self) -> Planner<'_> {
        Planner { catalog: &self.catalog, library: &self.library, settings: &self.settings }
    }

    fn run_statement(&mut self, statement: &Statement, text: &str) -> Result<()> {
        match statement {
            Statement::CreateSource(create) => {
                let is_new = New { or_replace: create.or_replace, if_not_exists: create.if_not_exists };
                if create.or_replace && create.is_source {
                    bail!("OR REPLACE is not for read-only sources: \"{}\"", create.name.text);
                }
                let planned = self.planner().create_source(create, text)?;
                if self.is_to_be_made(&planned.source, is_new)? {
                    self.put(planned.source);
                }
                Ok(())
            }
            Statement::CreateAs(create) => {
                let planned = self.planner().create_as(create, text)?;
                let is_new = New { or_replace: create.or_replace, if_not_exists: create.if_not_exists };
                let source = planned.creates.as_ref().context("CREATE … AS SELECT makes a source")?;
                if !self.is_to_be_made(source, is_new)? {
                    return Ok(());
                }
                let kind = if create.kind == SourceKind::Stream { "CSAS" } else { "CTAS" };
                let id = format!("{kind}_{}_{}", source.name, self.queries_made);
                if create.or_replace {
                    let name = source.name.clone();
                    self.queries.retain(|query| query.sink != name);
                }
                self.start(id, planned)
            }
            Statement::InsertInto(insert) => {
                let planned = self.planner().insert_into(insert)?;
                let id = planned.query_id.clone();
                let id = id.unwrap_or_else(|| format!("INSERTQUERY_{}", self.queries_made));
                self.start(id, planned)
            }
            Statement::InsertValues(insert) => {
                let planned = self.planner().insert_values(insert)?;
                let record = inserted(&planned)?;
                self.append(&planned.source.topic, record);
                Ok(())
            }
            Statement::CreateType { name, type_name, if_not_exists } => {
                if self.catalog.custom_type(&name.text).is_some() {
                    return if *if_not_exists {
                        Ok(())
                    } else {
                        Err(anyhow!("type \"{}\" exists", name.text))
                    };
                }
                let data_type = plan::typing::resolve_type(&self.catalog, type_name)?;
                self.catalog.put_type(name.text.clone(), data_type);
                Ok(())
            }
            Statement::DropType { name, if_exists } => match self.catalog.remove_type(&name.text) {
                None if !if_exists => Err(anyhow!("type \"{}\" does not exist", name.text)),
                _ => Ok(()),
            },
            Statement::DropSource(drop) => self.drop_source(drop),
            Statement::AlterSource(alter) => self.alter_source(alter),
            Statement::Set { name, value } => self.set(name, value),
            _ => bail!("statement is not one of those that cases run"),
        }
    }

    /// Changes a setting.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let is_true = value.eq_ignore_ascii_case("true");
        match name.to_ascii_lowercase().as_str() {
            "ksql.persistence.default.format.key" => self.settings.key_format = value.to_owned(),
            "ksql.persistence.default.format.value" => self.settings.value_format = Some(value.to_owned()),
            "ksql.persistence.wrap.single.values" => self.settings.wrap_single = Some(is_true),
            "ksql.output.topic.name.prefix" => self.settings.topic_prefix = value.to_owned(),
            "ksql.timestamp.throw.on.invalid" => self.is_strict_about_time = is_true,
            "ksql.functions.collect_list.limit" => {
                let collect_list = value.parse().context("collect_list.limit")?;
                let limits = functions::Limits { collect_list, ..functions::Limits::default() };
                self.library = self.library.with_limits(limits);
            }
            "ksql.functions.collect_set.limit" => {
                let collect_set = value.parse().context("collect_set.limit")?;
                let limits = functions::Limits { collect_set, ..functions::Limits::default() };
                self.library = self.library.with_limits(limits);
            }
            // The others change how Kafka Streams runs, not what comes out.
            _ => {}
        }
        Ok(())
    }

    fn put(&mut self, source: Source) {
        self.topic_formats.entry(source.topic.to_string()).or_insert_with(|| TopicFormat::of(&source));
        self.catalog.put_source(source);
    }

    fn start(&mut self, id: String, mut planned: PlannedPersistent) -> Result<()> {
        let mut query = RunningQuery::new(id.clone(), &planned.plan)?;
        query.is_strict_about_time = self.is_strict_about_time;
        if let Some(mut source) = planned.creates.take() {
            source.created_by = Some(id);
            self.put(source);
        }
        self.queries.push(query);
        self.queries_made += 1;
        Ok(())
    }

    /// Whether a source of that name may be made, or is there already as wanted.
    fn is_to_be_made(&self, source: &Source, new: New) -> Result<bool> {
        let Some(old) = self.catalog.source(&source.name) else { return Ok(true) };
        if new.if_not_exists {
            return Ok(false);
        }
        if !new.or_replace {
            bail!("\"{}\" exists already", source.name);
        }
        if old.is_source {
            bail!("OR REPLACE is not for read-only sources: \"{}\"", source.name);
        }
        let kept = |namespace: &Namespace| {
            let of = |source: &Source| -> Vec<_> {
                source
                    .schema
                    .columns
                    .iter()
                    .filter(|column| column.namespace == *namespace)
                    .cloned()
                    .collect()
            };
            of(source).starts_with(&of(old))
        };
        let is_same = old.kind == source.kind && old.topic == source.topic;
        if !is_same || !kept(&Namespace::Key) || !kept(&Namespace::Value) {
            bail!("\"{}\" cannot be replaced by something that has not its columns", source.name);
        }
        Ok(true)
    }

    fn drop_source(&mut self, drop: &DropSource) -> Result<()> {
        let name = &drop.name.text;
        let Some(source) = self.catalog.source(name) else {
            return if drop.if_exists { Ok(()) } else { Err(anyhow!("\"{name}\" does not exist")) };
        };
        if source.kind != drop.kind {
            bail!("\"{name}\" is of the other kind");
        }
        if drop.delete_topic && source.is_source {
            bail!("the topic of the read-only \"{name}\" cannot be deleted");
        }
        if self.queries.iter().any(|query| query.sink == *name || query.topics().contains(&source.topic)) {
            bail!("\"{name}\" is used by a query");
        }
        self.catalog.remove_source(name);
        Ok(())
    }

    fn alter_source(&mut self, alter: &AlterSource) -> Result<()> {
        let source = self.planner().source(&alter.name)?;
        if source.kind != alter.kind || source.is_source || source.created_by.is_some() {
            bail!("\"{}\" cannot be altered", source.name);
        }
        let added = self.planner().columns(&alter.columns, alter.kind)?;
        let mut altered = (*source).clone();
        for column in added.columns {
            if column.namespace != Namespace::Value || altered.schema.find(&column.name).is_some() {
                bail!("column \"{}\" cannot be added", column.name);
            }
            altered.schema.columns.push(column);
        }
        self.catalog.put_source(altered);
        Ok(())
    }
}

/// What a CREATE says about a source of the same name.
#[derive(Clone, Copy)]
struct New {
    or_replace: bool,
    if_not_exists: bool,
}

/// The record of INSERT INTO … VALUES.
fn inserted(planned: &PlannedInsert) -> Result<TopicRecord> {
    let row =
        Row { key: &[], columns: Columns::Values(&[]), rowtime: 0, partition: 0, offset: 0, window: None };
    let compute = |exprs: &[plan::expr::Expr]| -> Result<Vec<Value>> {
        exprs.iter().map(|expr| Ok(compile(expr).eval(&row)?)).collect()
    };
    let (key, value) = (compute(&planned.key)?, compute(&planned.value)?);
    let rowtime = compute(planned.rowtime.as_slice())?;
    let source = &planned.source;
    let columns = |namespace: Namespace| -> Vec<_> {
        let of = source.schema.columns.iter().filter(|column| column.namespace == namespace);
        of.map(|column| (Arc::clone(&column.name), column.data_type.clone())).collect()
    };
    let layout =
        Layout { key: columns(Namespace::Key), value: columns(Namespace::Value), window: source.window };
    let sink = SinkStep {
        name: source.name.clone(),
        topic: source.topic.clone(),
        key_format: source.key_format.clone(),
        value_format: source.value_format.clone(),
        timestamp: None,
    };
    let timestamp = rowtime.first().and_then(Value::as_i64).unwrap_or(0);
    let emitted = Emitted { key: &key, window: None, value: Some(&value), timestamp };
    Ok(SinkEncoder::new(&sink, &layout)?.encode(&emitted)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn driver() -> Driver {
        let mut driver = Driver::new(functions::library().clone(), Settings::default());
        driver
            .run("CREATE STREAM A (K STRING KEY, V INT) WITH (kafka_topic='a', value_format='JSON');")
            .unwrap();
        driver
    }

    fn record(key: &str, value: &str) -> TopicRecord {
        TopicRecord { key: Some(key.into()), value: Some(value.into()), ..TopicRecord::default() }
    }

    #[test]
    fn a_query_reads_what_another_one_wrote() {
        let mut driver = driver();
        driver.run("CREATE STREAM B AS SELECT K, V + 1 AS V FROM A; CREATE STREAM C AS SELECT K, V * 2 AS V FROM B;").unwrap();
        driver.feed(0, "a", &record("k", "{\"V\":1}")).unwrap();
        let between = driver.records("B")[0].clone();
        driver.feed(1, "B", &between).unwrap();
        assert_eq!(driver.records("C"), [record("k", "{\"V\":4}")]);
        assert_eq!(driver.queries()[1].id, "CSAS_C_1");
    }

    #[test]
    fn values_are_inserted() {
        let mut driver = driver();
        driver.run("INSERT INTO A (K, V) VALUES ('x', 1 + 1);").unwrap();
        assert_eq!(driver.records("a"), [record("x", "{\"V\":2}")]);
    }

    #[test]
    fn a_source_in_use_stays() {
        let mut driver = driver();
        assert!(driver.run("DROP TABLE A;").is_err());
        driver.run("CREATE STREAM B AS SELECT * FROM A;").unwrap();
        assert!(driver.run("DROP STREAM A;").is_err());
        assert!(
            driver
                .run("CREATE STREAM A (K STRING KEY) WITH (kafka_topic='a', value_format='JSON');")
                .is_err()
        );
    }

    #[test]
    fn a_record_that_cannot_be_read_is_told() {
        let mut driver = driver();
        driver.run("CREATE STREAM B AS SELECT * FROM A;").unwrap();
        driver.feed(0, "a", &record("k", "{")).unwrap();
        assert!(driver.records("B").is_empty());
        assert!(driver.queries()[0].lost[0].starts_with("record 0: "));
    }
}
