//! CONCAT and CONCAT_WS: texts or bytes joined; NULL arguments are left out.

use types::{EvalError, Text, Value};

use crate::adapter::{code, values};
use crate::function::Scalar;
use crate::registry::ScalarCode;
use crate::result_size::check_bytes;

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
        let separator = if is_bytes { Value::bytes([]) } else { Value::String(Text::default()) };
        join("CONCAT", values(args), separator)
    })
}

fn concat_ws() -> ScalarCode {
    code(|args| {
        let mut values = values(args);
        match values.next() {
            None | Some(Value::Null) => Ok(Value::Null),
            Some(separator) => join("CONCAT_WS", values, separator.clone()),
        }
    })
}

fn join<'a>(
    name: &str,
    values: impl Iterator<Item = &'a Value>,
    separator: Value,
) -> Result<Value, EvalError> {
    let present = values.filter(|value| !value.is_null());
    match separator {
        Value::Bytes(separator) => {
            let parts: Vec<&[u8]> = present
                .filter_map(|value| match value {
                    Value::Bytes(bytes) => Some(&**bytes),
                    _ => None,
                })
                .collect();
            let bytes: usize = parts.iter().map(|part| part.len() + separator.len()).sum();
            check_bytes(name, bytes)?;
            Ok(Value::bytes(parts.join(&*separator)))
        }
        separator => {
            let separator = separator.as_str().unwrap_or_default();
            let mut text = Text::default();
            for (i, part) in present.filter_map(Value::as_str).enumerate() {
                if i > 0 {
                    text.push_str(separator);
                }
                check_bytes(name, text.len() + part.len())?;
                text.push_str(part);
            }
            Ok(Value::String(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use types::Value;

    use crate::result_size::RESULT_BYTES_MAX;
    use crate::testing::{NULL, call, cases};

    #[test]
    fn a_result_that_no_record_could_carry_is_refused() {
        let half = Value::text("x".repeat(RESULT_BYTES_MAX / 2));
        assert!(call("CONCAT", &[half.clone(), half.clone()]).is_ok());
        let error = call("CONCAT", &vec![half.clone(); 4]).unwrap_err();
        assert_eq!(error.to_string(), "result of CONCAT is longer than 16777216 bytes");
        assert!(call("CONCAT_WS", &[Value::text("-"), half.clone(), half]).is_err());
        let bytes = Value::bytes(vec![0; RESULT_BYTES_MAX]);
        assert!(call("CONCAT", &[bytes.clone(), bytes]).is_err());
    }

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
