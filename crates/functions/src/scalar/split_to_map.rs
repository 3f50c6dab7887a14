//! SPLIT_TO_MAP: `key=value` pairs of a text as a map.

use types::{Map, Value};

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("SPLIT_TO_MAP", "STRING", "Splits into entries, and each entry into key and value.")
            .overload(
                "(STRING, STRING, STRING) → MAP<STRING, STRING>",
                lift!(|text: &str, entry: &str, pair: &str| split_to_map(text, entry, pair)),
            ),
    ]
}

/// Entries that are not exactly a pair are left out; the last of equal keys wins.
fn split_to_map(text: &str, entry_delimiter: &str, pair_delimiter: &str) -> Option<Map> {
    if entry_delimiter.is_empty() || pair_delimiter.is_empty() {
        return None;
    }
    let entries = text.split(entry_delimiter).filter_map(|entry| {
        let (key, value) = entry.split_once(pair_delimiter)?;
        (!value.contains(pair_delimiter)).then(|| (Value::text(key), Value::text(value)))
    });
    Some(entries.collect())
}

#[cfg(test)]
mod tests {
    use types::Value;

    use crate::testing::{NULL, cases, map};

    #[test]
    fn pairs_become_entries() {
        cases!("SPLIT_TO_MAP":
            ("a:1;b:2", ";", ":") => map([("a", Value::text("1")), ("b", Value::text("2"))]);
            ("a:1;;b;c:1:2;a:3", ";", ":") => map([("a", Value::text("3"))]);
            ("a:", ";", ":") => map([("a", Value::text(""))]);
            ("a:1", "", ":") => NULL;
            ("a:1", NULL, ":") => NULL;
        );
    }
}
