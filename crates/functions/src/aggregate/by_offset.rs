//! EARLIEST_BY_OFFSET and LATEST_BY_OFFSET: the first or last values in the order of their arrival.
//!
//! State: STRUCT<SEQ BIGINT, VAL T>, or an ARRAY of those, oldest first. The sequence number is that of the row; it
//! tells the order when two session windows are merged: theirs can be interleaved.

use types::{DataType, EvalError, Value};

use super::state::{call, first, items, items_mut, wrong_state};
use crate::function::AggregateFunction;
use crate::registry::{Aggregate, AggregateCall, FunctionError};
use crate::signature::Resolved;

/// The greatest number of values kept.
const ITEMS_MAX: i64 = 10_000;

pub(super) fn functions() -> Vec<AggregateFunction> {
    vec![
        function("EARLIEST_BY_OFFSET", "Returns the first value, or the first n values.", false),
        function("LATEST_BY_OFFSET", "Returns the last value, or the last n values.", true),
    ]
}

fn function(name: &'static str, description: &'static str, is_latest: bool) -> AggregateFunction {
    AggregateFunction::new(name, "AGGREGATE", description)
        .overload("(T) → T", move |resolved, _| one(resolved, is_latest))
        .overload("(T, BOOLEAN literal) → T", move |resolved, _| one(resolved, is_latest))
        .overload("(T, INT literal) → ARRAY<T>", move |resolved, _| many(resolved, is_latest))
        .overload("(T, INT literal, BOOLEAN literal) → ARRAY<T>", move |resolved, _| {
            many(resolved, is_latest)
        })
}

fn entry_type(value: DataType) -> DataType {
    DataType::structure([("SEQ", DataType::BigInt), ("VAL", value)])
}

fn one(resolved: &Resolved, is_latest: bool) -> Result<AggregateCall, FunctionError> {
    let value = resolved.returns.clone();
    let ignores_nulls = resolved.literal(1).and_then(Value::as_bool).unwrap_or(true);
    let code = One { is_latest, ignores_nulls };
    Ok(call(resolved, entry_type(value.clone()), value, code))
}

fn many(resolved: &Resolved, is_latest: bool) -> Result<AggregateCall, FunctionError> {
    let n = resolved.literal(1).and_then(Value::as_i64).unwrap_or(0);
    if !(1..=ITEMS_MAX).contains(&n) {
        return Err(FunctionError::Invalid(format!(
            "number of values must be from 1 to {ITEMS_MAX}, was {n}"
        )));
    }
    let ignores_nulls = resolved.literal(2).and_then(Value::as_bool).unwrap_or(true);
    let value = resolved.row_params().pop().unwrap_or(DataType::String);
    let code = Many { n: n as usize, is_latest, ignores_nulls };
    Ok(call(resolved, DataType::array(entry_type(value)), resolved.returns.clone(), code))
}

/// A value with the number of its row; states that are never merged do without.
fn numbered(args: &[Value]) -> Value {
    let sequence = args.get(1).and_then(Value::as_i64).unwrap_or(0);
    Value::structure(vec![Value::BigInt(sequence), first(args).clone()])
}

fn entry(entry: &Value) -> Result<(i64, &Value), EvalError> {
    match entry {
        Value::Struct(fields) if fields.len() == 2 => Ok((fields[0].as_i64().unwrap_or(0), &fields[1])),
        _ => Err(wrong_state()),
    }
}

struct One {
    is_latest: bool,
    ignores_nulls: bool,
}

impl Aggregate for One {
    fn initial(&self) -> Value {
        Value::Null
    }

    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        let value = first(args);
        if (self.is_latest || state.is_null()) && !(self.ignores_nulls && value.is_null()) {
            *state = numbered(args);
        }
        Ok(())
    }

    fn wants_arrival(&self) -> bool {
        true
    }

    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
        let is_left = match (left, right) {
            (Value::Null, _) => false,
            (_, Value::Null) => true,
            _ => (entry(left)?.0 > entry(right)?.0) == self.is_latest,
        };
        Ok(if is_left { left } else { right }.clone())
    }

    fn finish(&self, state: &Value) -> Result<Value, EvalError> {
        if state.is_null() { Ok(Value::Null) } else { Ok(entry(state)?.1.clone()) }
    }
}

