//! ARRAY_JOIN: the items of an array as one text.

use types::{DataType, Text, Value, cast};

use super::bounded::{TEXT_BYTES_MAX, too_long};
use crate::adapter::lift;
use crate::function::Scalar;
use crate::registry::{FunctionError, ScalarCode};
use crate::signature::Resolved;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("ARRAY_JOIN", "ARRAY", "Writes the items as one text, with a delimiter between them.")
            .overload_with("(ARRAY<T>) → STRING", |call| array_join(call, true))
            .overload_with("(ARRAY<T>, STRING) → STRING", |call| array_join(call, false)),
    ]
}

/// A NULL item is written `null`; a NULL delimiter is empty.
fn array_join(call: &mut Resolved, is_comma: bool) -> Result<ScalarCode, FunctionError> {
    let item_type = match call.param(0) {
        Some(DataType::Array(item)) if !item.is_nested() => (**item).clone(),
        _ => return Err(FunctionError::Invalid("ARRAY_JOIN takes arrays of plain values only".to_owned())),
    };
    Ok(lift!(|items: &[Value], delimiter: Option<&str>| {
        let delimiter = if is_comma { "," } else { delimiter.unwrap_or_default() };
        let mut joined = Text::default();
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                joined.push_str(delimiter);
            }
            let text = cast(item, &item_type, &DataType::String)
                .map_err(|error| ::types::EvalError::new(error.to_string()))?;
            joined.push_str(text.as_str().unwrap_or("null"));
            if joined.len() > TEXT_BYTES_MAX {
                return Err(too_long("ARRAY_JOIN"));
            }
        }
        joined
    }))
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, list, resolve_error, value};

    #[test]
    fn items_are_joined() {
        cases!("ARRAY_JOIN":
            (list([value(true), NULL])) => "true,null";
            (list([1, 23]), "|") => "1|23";
            (list([1.23, 0.0]), NULL) => "1.230.0";
            (list(["a", ""]), "--") => "a--";
            (NULL, "-") => NULL;
        );
        resolve_error("ARRAY_JOIN", &[list([list([1])])]);
    }
}
