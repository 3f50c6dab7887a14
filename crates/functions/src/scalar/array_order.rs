//! ARRAY_MAX, ARRAY_MIN and ARRAY_SORT.

use types::Value;

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("ARRAY_MAX", "ARRAY", "Returns the greatest item, leaving NULLs out.").overload(
            "(ARRAY<T>) → T",
            lift!(|items: &[Value]| items.iter().filter(|item| !item.is_null()).max().cloned()),
        ),
        Scalar::new("ARRAY_MIN", "ARRAY", "Returns the least item, leaving NULLs out.").overload(
            "(ARRAY<T>) → T",
            lift!(|items: &[Value]| items.iter().filter(|item| !item.is_null()).min().cloned()),
        ),
        Scalar::new("ARRAY_SORT", "ARRAY", "Sorts the items, NULLs last, ascending or descending.")
            .overload("(ARRAY<T>) → ARRAY<T>", lift!(|items: &[Value]| sorted(items, "ASC")))
            .overload(
                "(ARRAY<T>, STRING) → ARRAY<T>",
                lift!(|items: &[Value], order: &str| sorted(items, order)),
            ),
    ]
}

/// NULL for an unknown order.
fn sorted(items: &[Value], order: &str) -> Option<Vec<Value>> {
    let is_descending = match order.to_ascii_uppercase().as_str() {
        "ASC" | "ASCENDING" => false,
        "DESC" | "DESCENDING" => true,
        _ => return None,
    };
    let mut items = items.to_vec();
    items.sort_by(|a, b| {
        let values = if is_descending { b.cmp(a) } else { a.cmp(b) };
        a.is_null().cmp(&b.is_null()).then(values)
    });
    Some(items)
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, list, value};

    #[test]
    fn extremes_leave_nulls_out() {
        cases!("ARRAY_MAX": (list([value(1), NULL, value(3)])) => 3; (list([NULL])) => NULL; (NULL) => NULL;);
        cases!("ARRAY_MIN": (list(["foo", "F"])) => "F"; (list([0i32; 0])) => NULL;);
    }

    #[test]
    fn nulls_are_sorted_last() {
        let items = list([value(2), NULL, value(3)]);
        cases!("ARRAY_SORT":
            (items.clone()) => list([value(2), value(3), NULL]);
            (items.clone(), "desc") => list([value(3), value(2), NULL]);
            (items, "sideways") => NULL;
        );
    }
}
