//! Tripline's engine: statements executed, queries kept alive, results pushed and pulled.
//!
//! Speaks Rust types: no HTTP, no JSON, nothing is printed. Owns the one clock.

mod commands;
mod core;
mod ddl;
mod entity;
mod error;
mod fetch;
mod headless;
mod hold;
mod last_rows;
mod lock;
mod metrics;
mod positions;
mod print;
mod produce;
mod query;
mod recovery;
mod reserved;
mod resume;
mod rows;
mod select;
mod sequence;
mod session;
mod settings;
mod show;
mod statement;
mod still;
mod worker;

// The module names the crate as tests outside of it do.
#[cfg(test)]
extern crate self as engine;
#[cfg(test)]
#[path = "../tests/opened/mod.rs"]
mod opened;

pub use entity::*;
pub use error::{EngineError, Result};
pub use fetch::{Fetch, FetchedRecord};
pub use print::{PrintedRecord, Printing, text as printed_text};
pub use produce::NewRecord;
pub use rows::{RowEvent, Rows};
pub use sequence::{ProducerSequence, Taken};
pub use session::Session;
pub use still::TopicRecord;

use std::sync::Arc;

use crate::core::Inner;

/// What starts an engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The data directory.
    pub data_dir: std::path::PathBuf,
    /// Every setting that was given, by ksqlDB's or Kafka's own name, with where it was given
    /// (`file PATH`, `command line`).
    pub properties: Vec<(String, String, String)>,
}

/// A running engine. Cheap to clone; all clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// A query whose rows come as a stream.
pub struct RunningQuery {
    /// Its id (`transient_…`), for `/close-query`.
    pub id: String,
    /// The columns.
    pub schema: ResultSchema,
    /// Whether it is a push query (EMIT CHANGES), which goes on until it is closed.
    pub is_push: bool,
    /// Whether it looked into a table that a query keeps.
    pub is_lookup: bool,
    /// Something the user should know, e.g. that it reads from `latest` and how to read what is there.
    pub notice: Option<String>,
    /// The rows.
    pub rows: Rows,
}

impl Engine {
    /// Opens the data directory (made if it is not there), brings back all streams, tables and queries,
    /// and starts the workers. An error where another engine, of this process or another, has the directory.
    pub fn open(config: EngineConfig) -> Result<Engine> {
        Ok(Engine { inner: Inner::open(config)? })
    }

    /// Stops reading, commits what is done and closes the log; 5 s at most.
    pub fn close(&self) {
        self.inner.close();
    }

    /// Returns whether the engine has a setting of this name.
    pub fn knows_setting(name: &str) -> bool {
        settings::find_name(name).is_ok()
    }

    /// Returns the log, for those who serve it besides the engine.
    pub fn log(&self) -> Arc<commitlog::Log> {
        self.inner.log.clone()
    }

    /// Stops all threads where they are, without a commit, and does not close the log: what a killed process
    /// leaves behind. For tests; the data directory can be opened again when all clones are dropped.
    #[doc(hidden)]
    pub fn abandon(&self) {
        self.inner.abandon();
    }

    /// Waits until no persistent query has anything left to read or to commit; false when the time is over.
    pub fn wait_until_still(&self, timeout: std::time::Duration) -> Result<bool> {
        still::wait(&self.inner, timeout)
    }

    /// Returns the committed records of a topic as bytes, partition by partition, from the given offsets on
    /// (0 where none is given).
    pub fn records(&self, topic: &str, from: &[i64]) -> Result<Vec<TopicRecord>> {
        still::records(&self.inner, topic, from)
    }

    /// Returns committed records of a topic as PRINT shows them, from an offset on, without reading those before.
    pub fn fetch(&self, topic: &str, fetch: Fetch) -> Result<Vec<FetchedRecord>> {
        fetch::fetch(&self.inner, topic, fetch)
    }

    /// All streams and tables.
    pub fn sources(&self) -> Vec<Arc<plan::catalog::Source>> {
        self.inner.state().catalog.sources().cloned().collect()
    }

    /// Executes all statements of a text that are not queries and not PRINT, in order, and answers each.
    /// SET, UNSET, DEFINE and UNDEFINE change `session`. Stops at the first error (what came before is done:
    /// the answers so far are in `answered`).
    pub fn execute(&self, sql: &str, session: &mut Session, answered: &mut Vec<Entity>) -> Result<()> {
        statement::execute(&self.inner, sql, session, answered)
    }

