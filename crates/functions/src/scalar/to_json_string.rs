//! TO_JSON_STRING: any value as JSON.

use formats::json::push_string;
use types::{DataType, Value, cast};

use crate::adapter::{code, first};
use crate::function::Scalar;
use crate::registry::{FunctionError, ScalarCode};
use crate::signature::Resolved;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("TO_JSON_STRING", "JSON", "Writes a value as JSON.")
            .overload_with("(T) → STRING", to_json_string),
    ]
}

fn to_json_string(call: &mut Resolved) -> Result<ScalarCode, FunctionError> {
    let data_type = call.param(0).cloned().unwrap_or(DataType::String);
    Ok(code(move |args| {
        let mut out = Vec::new();
        write_json(&first(args), &data_type, &mut out);
        Ok(Value::text(String::from_utf8(out).unwrap_or_default()))
    }))
}

/// Struct fields come in the order of their type; numbers that JSON has not are strings, as in ksqlDB.
fn write_json(value: &Value, data_type: &DataType, out: &mut Vec<u8>) {
    match (value, data_type) {
        (Value::Null, _) => out.extend_from_slice(b"null"),
        (Value::Array(items), DataType::Array(item_type)) => {
            write_list(out, (b'[', b']'), items.iter(), |item, out| write_json(item, item_type, out));
        }
        (Value::Map(map), DataType::Map(key_type, value_type)) => {
            write_list(out, (b'{', b'}'), map.iter(), |(key, value), out| {
                push_string(&text_of(key, key_type), out);
                out.push(b':');
                write_json(value, value_type, out);
            });
        }
        (Value::Struct(values), DataType::Struct(fields)) => {
            write_list(out, (b'{', b'}'), fields.iter().zip(values.iter()), |(field, value), out| {
                push_string(&field.name, out);
                out.push(b':');
                write_json(value, &field.data_type, out);
            });
        }
        (Value::Boolean(_) | Value::Int(_) | Value::BigInt(_) | Value::Decimal(_), _) => {
            out.extend_from_slice(text_of(value, data_type).as_bytes());
        }
        (Value::Double(number), _) if number.is_finite() => {
            out.extend_from_slice(text_of(value, data_type).as_bytes())
        }
        _ => push_string(&text_of(value, data_type), out),
    }
}

fn text_of(value: &Value, data_type: &DataType) -> String {
    let text = cast(value, data_type, &DataType::String).ok();
    text.as_ref().and_then(Value::as_str).unwrap_or("null").to_owned()
}

fn write_list<T>(
    out: &mut Vec<u8>,
    brackets: (u8, u8),
    items: impl Iterator<Item = T>,
    write: impl Fn(T, &mut Vec<u8>),
) {
    out.push(brackets.0);
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(brackets.1);
}

#[cfg(test)]
mod tests {
    use types::{Decimal, Value};

    use crate::testing::{NULL, cases, list, map, value};

    #[test]
    fn values_are_written_as_json() {
        cases!("TO_JSON_STRING":
            (1) => "1";
            (NULL) => "null";
            ("a\"b") => "\"a\\\"b\"";
            (123.456) => "123.456";
            (f64::NAN) => "\"NaN\"";
            (Decimal::new(1230, 3)) => "1.230";
            (b"!".to_vec()) => "\"IQ==\"";
            (Value::Time(60_220_000)) => "\"16:43:40\"";
            (Value::Date(1000)) => "\"1972-09-27\"";
            (list([value(1), NULL])) => "[1,null]";
            (map([("id", list([1, 2]))])) => "{\"id\":[1,2]}";
            (Value::structure(vec![value(1), value("x")])) => "{\"A\":1,\"B\":\"x\"}";
        );
    }
}
