//! IS_JSON_STRING, JSON_ARRAY_CONTAINS, JSON_ARRAY_LENGTH, JSON_CONCAT, JSON_ITEMS, JSON_KEYS,
//! JSON_RECORDS: texts that hold JSON.
//!
//! A text that is no JSON, or JSON of another kind, gives NULL. Nesting is bounded as in records (1000 levels); of equal keys
//! in an object the last counts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use formats::json::{Json, Kind, push_string};
use types::{Map, Value};

use crate::adapter::{code, lift, values};
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("IS_JSON_STRING", "JSON", "Tells whether a text is JSON.").overload(
            "(STRING) → BOOLEAN",
            lift!(|text: Option<&str>| text.is_some_and(|text| Json::parse(text).is_some())),
        ),
        Scalar::new("JSON_ARRAY_CONTAINS", "JSON", "Tells whether a JSON array has an item.").overload(
            "(STRING, T) → BOOLEAN",
            lift!(|text: &str, wanted: Option<&Value>| {
                let wanted = wanted.unwrap_or(&Value::Null);
                array(text).is_some_and(|mut items| items.any(|item| is_equal(&item, wanted)))
            }),
        ),
        Scalar::new("JSON_ARRAY_LENGTH", "JSON", "Returns the number of items of a JSON array.").overload(
            "(STRING) → INT",
            lift!(|text: &str| array(text).map(|items| i32::try_from(items.count()).unwrap_or(i32::MAX))),
        ),
        Scalar::new(
            "JSON_CONCAT",
            "JSON",
            "Merges JSON objects, or joins JSON arrays and values to one array.",
        )
        .overload(
            "(STRING...) → STRING",
            code(|args| {
                let parts =
                    values(args).map(|value| Json::parse(value.as_str()?)).collect::<Option<Vec<_>>>();
                let joined = parts.filter(|parts| !parts.is_empty()).map(|parts| concat(&parts));
                Ok(joined.map_or(Value::Null, Value::text))
            }),
        ),
        Scalar::new("JSON_ITEMS", "JSON", "Returns the items of a JSON array, each as JSON.").overload(
            "(STRING) → ARRAY<STRING>",
            lift!(|text: &str| {
                array(text).map(|items| items.map(|item| Value::text(item.compact())).collect::<Vec<_>>())
            }),
        ),
        Scalar::new("JSON_KEYS", "JSON", "Returns the keys of a JSON object.").overload(
            "(STRING) → ARRAY<STRING>",
            lift!(|text: &str| {
                object(text)
                    .map(|entries| entries.into_iter().map(|(key, _)| Value::text(key)).collect::<Vec<_>>())
            }),
        ),
        Scalar::new("JSON_RECORDS", "JSON", "Returns the keys and values of a JSON object as a map.")
            .overload(
                "(STRING) → MAP<STRING, STRING>",
                lift!(|text: &str| {
                    object(text).map(|entries| {
                        entries
                            .into_iter()
                            .map(|(key, value)| (Value::text(key), json_text(&value)))
                            .collect::<Map>()
                    })
                }),
            ),
    ]
}

fn array(text: &str) -> Option<impl Iterator<Item = Json<'_>>> {
    Json::parse(text)?.items()
}

fn object(text: &str) -> Option<Vec<(Cow<'_, str>, Json<'_>)>> {
    Json::parse(text)?.entries().map(last_of_equal_keys)
}

/// The entries with each key once, where it was first, and its last value.
fn last_of_equal_keys<'a>(
    entries: impl Iterator<Item = (Cow<'a, str>, Json<'a>)>,
) -> Vec<(Cow<'a, str>, Json<'a>)> {
    let mut places = HashMap::new();
    let mut kept: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
    for (key, value) in entries {
        match places.entry(key.clone()) {
            Entry::Occupied(place) => {
                let place: usize = *place.get();
                kept[place].1 = value;
            }
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push((key, value));
            }
        }
    }
    kept
}

/// A JSON string without quotes, anything else as JSON.
pub(super) fn json_text(json: &Json<'_>) -> Value {
    Value::text(json.text().unwrap_or_else(|| json.compact()))
}

fn is_equal(item: &Json<'_>, wanted: &Value) -> bool {
    match (item.kind(), wanted) {
        (Kind::Null, Value::Null) => true,
        (Kind::True | Kind::False, Value::Boolean(wanted)) => (item.kind() == Kind::True) == *wanted,
        (Kind::String | Kind::EscapedString, Value::String(wanted)) => item.text().as_deref() == Some(wanted),
        (Kind::Integer, Value::Int(_) | Value::BigInt(_)) => item.raw().parse().ok() == wanted.as_i64(),
        (Kind::Integer | Kind::Number | Kind::Exponent, Value::Double(_) | Value::Decimal(_)) => {
            item.raw().parse().ok() == wanted.as_f64()
        }
        _ => false,
    }
}

/// Only objects: one object, the last of equal keys wins. Otherwise one array of all the items.
fn concat(parts: &[Json<'_>]) -> String {
    let mut out = Vec::new();
    let separate = |out: &mut Vec<u8>| {
        if out.len() > 1 {
            out.push(b',');
        }
    };
    if parts.iter().all(|part| part.kind() == Kind::Object) {
        out.push(b'{');
        for (key, value) in last_of_equal_keys(parts.iter().filter_map(Json::entries).flatten()) {
            separate(&mut out);
            push_string(&key, &mut out);
            out.push(b':');
            out.extend_from_slice(value.compact().as_bytes());
        }
        out.push(b'}');
    } else {
        out.push(b'[');
        let mut push = |item: &Json<'_>| {
            separate(&mut out);
            out.extend_from_slice(item.compact().as_bytes());
        };
        for part in parts {
            match part.items() {
                Some(items) => items.for_each(|item| push(&item)),
                None => push(part),
            }
        }
        out.push(b']');
    }
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, list, map, value};

    #[test]
    fn json_is_recognised() {
        cases!("IS_JSON_STRING":
            ("1") => true; ("[1, 2]") => true; ("\"a\"") => true; ("abc") => false; ("") => false;
            ("{} x") => false; (NULL) => false; ("[".repeat(10_000)) => false; ("\"\\ud800\"") => true;
            ("{\"a\": {\"$serde_json::private::Number\": \"x\"}}") => true;
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
        cases!("JSON_KEYS": ("{\"b\": 1, \"a\": 2, \"b\": 3}") => list(["b", "a"]); ("[]") => NULL;);
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
            ("{\"a\": 1, \"b\": 2}", "{\"a\": {\"$serde_json::private::RawValue\": \"x\"}}")
                => "{\"a\":{\"$serde_json::private::RawValue\":\"x\"},\"b\":2}";
            ("[]", "{}") => "[{}]";
        );
    }
}
