//! IS_JSON_STRING, JSON_ARRAY_CONTAINS, JSON_ARRAY_LENGTH, JSON_CONCAT, JSON_ITEMS, JSON_KEYS,
//! JSON_RECORDS: texts that hold JSON.
//!
//! A text that is no JSON, or JSON of another kind, gives NULL. Nesting is bounded by the parser (128).

use serde_json::{Map as Object, Value as Json};
use types::{Map, Value};

use crate::adapter::{code, lift, values};
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("IS_JSON_STRING", "JSON", "Tells whether a text is JSON.").overload(
            "(STRING) → BOOLEAN",
            lift!(|text: Option<&str>| text.is_some_and(|text| parse(text).is_some())),
        ),
        Scalar::new("JSON_ARRAY_CONTAINS", "JSON", "Tells whether a JSON array has an item.").overload(
            "(STRING, T) → BOOLEAN",
            lift!(|text: &str, wanted: Option<&Value>| {
                let wanted = wanted.unwrap_or(&Value::Null);
                array(text).is_some_and(|items| items.iter().any(|item| is_equal(item, wanted)))
            }),
        ),
        Scalar::new("JSON_ARRAY_LENGTH", "JSON", "Returns the number of items of a JSON array.").overload(
            "(STRING) → INT",
            lift!(|text: &str| array(text).map(|items| i32::try_from(items.len()).unwrap_or(i32::MAX))),
        ),
        Scalar::new(
            "JSON_CONCAT",
            "JSON",
            "Merges JSON objects, or joins JSON arrays and values to one array.",
        )
        .overload(
            "(STRING...) → STRING",
            code(|args| {
                let parts = values(args).map(|value| parse(value.as_str()?)).collect::<Option<Vec<_>>>();
                let joined = parts.filter(|parts| !parts.is_empty()).map(concat);
                Ok(joined.map_or(Value::Null, |joined| Value::text(joined.to_string())))
            }),
        ),
        Scalar::new("JSON_ITEMS", "JSON", "Returns the items of a JSON array, each as JSON.").overload(
            "(STRING) → ARRAY<STRING>",
            lift!(|text: &str| {
                array(text)
                    .map(|items| items.iter().map(|item| Value::text(item.to_string())).collect::<Vec<_>>())
            }),
        ),
        Scalar::new("JSON_KEYS", "JSON", "Returns the keys of a JSON object.").overload(
            "(STRING) → ARRAY<STRING>",
            lift!(|text: &str| object(text).map(|o| o.keys().map(Value::text).collect::<Vec<_>>())),
        ),
        Scalar::new("JSON_RECORDS", "JSON", "Returns the keys and values of a JSON object as a map.")
            .overload(
                "(STRING) → MAP<STRING, STRING>",
                lift!(|text: &str| {
                    object(text).map(|o| {
                        o.iter().map(|(key, value)| (Value::text(key), json_text(value))).collect::<Map>()
                    })
                }),
            ),
    ]
}

fn parse(text: &str) -> Option<Json> {
    serde_json::from_str(text).ok()
}

fn array(text: &str) -> Option<Vec<Json>> {
    match parse(text)? {
        Json::Array(items) => Some(items),
        _ => None,
    }
}

fn object(text: &str) -> Option<Object<String, Json>> {
    match parse(text)? {
        Json::Object(object) => Some(object),
        _ => None,
    }
}

/// A JSON string without quotes, anything else as JSON.
pub(super) fn json_text(json: &Json) -> Value {
    match json {
        Json::String(text) => Value::text(text),
        other => Value::text(other.to_string()),
    }
}

fn is_equal(item: &Json, wanted: &Value) -> bool {
    match (item, wanted) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(item), Value::Boolean(wanted)) => item == wanted,
        (Json::String(item), Value::String(wanted)) => item == wanted,
        (Json::Number(item), Value::Int(_) | Value::BigInt(_)) => item.as_i64() == wanted.as_i64(),
        (Json::Number(item), Value::Double(_) | Value::Decimal(_)) => item.as_f64() == wanted.as_f64(),
        _ => false,
    }
}

/// Only objects: one object, the last of equal keys wins. Otherwise one array of all the items.
fn concat(parts: Vec<Json>) -> Json {
    if parts.iter().all(Json::is_object) {
        let objects = parts.into_iter().filter_map(|part| match part {
            Json::Object(object) => Some(object),
            _ => None,
        });
        return Json::Object(objects.flatten().collect());
    }
    let items = parts.into_iter().flat_map(|part| match part {
        Json::Array(items) => items,
        other => vec![other],
    });
    Json::Array(items.collect())
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, list, map, value};

    #[test]
    fn json_is_recognised() {
        cases!("IS_JSON_STRING":
            ("1") => true; ("[1, 2]") => true; ("\"a\"") => true; ("abc") => false; ("") => false;
            ("{} x") => false; (NULL) => false; ("[".repeat(10_000)) => false;
        );
    }

    #[test]
    fn items_of_arrays_are_found() {
        cases!("JSON_ARRAY_CONTAINS":
            ("[\"a\", null]", "a") => true; ("[\"a\", null]", NULL) => true; ("[1, 2.5]", 1) => true;
            ("[1, 2.5]", 2.5) => true; ("[1]", "1") => false; ("{}", 1) => false; ("[true]", true) => true;
            (NULL, 1) => NULL;
        );
        cases!("JSON_ARRAY_LENGTH": ("[]") => 0; ("[1, [2]]") => 2; ("{}") => NULL; ("") => NULL;);
        cases!("JSON_ITEMS": ("[{\"b\": 1, \"a\": 2}, \"x\"]") => list(["{\"b\":1,\"a\":2}", "\"x\""]);
            ("1") => NULL;);
    }

    #[test]
    fn objects_are_taken_apart() {
        cases!("JSON_KEYS": ("{\"b\": 1, \"a\": 2}") => list(["b", "a"]); ("[]") => NULL;);
        cases!("JSON_RECORDS": ("{\"a\": 1.50, \"b\": \"x\"}") => map([("a", value("1.50")), ("b", value("x"))]););
    }

    #[test]
    fn parts_are_joined() {
        cases!("JSON_CONCAT":
            ("{\"a\": 1}", "{\"a\": 2, \"b\": 3}") => "{\"a\":2,\"b\":3}";
            ("[1, 2]", "3") => "[1,2,3]";
            ("null", "null") => "[null,null]";
            ("[1, [2]]", "{\"a\":1}") => "[1,[2],{\"a\":1}]";
            ("1", "") => NULL;
            (NULL, "1") => NULL;
        );
    }
}
