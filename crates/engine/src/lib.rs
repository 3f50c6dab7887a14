//! Tripline's engine: statements executed, queries kept alive, results pushed and pulled.
//!
//! Speaks Rust types: no HTTP, no JSON, nothing is printed. Owns the one clock.

mod entity;
mod error;
mod session;

pub use entity::*;
pub use error::{EngineError, Result};
pub use session::Session;

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
pub struct Engine {}

/// Rows of a push or pull query, as they come. Dropping it ends the query.
pub struct Rows {}

/// What comes out of a query.
#[derive(Debug)]
pub enum RowEvent {
    /// Some rows (never empty).
    Rows(Vec<ResultRow>),
    /// The query has ended: LIMIT reached, or all rows of a pull query were given.
    End {
        /// Whether it ended because of LIMIT.
        limit_reached: bool,
    },
    /// The query failed.
    Failed(EngineError),
}

/// A query whose rows come as a stream.
pub struct RunningQuery {
    /// Its id (`transient_…`), for `/close-query`.
    pub id: String,
    /// The columns.
    pub schema: ResultSchema,
    /// Whether it is a push query (EMIT CHANGES), which goes on until it is closed.
    pub is_push: bool,
    /// Something the user should know, e.g. that it reads from `latest` and how to read what is there.
    pub notice: Option<String>,
    /// The rows.
    pub rows: Rows,
}

/// A record as PRINT shows it.
#[derive(Clone, Debug)]
pub struct PrintedRecord {
    /// Record time, ms.
    pub timestamp: i64,
    /// The key as text, as far as its format could be guessed; raw, not neutralised.
    pub key: Option<String>,
    /// The value as text; raw, not neutralised.
    pub value: Option<String>,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: i64,
}

/// A PRINT in progress. Dropping it ends it.
pub struct Printing {}

impl Engine {
    /// Opens the data directory (made if it is not there), brings back all streams, tables and queries,
    /// and starts the workers.
    pub fn open(config: EngineConfig) -> Result<Engine> {
        let _ = config;
        Err(EngineError::user("not_built", "the engine is being built"))
    }

    /// Stops reading, commits what is done and closes the log; 5 s at most.
    pub fn close(&self) {}

    /// Executes all statements of a text that are not queries and not PRINT, in order, and answers each.
    /// SET, UNSET, DEFINE and UNDEFINE change `session`. Stops at the first error (what came before is done:
    /// the answers so far are in `answered`).
    pub fn execute(&self, sql: &str, session: &mut Session, answered: &mut Vec<Entity>) -> Result<()> {
        let _ = (sql, session, answered);
        Err(EngineError::user("not_built", "the engine is being built"))
    }

    /// Starts the one SELECT in a text. May block for a pull query's first rows; call it from a blocking
    /// thread.
    pub fn query(&self, sql: &str, session: &Session) -> Result<RunningQuery> {
        let _ = (sql, session);
        Err(EngineError::user("not_built", "the engine is being built"))
    }

    /// Starts the one PRINT in a text.
    pub fn print(&self, sql: &str, session: &Session) -> Result<Printing> {
        let _ = (sql, session);
        Err(EngineError::user("not_built", "the engine is being built"))
    }

    /// Ends a push query by its id; false where there is none.
    pub fn close_query(&self, id: &str) -> bool {
        let _ = id;
        false
    }

    /// Writes one row given as a JSON object (`/inserts-stream`); durable when it returns.
    pub fn insert_json(&self, target: &str, row: &str) -> Result<()> {
        let _ = (target, row);
        Err(EngineError::user("not_built", "the engine is being built"))
    }

    /// Appends records to a topic (made if it is not there), all or an error; durable when it returns.
    /// Each is (timestamp ms or none for now, key, value). `partition`: none = by key (murmur2), or in
    /// turn without key.
    pub fn produce(
        &self,
        topic: &str,
        partition: Option<u32>,
        records: &[(Option<i64>, Option<Vec<u8>>, Option<Vec<u8>>)],
    ) -> Result<()> {
        let _ = (topic, partition, records);
        Err(EngineError::user("not_built", "the engine is being built"))
    }

    /// Creates a topic; settings by Kafka's names.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: Option<u32>,
        settings: &[(String, String)],
    ) -> Result<()> {
        let _ = (name, partitions, settings);
        Err(EngineError::user("not_built", "the engine is being built"))
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        let _ = name;
        Err(EngineError::user("not_built", "the engine is being built"))
    }

    /// Kafka's description of a topic: partitions with start and end offsets, settings.
    pub fn describe_topic(&self, name: &str) -> Result<TopicDescription> {
        let _ = name;
        Err(EngineError::user("not_built", "the engine is being built"))
    }

    /// All settings in force with their origin.
    pub fn properties(&self, session: &Session) -> Vec<PropertyInfo> {
        let _ = session;
        vec![]
    }

    /// Checks a setting's name and value, as SET does.
    pub fn check_property(name: &str, value: &str) -> Result<()> {
        let _ = (name, value);
        Ok(())
    }

    /// The service id (`ksql.service.id`).
    pub fn service_id(&self) -> String {
        "default_".into()
    }

    /// Whether the engine can do its work, and what is wrong: (part, healthy, reason).
    pub fn health(&self) -> Vec<(&'static str, bool, Option<String>)> {
        vec![]
    }

    /// Counters and gauges for `/metrics`.
    pub fn metrics(&self) -> Vec<Metric> {
        vec![]
    }

    /// Whether a command id (`stream/NAME/create`) is known, for `/status`.
    pub fn command_status(&self, command_id: &str) -> Option<CommandStatus> {
        let _ = command_id;
        None
    }

    /// Names for completion in the shell: streams, tables and their columns, topics.
    pub fn names(&self) -> Vec<String> {
        vec![]
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

impl Rows {
    /// The next event; waits up to the time-out, `None` when nothing came. After `End` or `Failed` it
    /// always answers `End`. Blocking: for blocking threads.
    pub fn next(&mut self, timeout: std::time::Duration) -> Option<RowEvent> {
        let _ = timeout;
        None
    }

    /// Has `wake` called (from a worker thread; must be quick and not block) whenever `next` may have
    /// something; for async callers, which then call `next` with a zero time-out.
    pub fn on_ready(&mut self, wake: std::sync::Arc<dyn Fn() + Send + Sync>) {
        let _ = wake;
    }
}

impl Printing {
    /// As `Rows::next`: some records; `Ok(None)`: nothing yet; `Err`: it failed; an empty list: it has ended
    /// (LIMIT).
    pub fn next(&mut self, timeout: std::time::Duration) -> Result<Option<Vec<PrintedRecord>>> {
        let _ = timeout;
        Ok(None)
    }

    /// The guessed formats of key and value, for PRINT's first lines.
    pub fn formats(&self) -> (String, String) {
        ("KAFKA_STRING".into(), "JSON".into())
    }
}
