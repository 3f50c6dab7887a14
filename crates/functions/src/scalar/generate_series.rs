//! GENERATE_SERIES: the whole numbers from one to another.

use types::{EvalError, Value};

use super::bounded::{ITEMS_MAX, too_many};
use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("GENERATE_SERIES", "ARRAY", "Returns the numbers from a start to an end, both included.")
            .overload("(INT, INT) → ARRAY<INT>", lift!(|start: i32, end: i32| ints(start, end, None)))
            .overload(
                "(INT, INT, INT) → ARRAY<INT>",
                lift!(|start: i32, end: i32, step: i32| ints(start, end, Some(step))),
            )
            .overload(
                "(BIGINT, BIGINT) → ARRAY<BIGINT>",
                lift!(|start: i64, end: i64| series(start, end, None, Value::BigInt)),
            )
            .overload(
                "(BIGINT, BIGINT, INT) → ARRAY<BIGINT>",
                lift!(|start: i64, end: i64, step: i32| series(start, end, Some(step), Value::BigInt)),
            ),
    ]
}

fn ints(start: i32, end: i32, step: Option<i32>) -> Result<Vec<Value>, EvalError> {
    // Every number lies between start and end, so it fits.
    series(start.into(), end.into(), step, |number| Value::Int(number as i32))
}

fn series(start: i64, end: i64, step: Option<i32>, item: fn(i64) -> Value) -> Result<Vec<Value>, EvalError> {
    let (start, end) = (i128::from(start), i128::from(end));
    let step = step.map_or(if start <= end { 1 } else { -1 }, i128::from);
    if step == 0 {
        return Err(EvalError::new("step of GENERATE_SERIES must not be 0"));
    }
    if (end - start).signum() == -step.signum() {
        return Err(EvalError::new("step of GENERATE_SERIES leads away from the end"));
    }
    let count = (end - start) / step + 1;
    if count > ITEMS_MAX as i128 {
        return Err(too_many("GENERATE_SERIES"));
    }
    Ok((0..count).map(|i| item((start + i * step) as i64)).collect())
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, fails, list};

    #[test]
    fn numbers_are_counted_up_and_down() {
        cases!("GENERATE_SERIES":
            (1, 3) => list([1, 2, 3]);
            (1, -1) => list([1, 0, -1]);
            (0, 5, 2) => list([0, 2, 4]);
            (5, 0, -3) => list([5, 2]);
            (2, 2, -1) => list([2]);
            (i64::MAX - 1, i64::MAX) => list([i64::MAX - 1, i64::MAX]);
            (i32::MIN, i32::MAX, i32::MAX) => list([i32::MIN, -1, i32::MAX - 1]);
            (1i64, NULL) => NULL;
        );
    }

    #[test]
    fn endless_or_huge_series_is_an_error() {
        fails!("GENERATE_SERIES": (0, 5, 0); (0, 5, -1); (i64::MIN, i64::MAX); (0, 100_000););
    }
}
