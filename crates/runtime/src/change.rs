//! What flows into a task, between its operators, and out of it.

use types::Value;

use crate::eval::{Columns, Row};

/// A record of a source topic, decoded.
#[derive(Clone, Copy)]
pub struct SourceRecord<'a> {
    /// The key columns; `None` is a null key.
    pub key: Option<&'a [Value]>,
    /// The value columns; `None` is a null value (a tombstone on a table).
    pub value: Option<Columns<'a>>,
    /// The record's time in ms.
    pub timestamp: i64,
    /// What its time has beyond `timestamp`, in µs (0 to 999): a TIMESTAMP column of epoch seconds may be finer
    /// than a record's time. Stream-stream joins look at it.
    pub micros: u16,
    /// The partition it was read from.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The window in the key of a windowed source.
    pub window: Option<(i64, i64)>,
}

/// A row of the query's result.
#[derive(Clone, Copy, Debug)]
pub struct Emitted<'a> {
    /// The key columns; empty when the key is null and the result has no key column.
    pub key: &'a [Value],
    /// The window in the key.
    pub window: Option<(i64, i64)>,
    /// The value columns; `None` is a tombstone or a null value.
    pub value: Option<&'a [Value]>,
    /// The row's time in ms.
    pub timestamp: i64,
}

/// Why a record, or one of its columns, was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorReason {
    /// An expression failed: the column is NULL, or the row does not pass the filter.
    Expression,
    /// The key is null where one is needed.
    NullKey,
    /// The window of the record has closed.
    Late,
}

/// A record, or a column of it, that was lost.
#[derive(Clone, Copy, Debug)]
pub struct RowError<'a> {
    /// Why.
    pub reason: ErrorReason,
    /// What the step does, e.g. `filter`.
    pub step: &'static str,
    /// The message for the processing log.
    pub message: &'a str,
    /// Time of the record.
    pub timestamp: i64,
    /// Partition of the record.
    pub partition: i32,
    /// Offset of the record.
    pub offset: i64,
}

/// Takes what a task gives.
pub trait Output {
    /// Takes a row of the result.
    fn emit(&mut self, row: Emitted<'_>);
    /// Takes the report of something lost.
    fn error(&mut self, error: RowError<'_>);
}

/// A record of a stream, or a change of a table, between two operators.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    /// Empty or all NULL for a null key.
    pub key: &'a [Value],
    pub window: Option<(i64, i64)>,
    /// The row; `None` is a null value or a deletion.
    pub new: Option<Columns<'a>>,
    /// The row before, where the operators above asked for it.
    pub old: Option<&'a [Value]>,
    /// Time of `new` (and of the change).
    pub timestamp: i64,
    /// See [`SourceRecord::micros`].
    pub micros: u16,
    /// Time of `old`.
    pub old_timestamp: i64,
    pub partition: i32,
    pub offset: i64,
}

impl<'a> Change<'a> {
    /// Whether the key is null: no column, or no column with a value.
    pub(crate) fn key_is_null(&self) -> bool {
        self.key.iter().all(Value::is_null)
    }

    /// What expressions see for these columns.
    pub(crate) fn row(&self, columns: Columns<'a>) -> Row<'a> {
        Row {
            key: self.key,
            columns,
            rowtime: self.timestamp,
            partition: self.partition,
            offset: self.offset,
            window: self.window,
        }
    }

    /// What expressions see for the row before.
    pub(crate) fn old_row(&self, old: &'a [Value]) -> Row<'a> {
        Row { rowtime: self.old_timestamp, ..self.row(Columns::Values(old)) }
    }
}
