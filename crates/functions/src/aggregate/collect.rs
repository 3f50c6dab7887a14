//! COLLECT_LIST and COLLECT_SET: the values, NULLs too, up to a limit. State: ARRAY<T>.

use types::{DataType, EvalError, Value};

use super::state::{call, first, items, items_mut};
use crate::function::AggregateFunction;
use crate::registry::Aggregate;

pub(super) fn functions() -> Vec<AggregateFunction> {
    vec![
        AggregateFunction::new("COLLECT_LIST", "AGGREGATE", "Collects the values, up to a limit.").overload(
            "(T) → ARRAY<T>",
            |resolved, limits| {
                let array: DataType = resolved.returns.clone();
                let code = Collect { items_max: limits.collect_list, is_set: false };
                Ok(call(resolved, array.clone(), array, code))
            },
        ),
        AggregateFunction::new("COLLECT_SET", "AGGREGATE", "Collects the different values, up to a limit.")
            .overload("(T) → ARRAY<T>", |resolved, limits| {
                let array: DataType = resolved.returns.clone();
                let code = Collect { items_max: limits.collect_set, is_set: true };
                Ok(call(resolved, array.clone(), array, code))
            }),
    ]
}

struct Collect {
    items_max: usize,
    is_set: bool,
}

impl Collect {
    /// Values beyond the limit are dropped in silence, as in ksqlDB.
    fn take(&self, items: &mut Vec<Value>, value: &Value) {
        if items.len() < self.items_max && !(self.is_set && items.contains(value)) {
            items.push(value.clone());
        }
    }
}

impl Aggregate for Collect {
    fn initial(&self) -> Value {
        Value::array(Vec::new())
    }

    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        self.take(items_mut(state)?, first(args));
        Ok(())
    }

    /// The last equal value goes.
    fn undo(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        let items = items_mut(state)?;
        if let Some(at) = items.iter().rposition(|item| item == first(args)) {
            items.remove(at);
        }
        Ok(())
    }

    fn can_undo(&self) -> bool {
        !self.is_set
    }

    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
        let mut merged = items(left)?.to_vec();
        for value in items(right)? {
            self.take(&mut merged, value);
        }
        Ok(Value::array(merged))
    }

    fn finish(&self, state: &Value) -> Result<Value, EvalError> {
        Ok(state.clone())
    }
}

#[cfg(test)]
mod tests {
    use types::DataType;

    use crate::testing::{NULL, aggregate, list, rows, state_after, value};
    use crate::{ArgType, Limits, library};

    #[test]
    fn values_are_collected_with_nulls() {
        let values = rows([value(1), NULL, value(1), value(2)]);
        let call = aggregate("COLLECT_LIST", &[DataType::Int], &[]);
        let mut state = state_after(&call, &values);
        assert_eq!(state, list([value(1), NULL, value(1), value(2)]));
        call.code.undo(&mut state, &[value(1)]).unwrap();
        assert_eq!(state, list([value(1), NULL, value(2)]));
        let call = aggregate("COLLECT_SET", &[DataType::Int], &[]);
        let set = state_after(&call, &values);
        assert_eq!(set, list([value(1), NULL, value(2)]));
        assert_eq!(call.code.merge(&set, &list([2, 3])), Ok(list([value(1), NULL, value(2), value(3)])));
    }

    #[test]
    fn values_beyond_the_limit_are_dropped() {
        let library = library().with_limits(Limits { collect_list: 1, ..Limits::default() });
        let call = library.aggregate("COLLECT_LIST", &[ArgType::Value(DataType::Int, None)]).unwrap();
        assert_eq!(state_after(&call, &rows([1, 2])), list([1]));
    }
}
