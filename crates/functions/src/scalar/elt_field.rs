//! ELT and FIELD: the nth of some texts, and which one a text is.

use types::Value;

use crate::adapter::{code, values};
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("ELT", "STRING", "Returns the nth of the texts, NULL if there is none.").overload(
            "(INT, STRING...) → STRING",
            code(|args| {
                let mut values = values(args);
                let at = values.next().and_then(Value::as_i64).and_then(|n| usize::try_from(n - 1).ok());
                Ok(at.and_then(|at| values.nth(at)).cloned().unwrap_or_default())
            }),
        ),
        Scalar::new("FIELD", "STRING", "Returns which of the texts equals the first, 0 if none.").overload(
            "(STRING, STRING...) → INT",
            code(|args| {
                let mut values = values(args);
                let wanted = values.next().filter(|value| !value.is_null());
                let found = wanted.and_then(|wanted| values.position(|value| value == wanted));
                Ok(Value::Int(found.map_or(0, |at| i32::try_from(at + 1).unwrap_or(i32::MAX))))
            }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases};

    #[test]
    fn nth_text_is_chosen() {
        cases!("ELT": (2, "a", "b") => "b"; (0, "a") => NULL; (3, "a") => NULL; (NULL, "a") => NULL;
            (i32::MIN, "a") => NULL;);
        cases!("FIELD": ("b", "a", "b") => 2; ("c", "a") => 0; (NULL, NULL, "a") => 0;);
    }
}
