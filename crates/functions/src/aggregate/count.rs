//! COUNT: the rows whose argument is not NULL; without argument, all rows. State: BIGINT.

use types::{DataType, EvalError, Value};

use super::state::{call, wrong_state};
use crate::function::AggregateFunction;
use crate::registry::Aggregate;

pub(super) fn functions() -> Vec<AggregateFunction> {
    vec![
        AggregateFunction::new("COUNT", "AGGREGATE", "Counts the rows whose argument is not NULL.")
            .overload("() → BIGINT", |resolved, _| {
                Ok(call(resolved, DataType::BigInt, DataType::BigInt, Count))
            })
            .overload("(T) → BIGINT", |resolved, _| {
                Ok(call(resolved, DataType::BigInt, DataType::BigInt, Count))
            }),
    ]
}

struct Count;

fn change(state: &mut Value, args: &[Value], by: i64) -> Result<(), EvalError> {
    let Value::BigInt(count) = state else { return Err(wrong_state()) };
    if !args.first().is_some_and(Value::is_null) {
        *count = count.wrapping_add(by);
    }
    Ok(())
}

impl Aggregate for Count {
    fn initial(&self) -> Value {
        Value::BigInt(0)
    }

    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        change(state, args, 1)
    }

    fn undo(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        change(state, args, -1)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
        match (left, right) {
            (Value::BigInt(left), Value::BigInt(right)) => Ok(Value::BigInt(left.wrapping_add(*right))),
            _ => Err(wrong_state()),
        }
    }

    fn finish(&self, state: &Value) -> Result<Value, EvalError> {
        Ok(state.clone())
    }

    fn result_is_state(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use types::{DataType, Value};

    use crate::testing::{NULL, aggregate, results, rows, state_after, value};

    #[test]
    fn rows_that_are_not_null_are_counted() {
        let call = aggregate("COUNT", &[DataType::Int], &[]);
        let counts = results(&call, &rows([value(1), NULL, value(2)]));
        assert_eq!(counts, [1i64, 1, 2].map(Value::BigInt));
        let mut state = Value::BigInt(2);
        call.code.undo(&mut state, &[value(1)]).unwrap();
        call.code.undo(&mut state, &[NULL]).unwrap();
        assert_eq!(call.code.merge(&state, &Value::BigInt(5)), Ok(Value::BigInt(6)));
    }

    #[test]
    fn without_argument_all_rows_are_counted() {
        let call = aggregate("COUNT", &[], &[]);
        assert_eq!(state_after(&call, &[vec![], vec![]]), Value::BigInt(2));
        assert_eq!(aggregate("COUNT", &[], &[Value::BigInt(1)]).params, [DataType::BigInt]);
    }
}
