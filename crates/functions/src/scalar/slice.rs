//! SLICE: the items from one position to another, counted from 1, both included.

use types::Value;

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![Scalar::new("SLICE", "ARRAY", "Returns the items from one position to another.").overload(
        "(ARRAY<T>, INT, INT) → ARRAY<T>",
        lift!(|items: &[Value], from: Option<i32>, to: Option<i32>| slice(items, from, to)),
    )]
}

/// A NULL position stands for that end; positions outside give NULL.
fn slice(items: &[Value], from: Option<i32>, to: Option<i32>) -> Option<Vec<Value>> {
    let start = from.map_or(Some(0), |from| usize::try_from(i64::from(from) - 1).ok())?;
    let end = to.map_or(Some(items.len()), |to| usize::try_from(to).ok())?;
    Some(items.get(start..end)?.to_vec())
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, list};

    #[test]
    fn items_are_cut_out() {
        let items = || list(["a", "b", "c", "d"]);
        cases!("SLICE":
            (items(), 2, 3) => list(["b", "c"]);
            (items(), NULL, 2) => list(["a", "b"]);
            (items(), 3, NULL) => list(["c", "d"]);
            (items(), 0, 2) => NULL;
            (items(), 2, 9) => NULL;
            (items(), 3, 1) => NULL;
            (items(), i32::MIN, i32::MAX) => NULL;
        );
    }
}
