//! CORRELATION: Pearson's coefficient of two columns.
//!
//! State: STRUCT<COUNT, X, Y, XX, YY, XY>, sums over the rows where neither column is NULL.

use types::{DataType, EvalError, Value};

use super::state::{call, doubles, doubles_type, set_doubles};
use crate::function::AggregateFunction;
use crate::registry::Aggregate;

pub(super) fn functions() -> Vec<AggregateFunction> {
    vec![["DOUBLE", "INT", "BIGINT"].iter().fold(
        AggregateFunction::new("CORRELATION", "AGGREGATE", "Returns Pearson's correlation coefficient."),
        |function, number| {
            function.overload(&format!("({number}, {number}) → DOUBLE"), |resolved, _| {
                let state = doubles_type(&["COUNT", "X", "Y", "XX", "YY", "XY"]);
                Ok(call(resolved, state, DataType::Double, Correlation))
            })
        },
    )]
}

struct Correlation;

fn change(state: &mut Value, args: &[Value], sign: f64) -> Result<(), EvalError> {
    let [x, y] = args else { return Ok(()) };
    let (Some(x), Some(y)) = (x.as_f64(), y.as_f64()) else { return Ok(()) };
    let sums: [f64; 6] = doubles(state)?;
    let row = [1.0, x, y, x * x, y * y, x * y];
    set_doubles(state, std::array::from_fn::<_, 6, _>(|at| sums[at] + sign * row[at]))
}

impl Aggregate for Correlation {
    fn initial(&self) -> Value {
        Value::structure(vec![Value::Double(0.0); 6])
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
        let (left, right): ([f64; 6], [f64; 6]) = (doubles(left)?, doubles(right)?);
        Ok(Value::structure(left.iter().zip(right).map(|(l, r)| Value::Double(l + r)).collect()))
    }

    /// NaN where a column does not vary.
    fn finish(&self, state: &Value) -> Result<Value, EvalError> {
        let [n, x, y, xx, yy, xy] = doubles(state)?;
        Ok(Value::Double((n * xy - x * y) / ((n * xx - x * x) * (n * yy - y * y)).sqrt()))
    }
}

#[cfg(test)]
mod tests {
    use types::{DataType, Value};

    use crate::testing::{NULL, aggregate, results, state_after, value};

    #[test]
    fn coefficient_follows_the_rows() {
        let call = aggregate("CORRELATION", &[DataType::Double, DataType::Double], &[]);
        let pairs = [[1.5, 8.0], [-1.0, -2.0], [-4.5, -1.0]].map(|pair| pair.map(value).to_vec());
        let coefficients = results(&call, &pairs);
        assert!(coefficients[0].as_f64().unwrap().is_nan());
        assert_eq!(coefficients[1..], [1.0, 0.7580764521133173].map(Value::Double));
        let mut state = state_after(&call, &pairs);
        call.code.add(&mut state, &[NULL, value(1.0)]).unwrap();
        call.code.undo(&mut state, &pairs[2]).unwrap();
        assert_eq!(call.code.finish(&state), Ok(Value::Double(1.0)));
    }
}
