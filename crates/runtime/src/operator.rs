//! One operator for each step of a plan.
//!
//! The operators of a task lie in one list, inputs before what they feed. An operator handles a change and sends what
//! follows from it downstream at once, so all consequences of a record are out before the next one is taken.

mod aggregate;
mod filter;
mod flat_map;
mod fold;
mod foreign_key_join;
mod held_back;
mod map;
mod repartition;
mod session_aggregate;
mod source;
mod stream_stream_join;
mod stream_table_join;
mod table_aggregate;
mod table_rows;
mod table_table_join;
mod window_aggregate;

use std::cell::Cell;

use state::Logged;
use types::{EvalError, Value};

use crate::change::{Change, Emitted, ErrorReason, Output, RowError};
use crate::error::TaskError;
use crate::eval::{Compiled, Row};
use crate::task::Counters;
use crate::view::{RowBounds, ViewRow};

pub(crate) use aggregate::Aggregate;
pub(crate) use filter::Filter;
pub(crate) use flat_map::FlatMap;
pub(crate) use fold::Fold;
pub(crate) use foreign_key_join::ForeignKeyJoin;
pub(crate) use map::Map;
pub(crate) use repartition::Repartition;
pub(crate) use session_aggregate::{SessionAggregate, SessionSettings};
pub(crate) use source::{ResultTable, StreamSource, TableSource};
pub(crate) use stream_stream_join::{JoinTimes, StreamStreamJoin};
pub(crate) use stream_table_join::StreamTableJoin;
pub(crate) use table_aggregate::TableAggregate;
pub(crate) use table_table_join::{TableSide, TableTableJoin};
pub(crate) use window_aggregate::{WindowAggregate, WindowSettings};

/// Which input of a join a change comes from; other operators have only the left one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A step at work.
pub(crate) trait Operator {
    /// Handles a change and sends what follows from it.
    fn process(
        &mut self,
        side: Side,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError>;

    /// The stores, each with a name unique within the operator.
    fn stores(&mut self) -> Vec<(&'static str, &mut dyn Logged)> {
        vec![]
    }

    /// Small state beside the stores.
    fn meta(&mut self) -> Vec<&mut i64> {
        vec![]
    }

    /// The number of the next row, where states keep the numbers of theirs.
    fn arrival(&mut self) -> Option<&mut i64> {
        None
    }

    /// Takes a record of a group whose key is there as stores have it, as is what the functions take; for the aggregate
    /// that [`crate::task`] has a short way to.
    fn take_grouped(
        &mut self,
        key: &[u8],
        args: &mut Vec<Value>,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        let _ = (key, args, change, down);
        Err(TaskError::InvalidPlan("step takes no groups"))
    }

    /// Sends what was held back until the end of the epoch.
    fn flush(&mut self, down: &mut Downstream<'_, '_>) -> Result<(), TaskError> {
        let _ = down;
        Ok(())
    }

    /// Brings what is derived from stores and meta data up to date after a restore.
    fn restored(&mut self) -> Result<(), TaskError> {
        Ok(())
    }

    /// Gives the rows it holds as a table; see `MaterializedView`.
    fn read(
        &mut self,
        bounds: &RowBounds<'_>,
        visit: &mut dyn FnMut(ViewRow) -> bool,
    ) -> Result<(), TaskError> {
        let _ = (bounds, visit);
        Ok(())
    }

    /// Takes a row that is read (not processed) on to the output's columns; false leaves it out.
    fn project(&self, row: &Row<'_>, values: &mut Vec<Value>) -> bool {
        row.columns.append_to(values);
        true
    }
}

/// An operator and what it feeds: another one, or the output.
pub(crate) struct Node {
    /// What the step does, for the names of stores.
    pub name: &'static str,
    pub operator: Box<dyn Operator + Send>,
    pub target: Option<(usize, Side)>,
}

/// What all operators of a task report to.
pub(crate) struct Context<'a> {
    pub out: &'a mut dyn Output,
    pub counters: &'a mut Counters,
}

/// Where an operator sends changes.
pub(crate) struct Downstream<'a, 'b> {
    /// The nodes behind the operator.
    nodes: &'a mut [Node],
    /// The number of the first of them.
    first: usize,
    target: Option<(usize, Side)>,
    context: &'a mut Context<'b>,
}

impl<'a, 'b> Downstream<'a, 'b> {
    /// Makes operator `number` send what it has held back.
    pub(crate) fn flush(
        nodes: &'a mut [Node],
        number: usize,
        context: &'a mut Context<'b>,
    ) -> Result<(), TaskError> {
        Self::at(nodes, number, context, |operator, down| operator.flush(down))
    }

