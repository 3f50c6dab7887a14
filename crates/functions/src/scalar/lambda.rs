//! FILTER, REDUCE and TRANSFORM: arrays and maps with a lambda for their items.

use types::{EvalError, Map, Value};

use crate::adapter::lift;
use crate::function::Scalar;
use crate::registry::Lambda;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("FILTER", "LAMBDA", "Keeps the items for which the lambda is true.")
            .overload(
                "(ARRAY<T>, LAMBDA(T)=>BOOLEAN) → ARRAY<T>",
                lift!(|items: &[Value], keeps: Lambda<'_>| filter_array(items, keeps)),
            )
            .overload(
                "(MAP<K, V>, LAMBDA(K, V)=>BOOLEAN) → MAP<K, V>",
                lift!(|map: &Map, keeps: Lambda<'_>| filter_map(map, keeps)),
            ),
        Scalar::new("REDUCE", "LAMBDA", "Folds the items into one value, from a start value on.")
            .overload(
                "(ARRAY<T>, S, LAMBDA(S, T)=>S) → S",
                lift!(|items: Option<&[Value]>, start: &Value, step: Lambda<'_>| {
                    let mut items = items.unwrap_or_default().iter();
                    items.try_fold(start.clone(), |state, item| step(&[state, item.clone()]))
                }),
            )
            .overload(
                "(MAP<K, V>, S, LAMBDA(S, K, V)=>S) → S",
                lift!(|map: Option<&Map>, start: &Value, step: Lambda<'_>| {
                    let mut entries = map.into_iter().flatten();
                    entries.try_fold(start.clone(), |state, (key, value)| {
                        step(&[state, key.clone(), value.clone()])
                    })
                }),
            ),
        Scalar::new("TRANSFORM", "LAMBDA", "Replaces every item by the lambda's result.")
            .overload(
                "(ARRAY<T>, LAMBDA(T)=>R) → ARRAY<R>",
                lift!(|items: &[Value], change: Lambda<'_>| {
                    items.iter().map(|item| change(std::slice::from_ref(item))).collect::<Result<Vec<_>, _>>()
                }),
            )
            .overload(
                "(MAP<K, V>, LAMBDA(K, V)=>R, LAMBDA(K, V)=>T) → MAP<R, T>",
                lift!(|map: &Map, key: Lambda<'_>, value: Lambda<'_>| transform_map(map, key, value)),
            ),
    ]
}

fn filter_array(items: &[Value], keeps: Lambda<'_>) -> Result<Vec<Value>, EvalError> {
    let mut kept = Vec::new();
    for item in items {
        if keeps(std::slice::from_ref(item))?.as_bool() == Some(true) {
            kept.push(item.clone());
        }
    }
    Ok(kept)
}

fn filter_map(map: &Map, keeps: Lambda<'_>) -> Result<Map, EvalError> {
    let mut kept = Map::new();
    for (key, value) in map {
        if keeps(&[key.clone(), value.clone()])?.as_bool() == Some(true) {
            kept.insert(key.clone(), value.clone());
        }
    }
    Ok(kept)
}

fn transform_map(map: &Map, new_key: Lambda<'_>, new_value: Lambda<'_>) -> Result<Map, EvalError> {
    let mut changed = Map::new();
    for (key, value) in map {
        let entry = [key.clone(), value.clone()];
        if changed.insert(new_key(&entry)?, new_value(&entry)?).is_some() {
            return Err(EvalError::new("TRANSFORM gave the same key to two entries"));
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use types::{DataType, EvalError, Value};

    use crate::testing::{NULL, call_lambda, list, map, value};

    fn sum(args: &[Value]) -> Result<Value, EvalError> {
        Ok(Value::Int(args.iter().filter_map(Value::as_i64).sum::<i64>() as i32))
    }

    fn is_big(args: &[Value]) -> Result<Value, EvalError> {
        Ok(args.last().and_then(Value::as_i64).map_or(NULL, |v| Value::Boolean(v > 1)))
    }

    #[test]
    fn items_are_kept_where_the_lambda_is_true() {
        let keeps = [(1, DataType::Boolean, &is_big as _)];
        let items = list([value(1), NULL, value(2)]);
        assert_eq!(call_lambda("FILTER", &[items], &keeps), Ok(list([2])));
        let keeps = [(2, DataType::Boolean, &is_big as _)];
        let entries = map([("a", value(1)), ("b", value(2))]);
        assert_eq!(call_lambda("FILTER", &[entries], &keeps), Ok(map([("b", value(2))])));
    }

    #[test]
    fn items_are_folded() {
        let step = [(2, DataType::Int, &sum as _)];
        assert_eq!(call_lambda("REDUCE", &[list([1, 2]), value(10)], &step), Ok(value(13)));
        let step = [(3, DataType::Int, &sum as _)];
        let entries = map([("a", value(1)), ("b", value(2))]);
        assert_eq!(call_lambda("REDUCE", &[entries, value(0)], &step), Ok(value(3)));
    }

    #[test]
    fn items_are_changed_and_errors_pass() {
        let change = [(1, DataType::Int, &sum as _)];
        assert_eq!(call_lambda("TRANSFORM", &[list([1, 2])], &change), Ok(list([1, 2])));
        let entries = map([("a", value(1)), ("b", value(1))]);
        let same = [(2, DataType::Int, &sum as _), (2, DataType::Int, &sum as _)];
        assert!(call_lambda("TRANSFORM", &[entries], &same).is_err());
    }
}
