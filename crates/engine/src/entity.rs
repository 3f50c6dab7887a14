//! What statements answer: plain data, no JSON, no text layout.

use std::sync::Arc;

use types::{Schema, Value};

/// The answer to one statement.
#[derive(Clone, Debug)]
pub enum Entity {
    /// DDL and DML that changed something: `CREATE STREAM` …
    Status(CommandStatus),
    /// SHOW STREAMS, SHOW TABLES.
    Sources(SourceList),
    /// SHOW TOPICS.
    Topics {
        /// Whether consumer counts were asked for.
        extended: bool,
        /// One for each topic.
        topics: Vec<TopicInfo>,
    },
    /// SHOW QUERIES.
    Queries(Vec<QueryInfo>),
    /// SHOW … EXTENDED of queries, EXPLAIN.
    QueryDescriptions(Vec<QueryDescription>),
    /// EXPLAIN of one statement or query.
    Explain(QueryDescription),
    /// DESCRIBE.
    Description(SourceDescription),
    /// DESCRIBE STREAMS|TABLES, SHOW STREAMS|TABLES EXTENDED.
    Descriptions(Vec<SourceDescription>),
    /// SHOW FUNCTIONS.
    Functions(Vec<FunctionName>),
    /// DESCRIBE FUNCTION.
    Function(functions::FunctionDoc),
    /// SHOW TYPES: name and SQL text.
    Types(Vec<(String, String)>),
    /// SHOW PROPERTIES, SHOW VARIABLES.
    Properties(Vec<PropertyInfo>),
    /// SHOW VARIABLES: name and value.
    Variables(Vec<(String, String)>),
    /// ASSERT TOPIC.
    AssertTopic {
        /// The topic.
        topic: String,
        /// Whether it was asserted to be there.
        exists: bool,
    },
    /// TERMINATE, PAUSE, RESUME of a query.
    QueryStatus {
        /// The query.
        query_id: String,
        /// What happened.
        message: String,
    },
    /// Something worth saying that changed nothing (IF EXISTS, IF NOT EXISTS, SET).
    Warning(String),
}

/// A change that was made.
#[derive(Clone, Debug)]
pub struct CommandStatus {
    /// `stream/`NAME`/create` as ksqlDB forms command ids.
    pub command_id: String,
    /// Where the command stands in the command log.
    pub sequence: i64,
    /// `Stream created`, `Created query with ID CSAS_X_0` …
    pub message: String,
    /// The query it started.
    pub query_id: Option<String>,
    /// Warnings, e.g. on properties without effect.
    pub warnings: Vec<String>,
}

/// SHOW STREAMS or SHOW TABLES.
#[derive(Clone, Debug)]
pub struct SourceList {
    /// STREAM or TABLE.
    pub kind: sql::SourceKind,
    /// One for each source.
    pub sources: Vec<SourceInfo>,
}

/// One row of SHOW STREAMS|TABLES.
#[derive(Clone, Debug)]
pub struct SourceInfo {
    /// Name.
    pub name: String,
    /// Topic.
    pub topic: String,
    /// Key format.
    pub key_format: String,
    /// Value format.
    pub value_format: String,
    /// Whether keys carry windows.
    pub is_windowed: bool,
}

/// One row of SHOW TOPICS.
#[derive(Clone, Debug)]
pub struct TopicInfo {
    /// Name.
    pub name: String,
    /// Replicas of each partition (all 1 on the embedded log).
    pub replicas: Vec<u32>,
    /// Consumers in groups.
    pub consumers: u32,
    /// Consumer groups.
    pub groups: u32,
}

/// RUNNING, PAUSED …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryState {
    /// Reading.
    Running,
    /// By PAUSE.
    Paused,
    /// Stopped by an error.
    Error,
}