    /// Gives a record of a group to operator `number`.
    #[inline]
    pub(crate) fn take_grouped(
        nodes: &'a mut [Node],
        number: usize,
        (key, args): (&[u8], &mut Vec<Value>),
        change: &Change<'_>,
        context: &'a mut Context<'b>,
    ) -> Result<(), TaskError> {
        Self::at(nodes, number, context, |operator, down| operator.take_grouped(key, args, change, down))
    }

    #[inline]
    fn at(
        nodes: &'a mut [Node],
        number: usize,
        context: &'a mut Context<'b>,
        call: impl FnOnce(&mut (dyn Operator + Send), &mut Downstream<'a, 'b>) -> Result<(), TaskError>,
    ) -> Result<(), TaskError> {
        let behind = nodes.get_mut(number..).and_then(|nodes| nodes.split_first_mut());
        let Some((node, nodes)) = behind else { return Ok(()) };
        let mut down = Downstream { nodes, first: number + 1, target: node.target, context };
        call(&mut *node.operator, &mut down)
    }

    /// Runs node `number` for a change.
    pub(crate) fn run(
        nodes: &'a mut [Node],
        number: usize,
        change: &Change<'_>,
        context: &'a mut Context<'b>,
    ) -> Result<(), TaskError> {
        Downstream { nodes, first: 0, target: Some((number, Side::Left)), context }.send(change)
    }

    /// Sends a change; returns when all its consequences are out.
    pub(crate) fn send(&mut self, change: &Change<'_>) -> Result<(), TaskError> {
        let Some((number, side)) = self.target else {
            self.emit(change);
            return Ok(());
        };
        let behind = number.checked_sub(self.first).and_then(|place| self.nodes.get_mut(place..));
        let Some((node, nodes)) = behind.and_then(|nodes| nodes.split_first_mut()) else {
            return Err(TaskError::InvalidPlan("step feeds a step before it"));
        };
        let mut down =
            Downstream { nodes, first: number + 1, target: node.target, context: &mut *self.context };
        node.operator.process(side, change, &mut down)
    }

    fn emit(&mut self, change: &Change<'_>) {
        self.context.counters.records_out += 1;
        let mut decoded = Vec::new();
        let value = match &change.new {
            None => None,
            Some(columns) => match columns.decoded() {
                Some(values) => Some(values),
                None => {
                    columns.append_to(&mut decoded);
                    Some(decoded.as_slice())
                }
            },
        };
        self.context.out.emit(Emitted {
            key: change.key,
            window: change.window,
            value,
            timestamp: change.timestamp,
        });
    }

    /// Counts and reports something lost.
    pub(crate) fn lost(
        &mut self,
        reason: ErrorReason,
        step: &'static str,
        message: &str,
        change: &Change<'_>,
    ) {
        self.context.counters.count(reason);
        self.context.out.error(RowError {
            reason,
            step,
            message,
            timestamp: change.timestamp,
            partition: change.partition,
            offset: change.offset,
        });
    }

    /// Computes an expression; a failure is reported and gives NULL.
    pub(crate) fn eval(
        &mut self,
        step: &'static str,
        expr: &Compiled,
        row: &Row<'_>,
        change: &Change<'_>,
    ) -> Value {
        let part_failure = Cell::new(None);
        let result = expr.eval_noting(row, &part_failure);
        self.tell_part_failure(step, &part_failure, change);
        self.value_of(step, result, change)
    }

    /// Computes an expression and appends its value; a failure is reported and gives NULL.
    #[inline]
    pub(crate) fn eval_onto(
        &mut self,
        step: &'static str,
        expr: &Compiled,
        row: &Row<'_>,
        change: &Change<'_>,
        values: &mut Vec<Value>,
    ) {
        if !expr.append_plain(row, values) {
            values.push(self.eval(step, expr, row, change));
        }
    }

    /// Computes a predicate; a failure is reported and is false.
    pub(crate) fn test(
        &mut self,
        step: &'static str,
        predicate: &Compiled,
        row: &Row<'_>,
        change: &Change<'_>,
    ) -> bool {
        let part_failure = Cell::new(None);
        let result = predicate.test_noting(row, &part_failure);
        self.tell_part_failure(step, &part_failure, change);
        result.unwrap_or_else(|error| {
            self.lost(ErrorReason::Expression, step, &error.0, change);
            false
        })
    }

    fn tell_part_failure(
        &mut self,
        step: &'static str,
        failure: &Cell<Option<EvalError>>,
        change: &Change<'_>,
    ) {
        if let Some(error) = failure.take() {
            self.lost(ErrorReason::Expression, step, &error.0, change);
        }
    }

    /// The value of a result; a failure is reported and gives NULL.
    pub(crate) fn value_of(
        &mut self,
        step: &'static str,
        result: Result<Value, EvalError>,
        change: &Change<'_>,
    ) -> Value {
        result.unwrap_or_else(|error| {
            self.lost(ErrorReason::Expression, step, &error.0, change);
            Value::Null
        })
    }
}
