//! AS_MAP, ENTRIES, MAP_KEYS, MAP_UNION, MAP_VALUES.

use types::{Map, Value};

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    let entries = |is_sorted: &str| {
        ["INT", "BIGINT", "DOUBLE", "BOOLEAN", "STRING"]
            .map(|value| format!("(MAP<STRING, {value}>, {is_sorted}) → ARRAY<STRUCT<K STRING, V {value}>>"))
    };
    vec![
        Scalar::new("AS_MAP", "MAP", "Makes a map of an array of keys and one of values.").overload(
            "(ARRAY<STRING>, ARRAY<T>) → MAP<STRING, T>",
            lift!(|keys: &[Value], values: &[Value]| {
                keys.iter().cloned().zip(values.iter().cloned()).collect::<Map>()
            }),
        ),
        entries("BOOLEAN").iter().fold(
            Scalar::new("ENTRIES", "MAP", "Returns the entries of a map as structs, sorted by key."),
            |function, signature| {
                // Maps are always in the order of their keys, so there is nothing to sort.
                function.overload(signature, lift!(|map: &Map, _is_sorted: bool| entries_of(map)))
            },
        ),
        Scalar::new("MAP_KEYS", "MAP", "Returns the keys of a map.").overload(
            "(MAP<STRING, T>) → ARRAY<STRING>",
            lift!(|map: &Map| map.keys().cloned().collect::<Vec<_>>()),
        ),
        Scalar::new("MAP_UNION", "MAP", "Joins two maps; the second wins where both have a key.").overload(
            "(MAP<STRING, T>, MAP<STRING, T>) → MAP<STRING, T>",
            lift!(|left: Option<&Map>, right: Option<&Map>| union(left, right)),
        ),
        Scalar::new("MAP_VALUES", "MAP", "Returns the values of a map, in the order of their keys.")
            .overload(
                "(MAP<STRING, T>) → ARRAY<T>",
                lift!(|map: &Map| map.values().cloned().collect::<Vec<_>>()),
            ),
    ]
}

fn entries_of(map: &Map) -> Vec<Value> {
    map.iter().map(|(key, value)| Value::structure(vec![key.clone(), value.clone()])).collect()
}

fn union(left: Option<&Map>, right: Option<&Map>) -> Option<Map> {
    let mut union = left.or(right)?.clone();
    union.extend(right.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    Some(union)
}

#[cfg(test)]
mod tests {
    use types::Value;

    use crate::testing::{NULL, cases, list, map, value};

    #[test]
    fn maps_are_made_and_taken_apart() {
        let ab = || map([("a", value(1)), ("b", value(2))]);
        cases!("AS_MAP": (list(["a", "b"]), list([1, 2, 3])) => ab(); (NULL, list([1])) => NULL;);
        cases!("MAP_KEYS": (ab()) => list(["a", "b"]); (NULL) => NULL;);
        cases!("MAP_VALUES": (ab()) => list([1, 2]););
        let entry = |key, v: i32| Value::structure(vec![value(key), value(v)]);
        cases!("ENTRIES": (ab(), false) => list([entry("a", 1), entry("b", 2)]););
    }

    #[test]
    fn second_map_wins() {
        let (left, right) = (map([("a", value(1)), ("b", value(2))]), map([("b", value(3))]));
        cases!("MAP_UNION":
            (left, right.clone()) => map([("a", value(1)), ("b", value(3))]);
            (NULL, right.clone()) => right;
            (NULL, NULL) => NULL;
        );
    }
}
