//! What all aggregations share: the carried columns and the aggregates of one group.
//!
//! A stored group is its time, the carried columns and the aggregates' states. `Fold` reads it into buffers of its own,
//! changes it there and writes it back, so that a record costs no allocation.

use std::sync::Arc;

use types::{EvalError, Value};

use super::Downstream;
use crate::change::Change;
use crate::codec;
use crate::error::TaskError;
use crate::eval::{Compiled, Row};

const STEP: &str = "aggregate";

/// The number of the first row. Behind all that were once given by a clock (in µs).
const ARRIVAL_MIN: i64 = 1 << 60;

struct Function {
    code: Arc<dyn functions::Aggregate>,
    args: Vec<Compiled>,
    /// Whether the row's number is behind its arguments.
    takes_arrival: bool,
}

impl Function {
    /// How many of the prepared values are for it.
    fn width(&self) -> usize {
        self.args.len() + usize::from(self.takes_arrival)
    }
}

pub(crate) struct Fold {
    carried: Vec<Compiled>,
    functions: Vec<Function>,
    /// The number of the next row, where some function takes it.
    arrival: i64,
    /// Carried columns of the row, then the arguments of all functions.
    input: Vec<Value>,
    /// Carried columns, then the states of the functions.
    group: Vec<Value>,
    /// Carried columns, then the results of the functions.
    result: Vec<Value>,
    /// Same, of the group before the row.
    old_result: Vec<Value>,
    /// What went wrong while the group was changed; reported by `report`.
    errors: Vec<EvalError>,
}

impl Fold {
    pub(crate) fn new(
        carried: Vec<Compiled>,
        functions: Vec<(Arc<dyn functions::Aggregate>, Vec<Compiled>)>,
    ) -> Self {
        let function = |(code, args)| Function { code, args, takes_arrival: false };
        Self {
            carried,
            functions: functions.into_iter().map(function).collect(),
            arrival: ARRIVAL_MIN,
            input: vec![],
            group: vec![],
            result: vec![],
            old_result: vec![],
            errors: vec![],
        }
    }

    /// Gives each row its number, for functions that need it to merge groups.
    pub(crate) fn numbered(mut self) -> Self {
        for function in &mut self.functions {
            function.takes_arrival = function.code.wants_arrival();
        }
        self
    }

    /// The number of the next row, if some function takes it; to be kept with the groups.
    pub(crate) fn arrival(&mut self) -> Option<&mut i64> {
        self.functions.iter().any(|function| function.takes_arrival).then_some(&mut self.arrival)
    }

    /// Computes the carried columns and the arguments for a row.
    pub(crate) fn prepare(&mut self, row: &Row<'_>, change: &Change<'_>, down: &mut Downstream<'_, '_>) {
        let input = &mut self.input;
        input.clear();
        self.carried.iter().for_each(|expr| down.eval_onto(STEP, expr, row, change, input));
        for function in &self.functions {
            function.args.iter().for_each(|expr| down.eval_onto(STEP, expr, row, change, input));
            if function.takes_arrival {
                input.push(Value::BigInt(self.arrival));
            }
        }
        self.arrival = self.arrival.saturating_add(1);
    }

    /// Takes values in place of those that `prepare` computes.
    pub(crate) fn take_input(&mut self, values: &mut Vec<Value>) {
        std::mem::swap(&mut self.input, values);
    }

    /// Begins with a new group.
    pub(crate) fn start(&mut self) {
        self.group.clear();
        self.group.resize(self.carried.len(), Value::Null);
        self.group.extend(self.functions.iter().map(|function| function.code.initial()));
    }

    /// Goes on with a stored group; returns its time.
    pub(crate) fn load(&mut self, bytes: &[u8]) -> Result<i64, TaskError> {
        let timestamp = codec::row_into(bytes, &mut self.group)?;
        if self.group.len() != self.carried.len() + self.functions.len() {
            return Err(codec::damaged("aggregate has another number of columns"));
        }
        Ok(timestamp)
    }

    /// Writes the group behind what is in `bytes`.
    pub(crate) fn store(&self, timestamp: i64, bytes: &mut Vec<u8>) {
        codec::put_row(timestamp, &self.group, bytes);
    }

    /// Takes the prepared row in.
    pub(crate) fn add(&mut self) {
        self.apply(|function, state, args| function.add(state, args));
    }

    /// Takes the prepared row out.
    pub(crate) fn undo(&mut self) {
        self.apply(|function, state, args| function.undo(state, args));
    }

    fn apply(
        &mut self,
        change: impl Fn(&dyn functions::Aggregate, &mut Value, &[Value]) -> Result<(), EvalError>,
    ) {
        let carried = self.carried.len();
        let (columns, mut args) = self.input.split_at(carried);
        let (group_columns, states) = self.group.split_at_mut(carried);
        group_columns.clone_from_slice(columns);
        for (function, state) in self.functions.iter().zip(states) {
            let (own, rest) = args.split_at(function.width());
            args = rest;
            if let Err(error) = change(&*function.code, state, own) {
                self.errors.push(error);
            }
        }
    }

    /// Joins a stored group, a newer one, into this one; see `functions::Aggregate::merge`.
    pub(crate) fn merge(&mut self, newer: &[u8]) -> Result<(), TaskError> {
        let mut other = Vec::new();
        codec::row_into(newer, &mut other)?;
        if other.len() != self.group.len() {
            return Err(codec::damaged("aggregate has another number of columns"));
        }
        let carried = self.carried.len();
        let (_, states) = self.group.split_at_mut(carried);
        for ((function, state), other) in self.functions.iter().zip(states).zip(&other[carried..]) {
            match function.code.merge(state, other) {
                Ok(merged) => *state = merged,
                Err(error) => self.errors.push(error),
            }
        }
        Ok(())
    }

    /// Computes the result of the group.
    pub(crate) fn finish(&mut self) -> &[Value] {
        finish(&self.functions, self.carried.len(), &self.group, &mut self.result, &mut self.errors);
        &self.result
    }

    /// Computes the result of the group as it is before the row, for `old_result`.
    pub(crate) fn finish_old(&mut self) {
        finish(&self.functions, self.carried.len(), &self.group, &mut self.old_result, &mut self.errors);
    }

    /// The result computed last by `finish`.
    pub(crate) fn result(&self) -> &[Value] {
        &self.result
    }

    /// The result computed last by `finish_old`.
    pub(crate) fn old_result(&self) -> &[Value] {
        &self.old_result
    }

    /// Computes the result of a stored group; returns its time.
    pub(crate) fn finish_stored(&mut self, bytes: &[u8]) -> Result<i64, TaskError> {
        let timestamp = self.load(bytes)?;
        self.finish();
        Ok(timestamp)
    }

    /// Reports what went wrong since the last report.
    pub(crate) fn report(&mut self, change: &Change<'_>, down: &mut Downstream<'_, '_>) {
        for error in self.errors.drain(..) {
            down.lost(crate::change::ErrorReason::Expression, STEP, &error.0, change);
        }
    }
}

fn finish(
    functions: &[Function],
    carried: usize,
    group: &[Value],
    result: &mut Vec<Value>,
    errors: &mut Vec<EvalError>,
) {
    let (columns, states) = group.split_at(carried);
    result.clear();
    result.extend_from_slice(columns);
    for (function, state) in functions.iter().zip(states) {
        result.push(function.code.finish(state).unwrap_or_else(|error| {
            errors.push(error);
            Value::Null
        }));
    }
}
