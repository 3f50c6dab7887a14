//! CONCAT and CONCAT_WS: texts or bytes joined; NULL arguments are left out.

use types::{EvalError, Text, Value};

use crate::adapter::{code, values};
use crate::function::Scalar;
use crate::registry::ScalarCode;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("CONCAT", "STRING", "Joins texts or bytes, leaving NULLs out.")
            .overload("(STRING...) → STRING", concat())
            .overload("(BYTES...) → BYTES", concat()),
        Scalar::new("CONCAT_WS", "STRING", "Joins texts or bytes with a separator, leaving NULLs out.")
            .overload("(STRING, STRING...) → STRING", concat_ws())
            .overload("(BYTES, BYTES...) → BYTES", concat_ws()),
    ]
}

fn concat() -> ScalarCode {
    code(|args| {
        let is_bytes = values(args).any(|value| matches!(value, Value::Bytes(_)));
        join(values(args), if is_bytes { Value::bytes([]) } else { Value::String(Text::default()) })
    })
}

fn concat_ws() -> ScalarCode {
    code(|args| {
        let mut values = values(args);
        match values.next() {
            None | Some(Value::Null) => Ok(Value::Null),
            Some(separator) => join(values, separator.clone()),
        }
    })
}

fn join<'a>(values: impl Iterator<Item = &'a Value>, separator: Value) -> Result<Value, EvalError> {
    let present = values.filter(|value| !value.is_null());
    match separator {
        Value::Bytes(separator) => {
            let parts: Vec<&[u8]> = present
                .filter_map(|value| match value {
                    Value::Bytes(bytes) => Some(&**bytes),
                    _ => None,
                })
                .collect();
            Ok(Value::bytes(parts.join(&*separator)))
        }
        separator => {
            let separator = separator.as_str().unwrap_or_default();
            let mut text = Text::default();
            for (i, part) in present.filter_map(Value::as_str).enumerate() {
                if i > 0 {
                    text.push_str(separator);
                }
                text.push_str(part);
            }
            Ok(Value::String(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases};

    #[test]
    fn parts_are_joined_without_nulls() {
        cases!("CONCAT":
            ("a", NULL, "b") => "ab";
            ("a") => "a";
            (b"a".to_vec(), NULL, b"b".to_vec()) => b"ab".to_vec();
        );
        cases!("CONCAT_WS":
            ("-", "a", NULL, "b") => "a-b";
            ("-", "a", "", "b") => "a--b";
            (b"-".to_vec(), b"a".to_vec(), b"b".to_vec()) => b"a-b".to_vec();
            (NULL, "a", "b") => NULL;
            ("-", NULL, NULL) => "";
        );
    }
}
