//! ARRAY_CONTAINS: whether an array has an item.

use types::Value;

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![Scalar::new("ARRAY_CONTAINS", "ARRAY", "Tells whether an array has an item.").overload(
        "(ARRAY<T>, T) → BOOLEAN",
        lift!(|items: Option<&[Value]>, wanted: Option<&Value>| {
            items.is_some_and(|items| items.contains(wanted.unwrap_or(&Value::Null)))
        }),
    )]
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, list, value};

    #[test]
    fn item_is_found() {
        cases!("ARRAY_CONTAINS":
            (list(["a", "b"]), "b") => true;
            (list(["a", "b"]), "c") => false;
            (list([NULL, value(1)]), NULL) => true;
            (list([1]), NULL) => false;
            (NULL, "a") => false;
        );
    }
}
