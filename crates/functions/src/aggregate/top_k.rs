//! TOPK and TOPKDISTINCT: the k greatest values, greatest first.
//!
//! State: the result itself. TOPK with further columns keeps STRUCT<sort_col, col0, col1 …>. Rows whose
//! first column is NULL are left out; of equal ones the earlier comes first.

use types::{DataType, EvalError, Value};

use super::state::{call, first, items, items_mut};
use crate::function::AggregateFunction;
use crate::registry::{Aggregate, AggregateCall, FunctionError};
use crate::signature::Resolved;

/// The greatest k.
const ITEMS_MAX: i64 = 10_000;

pub(super) fn functions() -> Vec<AggregateFunction> {
    let top = AggregateFunction::new(
        "TOPK",
        "AGGREGATE",
        "Returns the k greatest values, with further columns if given.",
    );
    let distinct =
        AggregateFunction::new("TOPKDISTINCT", "AGGREGATE", "Returns the k greatest different values.");
    vec![
        ["INT", "BIGINT", "DOUBLE", "STRING"].iter().fold(top, |function, data_type| {
            function
                .overload(&format!("({data_type}, INT literal) → ARRAY<{data_type}>"), |resolved, _| {
                    top_k(resolved, false)
                })
                .overload(
                    &format!("({data_type}, ANY, ANY..., INT literal) → ARRAY<{data_type}>"),
                    |resolved, _| top_k(resolved, false),
                )
        }),
        ["INT", "BIGINT", "DOUBLE", "STRING", "DECIMAL", "DATE", "TIME", "TIMESTAMP", "BYTES"].iter().fold(
            distinct,
            |function, data_type| {
                function
                    .overload(&format!("({data_type}, INT literal) → ARRAY<{data_type}>"), |resolved, _| {
                        top_k(resolved, true)
                    })
            },
        ),
    ]
}

fn top_k(resolved: &Resolved, is_distinct: bool) -> Result<AggregateCall, FunctionError> {
    let k = resolved.literal(resolved.params.len() - 1).and_then(Value::as_i64).unwrap_or(0);
    if !(1..=ITEMS_MAX).contains(&k) {
        return Err(FunctionError::Invalid(format!("k of TOPK must be from 1 to {ITEMS_MAX}, was {k}")));
    }
    let columns = resolved.row_params();
    let item = match &columns[..] {
        [only] => only.clone(),
        [sort, further @ ..] => DataType::structure(
            std::iter::once(("sort_col".to_owned(), sort.clone()))
                .chain(further.iter().enumerate().map(|(at, column)| (format!("col{at}"), column.clone()))),
        ),
        [] => return Err(FunctionError::Invalid("TOPK takes at least one column".to_owned())),
    };
    let array = DataType::array(item);
    Ok(call(
        resolved,
        array.clone(),
        array,
        TopK { k: k as usize, is_distinct, has_further: columns.len() > 1 },
    ))
}

struct TopK {
    k: usize,
    is_distinct: bool,
    has_further: bool,
}

impl TopK {
    fn sort_value<'a>(&self, item: &'a Value) -> &'a Value {
        match item {
            Value::Struct(fields) if self.has_further => first(fields),
            item => item,
        }
    }

    fn place(&self, items: &[Value], sort: &Value) -> Option<usize> {
        let at = items.partition_point(|item| self.sort_value(item) >= sort);
        let is_known = self.is_distinct && at > 0 && self.sort_value(&items[at - 1]) == sort;
        (at < self.k && !is_known).then_some(at)
    }

    fn insert(&self, items: &mut Vec<Value>, at: usize, item: Value) {
        items.insert(at, item);
        items.truncate(self.k);
    }
}

impl Aggregate for TopK {
    fn initial(&self) -> Value {
        Value::array(Vec::new())
    }

    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        let sort = first(args);
        if sort.is_null() {
            return Ok(());
        }
        if let Some(at) = self.place(items(state)?, sort) {
            let item = if self.has_further { Value::structure(args.to_vec()) } else { sort.clone() };
            self.insert(items_mut(state)?, at, item);
        }
        Ok(())
    }

    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
        let mut merged = items(left)?.to_vec();
        for item in items(right)? {
            if let Some(at) = self.place(&merged, self.sort_value(item)) {
                self.insert(&mut merged, at, item.clone());
            }
        }
        Ok(Value::array(merged))
    }

    fn finish(&self, state: &Value) -> Result<Value, EvalError> {
        Ok(state.clone())
    }
}

#[cfg(test)]
mod tests {
    use types::{DataType, Value};

    use crate::testing::{NULL, aggregate, list, results, rows, state_after, value};
    use crate::{ArgType, library};

    #[test]
    fn greatest_values_come_first() {
        let values = rows([value(1), value(5), NULL, value(3), value(5)]);
        let top = aggregate("TOPK", &[DataType::Int], &[value(3)]);
        assert_eq!(
            results(&top, &values)[1..],
            [list([5, 1]), list([5, 1]), list([5, 3, 1]), list([5, 5, 3])]
        );
        let distinct = aggregate("TOPKDISTINCT", &[DataType::Int], &[value(2)]);
        let state = state_after(&distinct, &values);
        assert_eq!(state, list([5, 3]));
        assert_eq!(distinct.code.merge(&state, &list([5, 4])), Ok(list([5, 4])));
    }

    #[test]
    fn further_columns_are_kept() {
        let top = aggregate("TOPK", &[DataType::Int, DataType::String], &[value(2)]);
        assert_eq!(top.returns.to_string(), "ARRAY<STRUCT<`sort_col` INTEGER, `col0` STRING>>");
        let rows = [vec![value(1), value("a")], vec![value(1), NULL], vec![value(2), value("b")]];
        let item = |fields: [Value; 2]| Value::structure(fields.to_vec());
        assert_eq!(
            state_after(&top, &rows),
            list([item([value(2), value("b")]), item([value(1), value("a")])])
        );
    }

    #[test]
    fn k_must_be_a_literal_within_the_bound() {
        let column = || ArgType::Value(DataType::Int, None);
        assert!(library().aggregate("TOPK", &[column(), column()]).is_err());
        for k in [0, -1, i32::MAX] {
            assert!(
                library()
                    .aggregate("TOPK", &[column(), ArgType::Value(DataType::Int, Some(&value(k)))])
                    .is_err()
            );
        }
    }
}
