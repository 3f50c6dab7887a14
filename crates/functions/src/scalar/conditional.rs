//! COALESCE, IFNULL and NULLIF.

use types::Value;

use crate::adapter::{code, first, lift, values};
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    let first_present =
        || code(|args| Ok(values(args).find(|value| !value.is_null()).cloned().unwrap_or_default()));
    vec![
        Scalar::new("COALESCE", "CONDITIONAL", "Returns the first argument that is not NULL.")
            .overload("(T, T...) → T", first_present()),
        Scalar::new("IFNULL", "CONDITIONAL", "Returns the first argument, or the second if that is NULL.")
            .overload("(T, T) → T", first_present()),
        Scalar::new("NULLIF", "CONDITIONAL", "Returns NULL if both arguments are equal, else the first.")
            .overload(
                "(T, T) → T",
                lift!(|left: &Value, right: Option<&Value>| (Some(left) != right).then(|| left.clone())),
            ),
        Scalar::new("AS_VALUE", "OTHER", "Returns its argument: copies a key column into the value.")
            .overload("(T) → T", code(|args| Ok(first(args)))),
    ]
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases};

    #[test]
    fn first_value_present_is_chosen() {
        cases!("COALESCE": (NULL, "a", "b") => "a"; (NULL, NULL) => NULL; (1) => 1;);
        cases!("IFNULL": (NULL, 2) => 2; (1, 2) => 1; (1, NULL) => 1;);
        cases!("AS_VALUE": ("a") => "a"; (NULL) => NULL;);
    }

    #[test]
    fn equal_values_become_null() {
        cases!("NULLIF": (1, 1) => NULL; (1, 2) => 1; (1, NULL) => 1; (NULL, 1) => NULL;);
    }
}
