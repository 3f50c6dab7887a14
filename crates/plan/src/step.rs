//! The physical plan: a tree of steps that the runtime turns into operators one for one.
//!
//! Data flows from the sources (leaves) to the root. A *stream* step hands on single records; a *table*
//! step hands on changes (old and new row of a key). Each step has one output layout: key columns and
//! value columns; expressions of the step above refer to it by `ColumnRef`.

use std::sync::Arc;

use functions::AggregateCall;
use types::DataType;

use crate::expr::{Expr, TableFunction};
pub use sql::ast::{JoinKind, SourceKind};

/// Names and types of a step's output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// Key columns.
    pub key: Vec<(Arc<str>, DataType)>,
    /// Value columns.
    pub value: Vec<(Arc<str>, DataType)>,
    /// Set when keys carry a window.
    pub window: Option<WindowInfo>,
}

/// What is known of the windows in keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowInfo {
    /// TUMBLING or HOPPING windows of this size (ms).
    Time {
        /// Size in ms.
        size_ms: i64,
    },
    /// SESSION windows: both bounds are in the key.
    Session,
}

/// A serialization format with its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct FormatSpec {
    /// `JSON`, `DELIMITED`, `KAFKA`, `NONE` …
    pub name: String,
    /// Delimiter of DELIMITED.
    pub delimiter: Option<String>,
    /// WRAP_SINGLE_VALUE; `None` is the format's default.
    pub wrap_single: Option<bool>,
}

/// Where a source's record time comes from when not from the record itself.
#[derive(Clone, Debug, PartialEq)]
pub struct TimestampColumn {
    /// The column.
    pub column: Arc<str>,
    /// Java pattern of a STRING column; else BIGINT ms, TIMESTAMP, or DOUBLE epoch seconds.
    pub format: Option<String>,
}

/// A topic read by a query.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceStep {
    /// The stream's or table's name.
    pub name: Arc<str>,
    /// STREAM or TABLE: a table source is materialised and hands on old values.
    pub kind: SourceKind,
    /// The topic.
    pub topic: Arc<str>,
    /// Key format.
    pub key_format: FormatSpec,
    /// Value format.
    pub value_format: FormatSpec,
    /// Header columns behind the value columns: one by name, or all (`None`).
    pub headers: Vec<Option<Arc<str>>>,
    /// TIMESTAMP property.
    pub timestamp: Option<TimestampColumn>,
    /// Old KSQL's `KEY='column'`: a key missing in the record is taken from this value column.
    pub key_from_value: Option<usize>,
}

/// A window of an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSpec {
    /// TUMBLING, HOPPING or SESSION with sizes in ms.
    pub kind: sql::ast::WindowKind,
    /// How late a record may be, in ms.
    pub grace_ms: i64,
    /// How long windows are kept, in ms.
    pub retention_ms: i64,
}

/// One aggregate of an aggregation.
#[derive(Clone)]
pub struct AggregateFunction {
    /// Upper-case name.
    pub name: String,
    /// The code.
    pub call: AggregateCall,
    /// Computed on the step's *input*; already of the parameters' types.
    pub args: Vec<Expr>,
}

