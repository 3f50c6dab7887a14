//! ARRAY_CONCAT, ARRAY_DISTINCT, ARRAY_EXCEPT, ARRAY_INTERSECT, ARRAY_REMOVE, ARRAY_UNION.
//!
//! Items keep the order of their first occurrence; NULL items equal each other.

use std::collections::HashSet;

use types::{EvalError, Value};

use crate::adapter::lift;
use crate::function::Scalar;
use crate::result_size::check_items;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("ARRAY_CONCAT", "ARRAY", "Joins two arrays; a NULL array counts as empty.").overload(
            "(ARRAY<T>, ARRAY<T>) → ARRAY<T>",
            lift!(|left: Option<&[Value]>, right: Option<&[Value]>| match (left, right) {
                (None, None) => Ok(None),
                _ => concat(left.unwrap_or_default(), right.unwrap_or_default()).map(Some),
            }),
        ),
        Scalar::new("ARRAY_DISTINCT", "ARRAY", "Returns the different items of an array.")
            .overload("(ARRAY<T>) → ARRAY<T>", lift!(|items: &[Value]| distinct(items.iter()))),
        Scalar::new("ARRAY_EXCEPT", "ARRAY", "Returns the different items that another array has not.")
            .overload(
                "(ARRAY<T>, ARRAY<T>) → ARRAY<T>",
                lift!(|items: &[Value], except: &[Value]| {
                    let except: HashSet<_> = except.iter().collect();
                    distinct(items.iter().filter(|item| !except.contains(item)))
                }),
            ),
        Scalar::new("ARRAY_INTERSECT", "ARRAY", "Returns the different items both arrays have.").overload(
            "(ARRAY<T>, ARRAY<T>) → ARRAY<T>",
            lift!(|items: &[Value], other: &[Value]| {
                let other: HashSet<_> = other.iter().collect();
                distinct(items.iter().filter(|item| other.contains(item)))
            }),
        ),
        Scalar::new("ARRAY_REMOVE", "ARRAY", "Returns the array without the items equal to a value.")
            .overload(
                "(ARRAY<T>, T) → ARRAY<T>",
                lift!(|items: &[Value], removed: Option<&Value>| {
                    let removed = removed.unwrap_or(&Value::Null);
                    items.iter().filter(|item| *item != removed).cloned().collect::<Vec<_>>()
                }),
            ),
        Scalar::new("ARRAY_UNION", "ARRAY", "Returns the different items of both arrays.").overload(
            "(ARRAY<T>, ARRAY<T>) → ARRAY<T>",
            lift!(|left: &[Value], right: &[Value]| union(left, right)),
        ),
    ]
}

fn concat(left: &[Value], right: &[Value]) -> Result<Vec<Value>, EvalError> {
    check_items("ARRAY_CONCAT", left.len() + right.len())?;
    Ok([left, right].concat())
}

fn union(left: &[Value], right: &[Value]) -> Result<Vec<Value>, EvalError> {
    let items = distinct(left.iter().chain(right));
    check_items("ARRAY_UNION", items.len())?;
    Ok(items)
}

fn distinct<'a>(items: impl Iterator<Item = &'a Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    items.filter(|item| seen.insert(*item)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use types::Value;

    use crate::result_size::RESULT_ITEMS_MAX;
    use crate::testing::{NULL, call, cases, list, value};

    #[test]
    fn arrays_that_double_each_other_are_refused() {
        let half = Value::array(vec![value(1); RESULT_ITEMS_MAX / 2 + 1]);
        let error = call("ARRAY_CONCAT", &[half.clone(), half]).unwrap_err();
        assert_eq!(error.to_string(), "result of ARRAY_CONCAT has more than 1000000 items");
    }

    #[test]
    fn arrays_are_joined() {
        cases!("ARRAY_CONCAT": (list([1, 1]), list([2])) => list([1, 1, 2]); (NULL, list([2])) => list([2]);
            (NULL, NULL) => NULL;);
        cases!("ARRAY_UNION": (list([1, 1]), list([2, 1])) => list([1, 2]); (NULL, list([2])) => NULL;);
    }

    #[test]
    fn equal_items_are_found() {
        let nulls = list([NULL, value(1), NULL]);
        cases!("ARRAY_DISTINCT": (nulls.clone()) => list([NULL, value(1)]); (list([0i32; 0])) => list([0i32; 0]););
        cases!("ARRAY_EXCEPT": (list([0, 0, 1, -1]), list([1, -2])) => list([0, -1]);
            (list([1]), NULL) => NULL;);
        cases!("ARRAY_INTERSECT": (list([0, 0, 1, -1]), list([1, 0])) => list([0, 1]););
        cases!("ARRAY_REMOVE": (list(["a", "b", "a"]), "a") => list(["b"]); (nulls, NULL) => list([1]);
            (NULL, 1) => NULL;);
    }
}