    /// Starts the one SELECT in a text. May block for a pull query's first rows; call it from a blocking
    /// thread.
    pub fn query(&self, sql: &str, session: &Session) -> Result<RunningQuery> {
        select::start(&self.inner, sql, session)
    }

    /// Starts the one PRINT in a text.
    pub fn print(&self, sql: &str, session: &Session) -> Result<Printing> {
        print::start(&self.inner, sql, session)
    }

    /// Ends a push query by its id; false where there is none.
    pub fn close_query(&self, id: &str) -> bool {
        let push = self.inner.state().pushes.remove(id);
        if let Some(push) = &push {
            push.channel.close();
        }
        push.is_some()
    }

    /// Writes one row given as a JSON object (`/inserts-stream`); durable when it returns.
    pub fn insert_json(&self, target: &str, row: &str) -> Result<()> {
        produce::insert_json(&self.inner, target, row)
    }

    /// Appends records to a topic (made if it is not there), all or an error; durable when it returns.
    /// Each is (timestamp ms or none for now, key, value). `partition`: none = by key (murmur2), or in
    /// turn without key.
    pub fn produce(&self, topic: &str, partition: Option<u32>, records: &[NewRecord]) -> Result<()> {
        produce::produce(&self.inner, topic, partition, records)
    }

    /// Does what [`Engine::produce`] does once for each sequence of a producer: a batch that was written before
    /// is acknowledged without writing, one that leaves out a sequence is an error. All or nothing is written,
    /// also when the process is killed.
    pub fn produce_once(
        &self,
        topic: &str,
        partition: Option<u32>,
        records: &[NewRecord],
        sequence: &ProducerSequence,
    ) -> Result<Taken> {
        sequence::produce_once(&self.inner, topic, partition, records, sequence)
    }

