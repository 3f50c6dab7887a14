//! SUM_LIST: the items of all the arrays. State: the items' type.

use types::{DataType, EvalError, Value};

use super::state::{call, first};
use super::sum::Sum;
use crate::function::AggregateFunction;
use crate::registry::Aggregate;

pub(super) fn functions() -> Vec<AggregateFunction> {
    vec![["DOUBLE", "INT", "BIGINT"].iter().fold(
        AggregateFunction::new("SUM_LIST", "AGGREGATE", "Sums the items of the arrays."),
        |function, number| {
            function.overload(&format!("(ARRAY<{number}>) → {number}"), |resolved, _| {
                let number: DataType = resolved.returns.clone();
                Ok(call(resolved, number.clone(), number.clone(), SumList(Sum { number })))
            })
        },
    )]
}

struct SumList(Sum);

impl SumList {
    fn change(&self, state: &mut Value, args: &[Value], is_undo: bool) -> Result<(), EvalError> {
        let Value::Array(items) = first(args) else { return Ok(()) };
        items.iter().try_for_each(|item| self.0.change(state, item, is_undo))
    }
}

impl Aggregate for SumList {
    fn initial(&self) -> Value {
        self.0.initial()
    }

    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        self.change(state, args, false)
    }

    fn undo(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        self.change(state, args, true)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
        self.0.merge(left, right)
    }

    fn finish(&self, state: &Value) -> Result<Value, EvalError> {
        Ok(state.clone())
    }
}

#[cfg(test)]
mod tests {
    use types::DataType;

    use crate::testing::{NULL, aggregate, list, results, rows, value};

    #[test]
    fn items_are_summed() {
        let call = aggregate("SUM_LIST", &[DataType::array(DataType::Int)], &[]);
        let arrays = rows([list([1, 2]), NULL, list([value(3), NULL])]);
        assert_eq!(results(&call, &arrays), [3, 3, 6].map(value));
    }
}
