//! AVG: the mean of the numbers that are not NULL. State: STRUCT<SUM DOUBLE, COUNT DOUBLE>.

use types::{DataType, EvalError, Value};

use super::state::{call, doubles, doubles_type, first, set_doubles};
use crate::function::AggregateFunction;
use crate::registry::Aggregate;

pub(super) fn functions() -> Vec<AggregateFunction> {
    vec![["BIGINT", "INT", "DOUBLE"].iter().fold(
        AggregateFunction::new("AVG", "AGGREGATE", "Returns the mean of the numbers."),
        |function, number| {
            function.overload(&format!("({number}) → DOUBLE"), |resolved, _| {
                Ok(call(resolved, doubles_type(&["SUM", "COUNT"]), DataType::Double, Average))
            })
        },
    )]
}

struct Average;

fn change(state: &mut Value, args: &[Value], sign: f64) -> Result<(), EvalError> {
    let Some(number) = first(args).as_f64() else { return Ok(()) };
    let [sum, count] = doubles(state)?;
    set_doubles(state, [sum + sign * number, count + sign])
}

impl Aggregate for Average {
    fn initial(&self) -> Value {
        Value::structure(vec![Value::Double(0.0); 2])
    }

    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        change(state, args, 1.0)
    }

    fn undo(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        change(state, args, -1.0)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
        let ([left_sum, left_count], [right_sum, right_count]) = (doubles(left)?, doubles(right)?);
        let fields = [left_sum + right_sum, left_count + right_count];
        Ok(Value::structure(fields.map(Value::Double).to_vec()))
    }

    /// Without numbers 0, as ksqlDB.
    fn finish(&self, state: &Value) -> Result<Value, EvalError> {
        let [sum, count] = doubles(state)?;
        Ok(Value::Double(if count == 0.0 { 0.0 } else { sum / count }))
    }
}

#[cfg(test)]
mod tests {
    use types::{DataType, Value};

    use crate::testing::{NULL, aggregate, results, rows, state_after, value};

    #[test]
    fn mean_follows_the_rows() {
        let call = aggregate("AVG", &[DataType::Int], &[]);
        assert_eq!(
            results(&call, &rows([NULL, value(1), value(2), NULL])),
            [0.0, 1.0, 1.5, 1.5].map(Value::Double)
        );
        let mut state = state_after(&call, &rows([1, 2, 6]));
        call.code.undo(&mut state, &[value(6)]).unwrap();
        let merged = call.code.merge(&state, &state_after(&call, &rows([9]))).unwrap();
        assert_eq!(call.code.finish(&merged), Ok(Value::Double(4.0)));
    }
}