/// What a step does; its inputs are inside.
#[derive(Clone)]
pub enum StepKind {
    /// Reads a topic. Layout: declared key and value columns, then header columns.
    Source(SourceStep),
    /// Passes rows whose predicate is true. On a table a row that no longer passes becomes a tombstone.
    Filter {
        /// Input.
        input: Box<Step>,
        /// BOOLEAN.
        predicate: Expr,
    },
    /// Computes new value columns and, where `key` is set, a new key (streams only).
    Map {
        /// Input.
        input: Box<Step>,
        /// The new key's columns; `None` keeps key and window.
        key: Option<Vec<Expr>>,
        /// The new value's columns.
        value: Vec<Expr>,
    },
    /// Table functions: one row in, as many rows out as the longest result; layout: input's value
    /// columns, then one column for each function (NULL where a shorter one has ended).
    FlatMap {
        /// Input (a stream).
        input: Box<Step>,
        /// The functions.
        functions: Vec<TableFunction>,
    },
    /// Sends each record to the partition of its key, through an internal topic when there is more than
    /// one partition. Layout as input.
    Repartition {
        /// Input (a stream; or a table inside `TableAggregate`).
        input: Box<Step>,
        /// The internal topic's name.
        topic: String,
    },
    /// Aggregates a stream by key. Output: a table; value columns: the `carried` input columns (value
    /// of the latest row), then one column for each function.
    Aggregate {
        /// Input (a stream keyed by the group).
        input: Box<Step>,
        /// Input value columns handed on.
        carried: Vec<usize>,
        /// The aggregates.
        functions: Vec<AggregateFunction>,
        /// WINDOW.
        window: Option<WindowSpec>,
        /// EMIT FINAL: a window's result comes out once, when stream time passes its end plus grace.
        emit_final: bool,
    },
    /// Aggregates a table: `key` is computed for the old and the new row of each change; the old row is
    /// undone in its group, the new one added to its own (undo first). Output as `Aggregate`.
    TableAggregate {
        /// Input (a table).
        input: Box<Step>,
        /// The group's key.
        key: Vec<Expr>,
        /// Input value columns handed on (value of the latest row).
        carried: Vec<Expr>,
        /// The aggregates; all can undo.
        functions: Vec<AggregateFunction>,
        /// Internal topic used when there is more than one partition.
        topic: String,
    },
    /// Stream ⋈ stream on equal keys within a time distance. Value columns: left's, then right's.
    StreamStreamJoin {
        /// INNER, LEFT, RIGHT, FULL.
        kind: JoinKind,
        /// Left stream.
        left: Box<Step>,
        /// Right stream.
        right: Box<Step>,
        /// A right record may be this much older than the left one (ms).
        before_ms: i64,
        /// A right record may be this much newer than the left one (ms).
        after_ms: i64,
        /// Set: outer results only when the window has closed (stream time > time + within + grace).
        /// Unset: outer results at once, and joined ones again later (ksqlDB without GRACE PERIOD);
        /// records are then kept 24 h of stream time.
        grace_ms: Option<i64>,
    },
    /// Stream ⋈ table on equal keys; only the stream's records give results. INNER or LEFT.
    StreamTableJoin {
        /// INNER or LEFT.
        kind: JoinKind,
        /// The stream.
        left: Box<Step>,
        /// The table.
        right: Box<Step>,
    },
    /// Table ⋈ table on equal primary keys.
    TableTableJoin {
        /// INNER, LEFT, RIGHT, FULL.
        kind: JoinKind,
        /// Left table.
        left: Box<Step>,
        /// Right table.
        right: Box<Step>,
    },
    /// Table ⋈ table where an expression of the left row is the right table's primary key. Result: a
    /// table keyed like the left one. INNER or LEFT.
    ForeignKeyJoin {
        /// INNER or LEFT.
        kind: JoinKind,
        /// Left table.
        left: Box<Step>,
        /// Right table.
        right: Box<Step>,
        /// On the left row; of the right key's type.
        foreign_key: Expr,
    },
}

/// A step with the layout of its output.
#[derive(Clone)]
pub struct Step {
    /// What it does.
    pub kind: StepKind,
    /// Its output.
    pub layout: Layout,
    /// Whether the output is a stream of records or a table's changes.
    pub output: SourceKind,
}

/// Where a query's rows go.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkStep {
    /// The stream or table written.
    pub name: Arc<str>,
    /// Its topic.
    pub topic: Arc<str>,
    /// Key format.
    pub key_format: FormatSpec,
    /// Value format.
    pub value_format: FormatSpec,
    /// TIMESTAMP property: the record's time is taken from this value column.
    pub timestamp: Option<TimestampColumn>,
}

/// A whole query.
#[derive(Clone)]
pub struct QueryPlan {
    /// The root of the steps; its layout is the result's.
    pub root: Step,
    /// Where rows go; `None` for a push query.
    pub sink: Option<SinkStep>,
    /// LIMIT.
    pub limit: Option<u64>,
}

impl Step {
    /// The steps that feed this one, left first.
    pub fn inputs(&self) -> Vec<&Step> {
        match &self.kind {
            StepKind::Source(_) => vec![],
            StepKind::Filter { input, .. }
            | StepKind::Map { input, .. }
            | StepKind::FlatMap { input, .. }
            | StepKind::Repartition { input, .. }
            | StepKind::Aggregate { input, .. }
            | StepKind::TableAggregate { input, .. } => vec![input],
            StepKind::StreamStreamJoin { left, right, .. }
            | StepKind::StreamTableJoin { left, right, .. }
            | StepKind::TableTableJoin { left, right, .. }
            | StepKind::ForeignKeyJoin { left, right, .. } => vec![left, right],
        }
    }

    /// The topics read, left to right.
    pub fn sources(&self) -> Vec<&SourceStep> {
        match &self.kind {
            StepKind::Source(source) => vec![source],
            _ => self.inputs().into_iter().flat_map(Step::sources).collect(),
        }
    }
}
