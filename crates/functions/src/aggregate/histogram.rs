//! HISTOGRAM: how often each text came. State: MAP<STRING, BIGINT>.

use std::sync::Arc;

use types::{EvalError, Map, Value};

use super::state::{call, first, wrong_state};
use crate::function::AggregateFunction;
use crate::registry::Aggregate;

/// Texts beyond so many different ones are not counted, as in ksqlDB.
const KEYS_MAX: usize = 1000;

pub(super) fn functions() -> Vec<AggregateFunction> {
    vec![
        AggregateFunction::new("HISTOGRAM", "AGGREGATE", "Counts how often each of up to 1000 texts came.")
            .overload("(STRING) → MAP<STRING, BIGINT>", |resolved, _| {
                let map = resolved.returns.clone();
                Ok(call(resolved, map.clone(), map, Histogram))
            }),
    ]
}

struct Histogram;

fn counts_mut(state: &mut Value) -> Result<&mut Map, EvalError> {
    match state {
        Value::Map(counts) => Ok(Arc::make_mut(counts)),
        _ => Err(wrong_state()),
    }
}

/// A count that falls to 0 goes.
fn change(counts: &mut Map, key: &Value, by: i64) {
    if key.is_null() {
        return;
    }
    let is_full = counts.len() >= KEYS_MAX;
    match counts.get_mut(key) {
        Some(Value::BigInt(count)) => {
            *count += by;
            if *count <= 0 {
                counts.remove(key);
            }
        }
        _ if by > 0 && !is_full => {
            counts.insert(key.clone(), Value::BigInt(by));
        }
        _ => {}
    }
}

impl Aggregate for Histogram {
    fn initial(&self) -> Value {
        Value::map([])
    }

    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        change(counts_mut(state)?, first(args), 1);
        Ok(())
    }

    fn undo(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        change(counts_mut(state)?, first(args), -1);
        Ok(())
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
        let mut merged = left.clone();
        let Value::Map(right) = right else { return Err(wrong_state()) };
        let counts = counts_mut(&mut merged)?;
        for (key, count) in right.iter() {
            change(counts, key, count.as_i64().unwrap_or(0));
        }
        Ok(merged)
    }

    fn finish(&self, state: &Value) -> Result<Value, EvalError> {
        Ok(state.clone())
    }
}

#[cfg(test)]
mod tests {
    use types::{DataType, Value};

    use super::KEYS_MAX;
    use crate::testing::{NULL, aggregate, map, rows, state_after, value};

    #[test]
    fn texts_are_counted() {
        let call = aggregate("HISTOGRAM", &[DataType::String], &[]);
        let mut state = state_after(&call, &rows([value("a"), value("b"), value("a"), NULL]));
        assert_eq!(state, map([("a", value(2i64)), ("b", value(1i64))]));
        call.code.undo(&mut state, &[value("b")]).unwrap();
        assert_eq!(state, map([("a", value(2i64))]));
        assert_eq!(call.code.merge(&state, &state), Ok(map([("a", value(4i64))])));
    }

    #[test]
    fn keys_are_bounded() {
        let call = aggregate("HISTOGRAM", &[DataType::String], &[]);
        let texts: Vec<_> = (0..KEYS_MAX + 5).map(|i| vec![Value::text(i.to_string())]).collect();
        let Value::Map(counts) = state_after(&call, &texts) else { panic!() };
        assert_eq!(counts.len(), KEYS_MAX);
    }
}
