//! CUBE_EXPLODE: every combination of the items of an array and NULL in their places.

use std::sync::Arc;

use types::{EvalError, Value};

use crate::function::Table;

/// Items of an array; each doubles the number of rows.
const ITEMS_MAX: usize = 16;

pub(super) fn functions() -> Vec<Table> {
    vec![
        Table::new("CUBE_EXPLODE", "TABLE", "Returns a row for each combination of an array's items.")
            .overload(
                "(ARRAY<T>) → ARRAY<T>",
                Arc::new(|args| match args.first() {
                    Some(Value::Array(items)) => cube(items),
                    _ => Ok(Vec::new()),
                }),
            ),
    ]
}

/// The combinations count up in binary, the first item being the highest bit. A NULL item has one state.
fn cube(items: &[Value]) -> Result<Vec<Value>, EvalError> {
    if items.len() > ITEMS_MAX {
        return Err(EvalError::new(format!("CUBE_EXPLODE takes at most {ITEMS_MAX} items")));
    }
    let is_shown = |bits: u32, at: usize| bits >> (items.len() - 1 - at) & 1 == 1;
    let combination = |bits: u32| {
        let item = |at: usize| if is_shown(bits, at) { items[at].clone() } else { Value::Null };
        Value::array((0..items.len()).map(item).collect())
    };
    let is_new = |bits: &u32| (0..items.len()).all(|at| !is_shown(*bits, at) || !items[at].is_null());
    Ok((0..1u32 << items.len()).filter(is_new).map(combination).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NULL, list, value};

    #[test]
    fn combinations_count_up() {
        let (a, b) = (value("a"), value("b"));
        let expect = [[NULL, NULL], [NULL, b.clone()], [a.clone(), NULL], [a.clone(), b.clone()]];
        assert_eq!(cube(&[a.clone(), b]), Ok(expect.map(list).to_vec()));
        assert_eq!(cube(&[a.clone(), NULL]), Ok(vec![list([NULL, NULL]), list([a, NULL])]));
        assert!(cube(&vec![value(1); ITEMS_MAX + 1]).is_err());
    }
}
