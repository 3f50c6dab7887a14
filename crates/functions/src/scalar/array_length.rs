//! ARRAY_LENGTH: the number of items.

use types::Value;

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![Scalar::new("ARRAY_LENGTH", "ARRAY", "Returns the number of items.").overload(
        "(ARRAY<T>) → INT",
        lift!(|items: &[Value]| i32::try_from(items.len()).unwrap_or(i32::MAX)),
    )]
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, list};

    #[test]
    fn items_are_counted() {
        cases!("ARRAY_LENGTH": (list([NULL, NULL])) => 2; (NULL) => NULL;);
    }
}
