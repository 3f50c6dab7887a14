//! ATTR: the value all rows have, NULL if they differ.
//!
//! State: ARRAY<STRUCT<VAL T, COUNT BIGINT>>, the different values (NULL is one) and how often each came.

use types::{DataType, EvalError, Value};

use super::state::{call, fields_mut, first, items, items_mut, wrong_state};
use crate::function::AggregateFunction;
use crate::registry::Aggregate;

/// Different values a group may have before it is an error.
const VALUES_MAX: usize = 1000;

pub(super) fn functions() -> Vec<AggregateFunction> {
    vec![
        AggregateFunction::new(
            "ATTR",
            "AGGREGATE",
            "Returns the value that all rows have, NULL if they differ.",
        )
        .overload("(T) → T", |resolved, _| {
            let value = resolved.returns.clone();
            let entry = DataType::structure([("VAL", value.clone()), ("COUNT", DataType::BigInt)]);
            Ok(call(resolved, DataType::array(entry), value, Attr))
        }),
    ]
}

struct Attr;

fn entry(entry: &Value) -> Result<(&Value, i64), EvalError> {
    match entry {
        Value::Struct(fields) if fields.len() == 2 => Ok((&fields[0], fields[1].as_i64().unwrap_or(0))),
        _ => Err(wrong_state()),
    }
}

fn change(entries: &mut Vec<Value>, value: &Value, by: i64) -> Result<(), EvalError> {
    let mut found = None;
    for (at, known) in entries.iter().enumerate() {
        let (known, count) = entry(known)?;
        if known == value {
            found = Some((at, count + by));
        }
    }
    match found {
        Some((at, 1..)) => {
            fields_mut(&mut entries[at])?[1] = Value::BigInt(found.map_or(0, |(_, count)| count))
        }
        Some((at, _)) => {
            entries.remove(at);
        }
        None if by <= 0 => {}
        None if entries.len() >= VALUES_MAX => {
            return Err(EvalError::new(format!("group of ATTR has more than {VALUES_MAX} different values")));
        }
        None => entries.push(Value::structure(vec![value.clone(), Value::BigInt(by)])),
    }
    Ok(())
}

impl Aggregate for Attr {
    fn initial(&self) -> Value {
        Value::array(Vec::new())
    }

    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        change(items_mut(state)?, first(args), 1)
    }

    fn undo(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        change(items_mut(state)?, first(args), -1)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
        let mut merged = items(left)?.to_vec();
        for known in items(right)? {
            let (value, count) = entry(known)?;
            change(&mut merged, value, count)?;
        }
        Ok(Value::array(merged))
    }

    fn finish(&self, state: &Value) -> Result<Value, EvalError> {
        match items(state)? {
            [only] => Ok(entry(only)?.0.clone()),
            _ => Ok(Value::Null),
        }
    }
}

#[cfg(test)]
mod tests {
    use types::DataType;

    use crate::testing::{NULL, aggregate, results, rows, state_after, value};

    #[test]
    fn value_is_told_while_all_rows_agree() {
        let call = aggregate("ATTR", &[DataType::String], &[]);
        let values = rows([value("a"), value("a"), NULL, value("b")]);
        assert_eq!(results(&call, &values), [value("a"), value("a"), NULL, NULL]);
        let mut state = state_after(&call, &values);
        call.code.undo(&mut state, &[NULL]).unwrap();
        call.code.undo(&mut state, &[value("b")]).unwrap();
        assert_eq!(call.code.finish(&state), Ok(value("a")));
        let merged = call.code.merge(&state, &state).unwrap();
        assert_eq!(call.code.finish(&merged), Ok(value("a")));
    }
}
