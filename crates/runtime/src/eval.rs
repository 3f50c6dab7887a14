//! Expressions, compiled once and computed for each row.
//!
//! [`compile`] turns a planned expression into a tree of specialised nodes: constants are folded, LIKE patterns and
//! IN lists prepared. Values are borrowed from the row or the tree wherever possible, so that comparing a column
//! with a constant copies nothing.

mod arithmetic;
mod build;
mod json;
mod like;
mod node;
mod slot_test;
#[cfg(test)]
mod sql_tests;
#[cfg(test)]
mod tests;
mod work;

use std::borrow::Cow;
use std::cell::Cell;

use plan::expr::{ColumnRef, Expr};
use types::{EvalError, Value};

pub use json::{JsonLayout, JsonRow};
use node::{Node, Scope};
pub(crate) use slot_test::{SlotTest, Witness};
use work::Work;

/// The value columns of a row.
#[derive(Clone, Copy)]
pub enum Columns<'a> {
    /// Decoded.
    Values(&'a [Value]),
    /// Still in the record.
    Json(JsonRow<'a>),
}

impl<'a> Columns<'a> {
    /// Returns the nth column; NULL when there is none.
    pub fn value(&self, column: usize) -> Result<Cow<'a, Value>, EvalError> {
        match *self {
            Self::Values(values) => Ok(values.get(column).map_or(Cow::Owned(Value::Null), Cow::Borrowed)),
            Self::Json(json) => json.value(column).map(Cow::Owned),
        }
    }

    /// Returns the number of columns.
    pub fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Json(json) => json.layout.columns(),
        }
    }

    /// Returns whether there is no column.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends all columns to `values`; a column that cannot be decoded is NULL.
    pub fn append_to(&self, values: &mut Vec<Value>) {
        match *self {
            Self::Values(all) => values.extend_from_slice(all),
            Self::Json(json) => {
                for column in 0..json.layout.columns() {
                    if json.append(column, values).is_err() {
                        values.push(Value::Null);
                    }
                }
            }
        }
    }

    /// The columns where they are decoded already.
    pub(crate) fn decoded(&self) -> Option<&'a [Value]> {
        match *self {
            Self::Values(values) => Some(values),
            Self::Json(_) => None,
        }
    }
}

/// What an expression is computed on.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// Key columns.
    pub key: &'a [Value],
    /// Value columns.
    pub columns: Columns<'a>,
    /// The record's time in ms.
    pub rowtime: i64,
    /// The partition it was read from.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The window in the key.
    pub window: Option<(i64, i64)>,
}

/// A compiled expression.
pub struct Compiled {
    node: Node,
    reads_value: bool,
    is_stable: bool,
}

/// Compiles an expression. One nested deeper than is safe to evaluate fails for each row.
pub fn compile(expr: &Expr) -> Compiled {
    build::build(expr)
}

/// Appends a copy of a value; one of a frequent type is made where it stays.
#[inline]
fn append_copy(value: &Value, values: &mut Vec<Value>) {
    match value {
        Value::Null => values.push(Value::Null),
        Value::Boolean(truth) => values.push(Value::Boolean(*truth)),
        Value::Int(number) => values.push(Value::Int(*number)),
        Value::BigInt(number) => values.push(Value::BigInt(*number)),
        Value::Double(number) => values.push(Value::Double(*number)),
        Value::String(text) => values.push(Value::String(text.clone())),
        other => values.push(other.clone()),
    }
}

impl Compiled {
    /// Computes the value for a row. An item of an ARRAY, MAP or STRUCT that fails, and a CAST, is NULL.
    pub fn eval(&self, row: &Row<'_>) -> Result<Value, EvalError> {
        self.eval_noting(row, &Cell::new(None))
    }

    /// Computes a predicate for a row; NULL is false.
    pub fn test(&self, row: &Row<'_>) -> Result<bool, EvalError> {
        self.test_noting(row, &Cell::new(None))
    }

    /// As `eval`; the first failure that only a part of the value was lost by is left in `part_failure`.
    pub(crate) fn eval_noting(
        &self,
        row: &Row<'_>,
        part_failure: &Cell<Option<EvalError>>,
    ) -> Result<Value, EvalError> {
        let work = Work::new();
        Ok(self.node.get(&Scope { row, params: &[], part_failure, work: &work })?.into_owned())
    }

    /// Appends the value if it takes nothing to compute: a column or a constant.
    #[inline]
    pub(crate) fn append_plain(&self, row: &Row<'_>, values: &mut Vec<Value>) -> bool {
        match (&self.node, row.columns) {
            (Node::Column(ColumnRef::Value(column)), Columns::Json(json)) => {
                json.append(*column, values).is_ok()
            }
            (Node::Column(ColumnRef::Value(column)), Columns::Values(all)) => {
                match all.get(*column) {
                    Some(value) => append_copy(value, values),
                    None => values.push(Value::Null),
                }
                true
            }
            (Node::Constant(value), _) => {
                append_copy(value, values);
                true
            }
            _ => false,
        }
    }

    /// As `test`; the first failure that became a NULL is left in `part_failure`.
    pub(crate) fn test_noting(
        &self,
        row: &Row<'_>,
        part_failure: &Cell<Option<EvalError>>,
    ) -> Result<bool, EvalError> {
        let work = Work::new();
        Ok(self.node.truth(&Scope { row, params: &[], part_failure, work: &work })?.unwrap_or(false))
    }

    /// The slot of a record of this layout, where the expression is nothing but a column or a field of one.
    pub(crate) fn slot(&self, layout: &JsonLayout) -> Option<usize> {
        slot_test::slot_of(&self.node, layout)
    }

    /// The same predicate for records of this layout, if it is one that cannot fail.
    pub(crate) fn slot_test(&self, layout: &JsonLayout) -> Option<SlotTest> {
        SlotTest::new(&self.node, layout)
    }

    /// Returns whether anything but the key is read: value columns or the record's time and place.
    pub fn reads_value(&self) -> bool {
        self.reads_value
    }

    /// Returns whether computing it again later gives the same: no impure function, no place in a topic.
    pub(crate) fn is_stable(&self) -> bool {
        self.is_stable
    }
}
