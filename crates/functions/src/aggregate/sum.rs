//! SUM: of the numbers that are not NULL. State: the argument's type.
//!
//! As Java's, whole numbers wrap around beyond their type; a DECIMAL beyond its digits is an error.

use types::{DataType, Decimal, DecimalError, EvalError, Value};

use super::state::{call, first, wrong_state};
use crate::function::AggregateFunction;
use crate::registry::Aggregate;

pub(super) fn functions() -> Vec<AggregateFunction> {
    vec![["INT", "BIGINT", "DOUBLE", "DECIMAL"].iter().fold(
        AggregateFunction::new("SUM", "AGGREGATE", "Sums the numbers."),
        |function, number| {
            function.overload(&format!("({number}) → {number}"), |resolved, _| {
                let number = resolved.returns.clone();
                Ok(call(resolved, number.clone(), number.clone(), Sum { number }))
            })
        },
    )]
}

/// Sums numbers of one type.
pub(super) struct Sum {
    pub(super) number: DataType,
}

impl Sum {
    /// Adds or takes away in place; NULL changes nothing.
    pub(super) fn change(&self, sum: &mut Value, number: &Value, is_undo: bool) -> Result<(), EvalError> {
        match (sum, number) {
            (_, Value::Null) => {}
            (Value::Int(sum), Value::Int(v)) => {
                *sum = if is_undo { sum.wrapping_sub(*v) } else { sum.wrapping_add(*v) };
            }
            (Value::BigInt(sum), Value::BigInt(v)) => {
                *sum = if is_undo { sum.wrapping_sub(*v) } else { sum.wrapping_add(*v) };
            }
            (Value::Double(sum), Value::Double(v)) => *sum += if is_undo { -v } else { *v },
            (Value::Decimal(sum), Value::Decimal(v)) => {
                *sum = self.decimal(*sum, *v, is_undo).map_err(|error| EvalError::new(error.to_string()))?;
            }
            _ => return Err(wrong_state()),
        }
        Ok(())
    }

    fn decimal(&self, sum: Decimal, v: Decimal, is_undo: bool) -> Result<Decimal, DecimalError> {
        let (precision, scale) = match self.number {
            DataType::Decimal { precision, scale } => (precision, scale),
            _ => (38, sum.scale()),
        };
        if is_undo { sum.sub(v, precision, scale) } else { sum.add(v, precision, scale) }
    }
}

impl Aggregate for Sum {
    fn initial(&self) -> Value {
        match self.number {
            DataType::Int => Value::Int(0),
            DataType::BigInt => Value::BigInt(0),
            DataType::Decimal { scale, .. } => Value::Decimal(Decimal::new(0, scale)),
            _ => Value::Double(0.0),
        }
    }

    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        self.change(state, first(args), false)
    }

    fn undo(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        self.change(state, first(args), true)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
        let mut sum = left.clone();
        self.change(&mut sum, right, false)?;
        Ok(sum)
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
    use types::{DataType, Decimal, Value};

    use crate::testing::{NULL, aggregate, results, rows, value};

    #[test]
    fn numbers_are_summed_and_nulls_left_out() {
        let call = aggregate("SUM", &[DataType::Int], &[]);
        assert_eq!(
            results(&call, &rows([value(1), NULL, value(i32::MAX)])),
            [1, 1, i32::MIN].map(Value::Int)
        );
        let call = aggregate("SUM", &[DataType::Double], &[]);
        assert_eq!(results(&call, &rows([5.4, 100.1])), [5.4, 105.5].map(Value::Double));
    }

    #[test]
    fn decimal_beyond_its_digits_is_an_error() {
        let call = aggregate("SUM", &[DataType::Decimal { precision: 4, scale: 1 }], &[]);
        let mut state = call.code.initial();
        call.code.add(&mut state, &[Value::Decimal(Decimal::new(9000, 1))]).unwrap();
        assert!(call.code.add(&mut state, &[Value::Decimal(Decimal::new(1000, 1))]).is_err());
        assert_eq!(state, Value::Decimal(Decimal::new(9000, 1)));
    }

    #[test]
    fn row_is_taken_out_and_states_are_merged() {
        let call = aggregate("SUM", &[DataType::BigInt], &[]);
        let mut state = Value::BigInt(5);
        call.code.undo(&mut state, &[Value::BigInt(2)]).unwrap();
        assert_eq!(call.code.merge(&state, &Value::BigInt(4)), Ok(Value::BigInt(7)));
    }
}
