//! JSON with rows in it: keys and texts come from events.
//!
//! `serde_json` gives a meaning to some keys (`$serde_json::private::…`) wherever they stand, so that one event could make
//! the answer around it unreadable. Here no key has one.

use formats::json::{Json, Kind};
use serde_json::{Number, Value};

/// Levels that are read; columns have fewer.
const LEVELS_MAX: usize = 128;

/// Reads JSON; `None` if it is none, or is nested deeper than rows can be.
pub fn read(text: &str) -> Option<Value> {
    tree(Json::parse(text)?, LEVELS_MAX)
}

fn tree(json: Json<'_>, levels: usize) -> Option<Value> {
    let levels = levels.checked_sub(1)?;
    if let Some(items) = json.items() {
        return items.map(|item| tree(item, levels)).collect::<Option<_>>().map(Value::Array);
    }
    if let Some(entries) = json.entries() {
        let entries = entries.map(|(key, value)| Some((key.into_owned(), tree(value, levels)?)));
        return entries.collect::<Option<_>>().map(Value::Object);
    }
    if let Some(text) = json.text() {
        return Some(Value::String(text.into_owned()));
    }
    Some(match json.kind() {
        Kind::True => Value::Bool(true),
        Kind::False => Value::Bool(false),
        Kind::Integer | Kind::Number | Kind::Exponent => Value::Number(json.raw().parse::<Number>().ok()?),
        _ => Value::Null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_as_it_stands() {
        let text = r#"["a\u001b",1.50,-1E-7,null,true,{"b":[],"c":false}]"#;
        assert_eq!(read(text), serde_json::from_str(text).ok());
        assert_eq!(read("[1"), None);
        assert_eq!(read(&("[".repeat(500) + &"]".repeat(500))), None);
    }

    #[test]
    fn keys_of_events_mean_nothing() {
        for key in ["$serde_json::private::Number", "$serde_json::private::RawValue"] {
            let row = read(&format!(r#"[{{"{key}":"[1]"}},"\ud800"]"#)).unwrap();
            assert_eq!(row[0][key], "[1]");
            assert_eq!(row[1], "\u{fffd}");
        }
    }
}