    /// Creates a topic; settings by Kafka's names.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: Option<u32>,
        settings: &[(String, String)],
    ) -> Result<()> {
        self.inner.check_not_reserved(name)?;
        let mut all = self.inner.topic_settings();
        all.extend(settings.iter().cloned());
        let partitions = partitions.unwrap_or_else(|| self.inner.default_partitions());
        self.inner
            .log
            .create_topic(name, partitions, &all, core::now_ms())
            .map(|_| ())
            .map_err(query::log_error)
    }

    /// Sets (`Some`) and resets (`None`) settings of a topic, by Kafka's names; all or none.
    pub fn alter_topic(&self, name: &str, changes: &[(String, Option<String>)]) -> Result<()> {
        self.inner.check_not_reserved(name)?;
        for (setting, _) in changes.iter().filter(|(_, value)| value.is_none()) {
            // The log itself is as lenient as Kafka and takes away what is not there.
            if let Some(nearest) = commitlog::TopicConfig::nearest_name(setting) {
                let message = format!("no topic setting \"{setting}\", the nearest is \"{nearest}\"");
                return Err(EngineError::user("bad_topic_setting", message));
            }
        }
        let changes: Vec<(&str, Option<&str>)> =
            changes.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        self.inner.log.alter_topic(name, &changes).map(|_| ()).map_err(query::log_error)
    }

    /// Deletes a topic; refused while a stream, a table, a query or the engine itself uses it.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        let state = self.inner.state();
        if let Some(source) = state.catalog.sources().find(|s| &*s.topic == name) {
            return Err(EngineError::user(
                "still_used",
                format!("topic \"{name}\" is that of {}", source.name),
            )
            .hint(format!("DROP it first: DROP … {} DELETE TOPIC", source.name)));
        }
        match self.inner.use_of_topic(&state, name) {
            Some(use_) => Err(EngineError::user("still_used", use_)),
            None => self.inner.log.delete_topic(name).map_err(query::log_error),
        }
    }

    /// Returns what a topic is used for by a stream, a table, a query or the engine itself; `None` where it is nobody's.
    pub fn holds_topic(&self, name: &str) -> Option<String> {
        self.inner.use_of_topic(&self.inner.state(), name)
    }

    /// Returns what a consumer group is used for by a query; `None` where it is nobody's.
    pub fn holds_group(&self, name: &str) -> Option<String> {
        let state = self.inner.state();
        let id = state.queries.keys().find(|id| ddl::group(&self.inner, id) == name)?;
        Some(format!("group \"{name}\" is that of query {id}"))
    }

    /// Decides whether only the engine makes, changes and writes a topic of this name, there or not.
    pub fn reserves_topic(&self, name: &str) -> bool {
        self.inner.reserves_topic(name)
    }

    /// Decides whether only the engine sets positions of a group of this name, there or not.
    pub fn reserves_group(&self, name: &str) -> bool {
        self.inner.reserves_group(name)
    }

    /// Decides whether only the engine writes transactions under an id, in use or not.
    pub fn reserves_transaction(&self, id: &str) -> bool {
        self.inner.reserves_transaction(id)
    }

    /// Kafka's description of a topic: partitions with start and end offsets, settings.
    pub fn describe_topic(&self, name: &str) -> Result<TopicDescription> {
        let log = &self.inner.log;
        let info = log.describe_topic(name).map_err(query::log_error)?;
        let partitions = (0..info.partitions)
            .map(|p| {
                let partition = log.partition(name, p).map_err(query::log_error)?;
                let offsets = partition.offsets();
                Ok((p, offsets.log_start, offsets.next, partition.size()))
            })
            .collect::<Result<_>>()?;
        Ok(TopicDescription { name: info.name, partitions, settings: info.settings.into_iter().collect() })
    }

    /// All settings in force with their origin.
    pub fn properties(&self, session: &Session) -> Vec<PropertyInfo> {
        match self.inner.settings.with(&session.properties) {
            Ok(settings) => settings.describe(),
            Err(_) => self.inner.settings.describe(),
        }
    }

    /// The settings that would be in force with these, without starting anything.
    pub fn describe_settings(given: &[(String, String, String)]) -> Result<Vec<PropertyInfo>> {
        Ok(settings::Settings::new(given)?.describe())
    }

    /// Checks a setting's name and value, as given at start.
    pub fn check_property(name: &str, value: &str) -> Result<()> {
        settings::check(name, value)
    }

    /// Checks a setting's name, and its value if one is given, as SET does.
    pub fn check_session_property(name: &str, value: Option<&str>) -> Result<()> {
        settings::check_session(name, value)
    }

    /// The service id (`ksql.service.id`).
    pub fn service_id(&self) -> String {
        self.inner.service_id.clone()
    }

    /// Whether the engine can do its work, and what is wrong: (part, healthy, reason).
    pub fn health(&self) -> Vec<(&'static str, bool, Option<String>)> {
        let log = self.inner.log.read_only_cause().map(|e| e.to_string());
        let failed: Vec<String> = self
            .inner
            .state()
            .queries
            .values()
            .filter(|q| q.state() == QueryState::Error)
            .map(|q| q.id.to_string())
            .collect();
        let worker = self.inner.broken_worker().map(str::to_owned);
        let queries = (!failed.is_empty()).then(|| format!("stopped by an error: {}", failed.join(", ")));
        vec![
            ("metastore", true, None),
            ("kafka", log.is_none(), log),
            ("commandRunner", true, None),
            ("queries", queries.is_none(), queries),
            ("workers", worker.is_none(), worker),
        ]
    }

    /// Counters and gauges for `/metrics`.
    pub fn metrics(&self) -> Vec<Metric> {
        metrics::collect(&self.inner)
    }

    /// Whether a command id (`stream/NAME/create`) is known, for `/status`.
    pub fn command_status(&self, command_id: &str) -> Option<CommandStatus> {
        self.inner.state().statuses.get(command_id).cloned()
    }

    /// Records that running persistent queries have still to read, over all of them.
    pub fn lag(&self) -> u64 {
        positions::lag(&self.inner)
    }

    /// Names for completion in the shell: streams, tables and their columns, topics.
    pub fn names(&self) -> Vec<String> {
        let state = self.inner.state();
        let mut names: Vec<String> = state
            .catalog
            .sources()
            .flat_map(|s| std::iter::once(&s.name).chain(s.schema.columns.iter().map(|c| &c.name)))
            .map(|n| sql::quote(n))
            .chain(self.inner.log.topics().into_iter().map(|t| t.name).filter(|t| !show::is_internal(t)))
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

/// A topic as `tripline topic describe` shows it.
#[derive(Clone, Debug)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Partition, start offset, end offset, bytes on disk.
    pub partitions: Vec<(u32, i64, i64, u64)>,
    /// Settings that are not the default.
    pub settings: Vec<(String, String)>,
}

/// One sample for `/metrics`.
#[derive(Clone, Debug)]
pub struct Metric {
    /// Prometheus name, e.g. `tripline_query_records_consumed_total`.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// `counter` or `gauge`.
    pub kind: &'static str,
    /// Labels, raw (to be escaped by whoever prints them).
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: f64,
}
