//! MIN and MAX of the values that are not NULL. State: the argument's type, NULL before the first.

use std::cmp::Ordering;

use types::{EvalError, Value, order};

use super::state::{call, first};
use crate::function::AggregateFunction;
use crate::registry::Aggregate;

const TYPES: [&str; 9] =
    ["INT", "BIGINT", "DOUBLE", "DECIMAL", "DATE", "TIME", "TIMESTAMP", "STRING", "BYTES"];

pub(super) fn functions() -> Vec<AggregateFunction> {
    vec![
        extreme("MAX", "Returns the greatest value.", Ordering::Greater),
        extreme("MIN", "Returns the least value.", Ordering::Less),
    ]
}

fn extreme(name: &'static str, description: &'static str, wanted: Ordering) -> AggregateFunction {
    TYPES.iter().fold(AggregateFunction::new(name, "AGGREGATE", description), |function, data_type| {
        function.overload(&format!("({data_type}) → {data_type}"), move |resolved, _| {
            let returns = resolved.returns.clone();
            Ok(call(resolved, returns.clone(), returns, Extreme { wanted }))
        })
    })
}

struct Extreme {
    wanted: Ordering,
}

impl Extreme {
    fn take(&self, state: &mut Value, value: &Value) {
        if !value.is_null() && (state.is_null() || order(value, state) == Some(self.wanted)) {
            state.clone_from(value);
        }
    }
}

impl Aggregate for Extreme {
    fn initial(&self) -> Value {
        Value::Null
    }

    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        self.take(state, first(args));
        Ok(())
    }

    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
        let mut extreme = left.clone();
        self.take(&mut extreme, right);
        Ok(extreme)
    }

    fn finish(&self, state: &Value) -> Result<Value, EvalError> {
        Ok(state.clone())
    }
}

#[cfg(test)]
mod tests {
    use types::DataType;

    use crate::testing::{NULL, aggregate, results, rows, value};

    #[test]
    fn extreme_follows_the_rows() {
        let numbers = rows([NULL, value(2), value(1), value(3)]);
        let max = aggregate("MAX", &[DataType::Int], &[]);
        assert_eq!(results(&max, &numbers), [NULL, value(2), value(2), value(3)]);
        let min = aggregate("MIN", &[DataType::Int], &[]);
        assert_eq!(results(&min, &numbers), [NULL, value(2), value(1), value(1)]);
        assert_eq!(min.code.merge(&NULL, &value(4)), Ok(value(4)));
        assert!(!min.code.can_undo());
    }
}