struct Many {
    n: usize,
    is_latest: bool,
    ignores_nulls: bool,
}

impl Aggregate for Many {
    fn initial(&self) -> Value {
        Value::array(Vec::new())
    }

    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        let value = first(args);
        let is_full = items(state)?.len() >= self.n;
        if self.ignores_nulls && value.is_null() || is_full && !self.is_latest {
            return Ok(());
        }
        let items = items_mut(state)?;
        if is_full {
            items.remove(0);
        }
        items.push(numbered(args));
        Ok(())
    }

    fn wants_arrival(&self) -> bool {
        true
    }

    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
        let mut merged = [items(left)?, items(right)?].concat();
        merged.sort_by_key(|item| entry(item).map_or(0, |(sequence, _)| sequence));
        if self.is_latest {
            merged.drain(..merged.len().saturating_sub(self.n));
        } else {
            merged.truncate(self.n);
        }
        Ok(Value::array(merged))
    }

    fn finish(&self, state: &Value) -> Result<Value, EvalError> {
        let values = items(state)?.iter().map(|item| Ok(entry(item)?.1.clone()));
        Ok(Value::array(values.collect::<Result<_, EvalError>>()?))
    }
}

#[cfg(test)]
mod tests {
    use types::{DataType, Value};

    use crate::testing::{NULL, aggregate, list, results, rows, value};

    fn check(name: &str, literals: &[Value], expect: [Value; 4]) {
        let call = aggregate(name, &[DataType::Int], literals);
        let values = rows([NULL, value(1), NULL, value(2)]);
        assert_eq!(results(&call, &values), expect, "{name}({literals:?})");
    }

    #[test]
    fn nulls_are_left_out_unless_asked_for() {
        check("EARLIEST_BY_OFFSET", &[], [NULL, value(1), value(1), value(1)]);
        check("EARLIEST_BY_OFFSET", &[value(false)], [NULL, NULL, NULL, NULL]);
        check("LATEST_BY_OFFSET", &[], [NULL, value(1), value(1), value(2)]);
        check("LATEST_BY_OFFSET", &[value(false)], [NULL, value(1), NULL, value(2)]);
    }

    #[test]
    fn several_values_come_oldest_first() {
        check("EARLIEST_BY_OFFSET", &[value(2)], [list([0i32; 0]), list([1]), list([1]), list([1, 2])]);
        let first_two = list([NULL, value(1)]);
        check(
            "EARLIEST_BY_OFFSET",
            &[value(2), value(false)],
            [list([NULL]), first_two.clone(), first_two.clone(), first_two.clone()],
        );
        check(
            "LATEST_BY_OFFSET",
            &[value(2), value(false)],
            [list([NULL]), first_two, list([value(1), NULL]), list([NULL, value(2)])],
        );
    }

    #[test]
    fn merged_sessions_keep_the_order_of_arrival() {
        for (name, n, expect) in [
            ("EARLIEST_BY_OFFSET", None, value(1)),
            ("LATEST_BY_OFFSET", None, value(4)),
            ("EARLIEST_BY_OFFSET", Some(3), list([1, 2, 3])),
            ("LATEST_BY_OFFSET", Some(3), list([2, 3, 4])),
        ] {
            let literals: Vec<_> = n.into_iter().map(value).collect();
            let call = aggregate(name, &[DataType::Int], &literals);
            let mut states = [call.code.initial(), call.code.initial()];
            for (at, number) in [(1, 1), (0, 2), (0, 3), (1, 4)] {
                call.code.add(&mut states[at], &[value(number), value(100 + i64::from(number))]).unwrap();
            }
            let merged = call.code.merge(&states[0], &states[1]).unwrap();
            assert_eq!(call.code.finish(&merged), Ok(expect), "{name}");
            let merged = call.code.merge(&call.code.initial(), &states[1]).unwrap();
            assert_eq!(merged, states[1]);
        }
    }
}
