//! EXTRACTJSONFIELD: a value within JSON, named by a path like `$.user.names[0]`.
//!
//! What follows the first JSON value in the text is not looked at, as in ksqlDB.

use formats::json::{Json, Kind};
use types::Value;

use super::json::json_text;
use crate::adapter::lift;
use crate::function::Scalar;
use crate::registry::{FunctionError, ScalarCode};
use crate::signature::Resolved;

/// Steps a path may have.
const STEPS_MAX: usize = 128;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("EXTRACTJSONFIELD", "JSON", "Returns the value at a path like $.a.b[0] within JSON.")
            .overload_with("(STRING, STRING) → STRING", extract_json_field),
    ]
}

fn extract_json_field(call: &mut Resolved) -> Result<ScalarCode, FunctionError> {
    let Some(path) = call.literal(1).and_then(Value::as_str) else {
        return Ok(lift!(|text: &str, path: &str| parse_path(path).and_then(|path| find(text, &path))));
    };
    let path = parse_path(path).ok_or_else(|| {
        FunctionError::Invalid(format!("malformed JSON path \"{path}\", expected $.a.b[0]"))
    })?;
    Ok(lift!(|text: &str| find(text, &path)))
}

#[derive(Debug, PartialEq)]
enum Step {
    Field(String),
    Item(usize),
    /// An index that no array has.
    Nothing,
}

/// Reads `$`, then `.name`, `['name']` or `[index]` repeatedly.
fn parse_path(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() && steps.len() <= STEPS_MAX {
        let step;
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let name;
            (name, rest) = after.split_at(end);
            if name.is_empty() {
                return None;
            }
            step = Step::Field(name.to_owned());
        } else {
            let after = rest.strip_prefix('[')?;
            let quote = after.chars().next().filter(|c| matches!(c, '\'' | '"'));
            let inner;
            (inner, rest) = match quote {
                Some('"') => after[1..].split_once("\"]")?,
                Some(_) => after[1..].split_once("']")?,
                None => after.split_once(']')?,
            };
            step = match quote {
                Some(_) => Step::Field(inner.to_owned()),
                None => match inner.parse::<i64>().ok()? {
                    index if index >= 0 => Step::Item(usize::try_from(index).ok()?),
                    _ => Step::Nothing,
                },
            };
        }
        steps.push(step);
    }
    (steps.len() <= STEPS_MAX).then_some(steps)
}

fn find(text: &str, path: &[Step]) -> Option<Value> {
    let (mut json, _) = Json::first(text)?;
    for step in path {
        json = match step {
            Step::Field(name) => json.field(name)?,
            Step::Item(at) => json.items()?.nth(*at)?,
            Step::Nothing => return None,
        };
    }
    (json.kind() != Kind::Null).then(|| json_text(&json))
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, resolve_error, value};

    #[test]
    fn value_at_a_path_is_found() {
        let json = || "{\"a\": {\"b\": [1.50, {\"c\": \"x\"}], \"@t\": true, \"d.e\": 1, \"n\": null}}}";
        cases!("EXTRACTJSONFIELD":
            (json(), "$.a.b[0]") => "1.50";
            (json(), "$.a.b[1].c") => "x";
            (json(), "$.a.b[1]") => "{\"c\":\"x\"}";
            (json(), "$.a.@t") => "true";
            (json(), "$.a['d.e']") => "1";
            (json(), "$.a.n") => NULL;
            (json(), "$.a.b[-1]") => NULL;
            (json(), "$.a.b[9]") => NULL;
            (json(), "$.a.b.c") => NULL;
            ("no json", "$.a") => NULL;
            ("[1, 2]", "$[1]") => "2";
            (NULL, "$.a") => NULL;
            ("{\"a\": 1, \"a\": 2}", "$.a") => "2";
            ("{\"a\\u0062\": \"\\u0041\"}", "$.ab") => "A";
        );
    }

    /// Whoever writes one string or key of an event must not hide the others.
    #[test]
    fn no_string_or_key_hides_the_rest() {
        let private = "{\"url\": \"/admin\", \"params\": {\"$serde_json::private::Number\": \"x\"}}";
        let raw = "{\"url\": \"/admin\", \"params\": {\"$serde_json::private::RawValue\": \"[1]\"}}";
        let deep = format!("{{\"url\": \"/admin\", \"params\": {}{}}}", "[".repeat(900), "]".repeat(900));
        let half = "{\"url\": \"/admin\", \"file\": \"a\\ud800\"}";
        cases!("EXTRACTJSONFIELD":
            (private, "$.url") => "/admin";
            (raw, "$.url") => "/admin";
            (raw, "$.params") => "{\"$serde_json::private::RawValue\":\"[1]\"}";
            (deep.as_str(), "$.url") => "/admin";
            (half, "$.url") => "/admin";
            (half, "$.file") => "a\u{fffd}";
        );
    }

    #[test]
    fn malformed_path_is_refused() {
        for path in ["a.b", "$a", "$.", "$..a", "$.a[", "$.a[x]"] {
            resolve_error("EXTRACTJSONFIELD", &[value("{}"), value(path)]);
        }
    }
}
