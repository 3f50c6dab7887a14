//! STDDEV_SAMP and STDDEV_SAMPLE. State: STRUCT<SUM DOUBLE, COUNT DOUBLE, M2 DOUBLE>.
//!
//! M2 is the sum of squared differences from the mean, kept by the method of Youngs and Cramer.
//! As in ksqlDB, STDDEV_SAMP has no square root: it yields the sample variance.

use types::{DataType, EvalError, Value};

use super::state::{call, doubles, doubles_type, first, set_doubles};
use crate::function::AggregateFunction;
use crate::registry::Aggregate;

pub(super) fn functions() -> Vec<AggregateFunction> {
    let samp = ("STDDEV_SAMP", "Returns the sample variance (no square root is taken).", false);
    let sample = ("STDDEV_SAMPLE", "Returns the sample standard deviation.", true);
    [samp, sample]
        .into_iter()
        .map(|(name, description, has_root)| {
            ["BIGINT", "INT", "DOUBLE"].iter().fold(
                AggregateFunction::new(name, "AGGREGATE", description),
                |function, number| {
                    function.overload(&format!("({number}) → DOUBLE"), move |resolved, _| {
                        let state = doubles_type(&["SUM", "COUNT", "M2"]);
                        Ok(call(resolved, state, DataType::Double, Deviation { has_root }))
                    })
                },
            )
        })
        .collect()
}

struct Deviation {
    has_root: bool,
}

impl Aggregate for Deviation {
    fn initial(&self) -> Value {
        Value::structure(vec![Value::Double(0.0); 3])
    }

    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        let Some(number) = first(args).as_f64() else { return Ok(()) };
        let [sum, count, m2] = doubles(state)?;
        let (sum, count) = (sum + number, count + 1.0);
        let added = if count > 1.0 { (count * number - sum).powi(2) / (count * (count - 1.0)) } else { 0.0 };
        set_doubles(state, [sum, count, m2 + added])
    }

    fn undo(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        let Some(number) = first(args).as_f64() else { return Ok(()) };
        let [sum, count, m2] = doubles(state)?;
        let removed = if count > 1.0 { (count * number - sum).powi(2) / (count * (count - 1.0)) } else { m2 };
        set_doubles(state, [sum - number, count - 1.0, m2 - removed])
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
        let ([sum1, count1, m1], [sum2, count2, m2]) = (doubles(left)?, doubles(right)?);
        let between = if count1 == 0.0 || count2 == 0.0 {
            0.0
        } else {
            (count2 / count1 * sum1 - sum2).powi(2) * count1 / (count2 * (count1 + count2))
        };
        let fields = [sum1 + sum2, count1 + count2, m1 + m2 + between];
        Ok(Value::structure(fields.map(Value::Double).to_vec()))
    }

    /// With fewer than two numbers 0, as ksqlDB.
    fn finish(&self, state: &Value) -> Result<Value, EvalError> {
        let [_, count, m2] = doubles(state)?;
        let variance = if count < 2.0 { 0.0 } else { m2 / (count - 1.0) };
        Ok(Value::Double(if self.has_root { variance.sqrt() } else { variance }))
    }
}

#[cfg(test)]
mod tests {
    use types::{DataType, Value};

    use crate::testing::{NULL, aggregate, results, rows, state_after, value};

    #[test]
    fn variance_and_deviation_follow_the_rows() {
        let numbers = rows([value(10.0), value(12.0), NULL, value(13.0)]);
        let variance = aggregate("STDDEV_SAMP", &[DataType::Double], &[]);
        let expect = [0.0, 2.0, 2.0, 2.333333333333333].map(Value::Double);
        assert_eq!(results(&variance, &numbers), expect);
        let deviation = aggregate("STDDEV_SAMPLE", &[DataType::Double], &[]);
        assert_eq!(results(&deviation, &numbers)[1], Value::Double(std::f64::consts::SQRT_2));
    }

    #[test]
    fn merged_and_undone_states_agree_with_all_rows() {
        let call = aggregate("STDDEV_SAMP", &[DataType::Int], &[]);
        let (left, mut right) = (state_after(&call, &rows([1, 5])), state_after(&call, &rows([7, 9, 100])));
        call.code.undo(&mut right, &[value(100)]).unwrap();
        let merged = call.code.finish(&call.code.merge(&left, &right).unwrap()).unwrap();
        let whole = call.code.finish(&state_after(&call, &rows([1, 5, 7, 9]))).unwrap();
        assert!((merged.as_f64().unwrap() - whole.as_f64().unwrap()).abs() < 1e-9);
    }
}