/// One row of SHOW QUERIES.
#[derive(Clone, Debug)]
pub struct QueryInfo {
    /// Its id, e.g. `CSAS_ALERTS_3`.
    pub id: String,
    /// `PERSISTENT` or `PUSH`.
    pub kind: &'static str,
    /// The statement.
    pub sql: String,
    /// The stream or table written.
    pub sink: Option<String>,
    /// The topic written.
    pub sink_topic: Option<String>,
    /// RUNNING, PAUSED, ERROR.
    pub state: QueryState,
    /// What it has done so far.
    pub statistics: Statistics,
    /// Why it stopped.
    pub error: Option<String>,
}

/// What a query or source has done since it was created (or since start for `rate`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    /// Records read.
    pub consumed: u64,
    /// Records written.
    pub produced: u64,
    /// Records that could not be decoded or computed.
    pub errors: u64,
    /// Records dropped because they came after their window's grace.
    pub late: u64,
    /// Time of the last record written, ms.
    pub last_message_ms: Option<i64>,
    /// Records read a second over the last seconds.
    pub consumed_per_second: f64,
    /// Records written a second over the last seconds.
    pub produced_per_second: f64,
    /// Bytes of state in memory.
    pub state_bytes: u64,
}

/// EXPLAIN and SHOW QUERIES EXTENDED.
#[derive(Clone, Debug)]
pub struct QueryDescription {
    /// The query.
    pub info: QueryInfo,
    /// Its result.
    pub schema: Schema,
    /// The sources read.
    pub sources: Vec<String>,
    /// The plan as text.
    pub plan: String,
    /// Settings that were overridden for it.
    pub overrides: Vec<(String, String)>,
}

/// DESCRIBE.
#[derive(Clone, Debug)]
pub struct SourceDescription {
    /// The stream or table.
    pub source: Arc<plan::catalog::Source>,
    /// Whether more than the columns was asked for.
    pub extended: bool,
    /// Partitions of its topic.
    pub partitions: u32,
    /// Queries reading it.
    pub readers: Vec<QueryInfo>,
    /// Queries writing it.
    pub writers: Vec<QueryInfo>,
    /// Sources whose removal needs this one's first.
    pub constraints: Vec<String>,
    /// Runtime statistics.
    pub statistics: Statistics,
    /// How far each reading query is.
    pub groups: Vec<GroupOffsets>,
}

/// How far one query has read a topic.
#[derive(Clone, Debug)]
pub struct GroupOffsets {
    /// Its consumer group.
    pub group: String,
    /// Partition, its start and end offset, and the offset up to which results are committed.
    pub offsets: Vec<(u32, i64, i64, i64)>,
}

/// SHOW FUNCTIONS.
#[derive(Clone, Debug)]
pub struct FunctionName {
    /// Name.
    pub name: String,
    /// `SCALAR`, `AGGREGATE`, `TABLE`.
    pub kind: String,
    /// Category.
    pub category: String,
}

/// One row of SHOW PROPERTIES and of `tripline config`.
#[derive(Clone, Debug)]
pub struct PropertyInfo {
    /// ksqlDB's or Kafka's own name.
    pub name: String,
    /// Present value; secrets are masked.
    pub value: String,
    /// `default`, `file PATH`, `command line`, `session`.
    pub origin: String,
    /// `KSQL`, `Kafka`, `Tripline`.
    pub scope: &'static str,
    /// One sentence.
    pub description: &'static str,
}

/// The columns of a query's result.
#[derive(Clone, Debug)]
pub struct ResultSchema {
    /// Names and types in order; key columns of pull queries are marked in `schema`.
    pub columns: Vec<(Arc<str>, types::DataType)>,
    /// As ksqlDB writes it in headers: `` `ID` STRING KEY, `N` BIGINT ``.
    pub text: String,
}

/// A row of a query's result.
#[derive(Clone, Debug)]
pub struct ResultRow {
    /// One value for each column; for a tombstone all but the key columns are NULL.
    pub values: Vec<Value>,
    /// Whether the row says that its key was deleted.
    pub is_tombstone: bool,
}
