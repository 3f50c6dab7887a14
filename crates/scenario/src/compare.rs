//! Expected and actual records next to each other, and the difference as text.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bytes;
use crate::json;
use crate::line::{RecordLine, TimeMark};
use crate::time;

/// Lines on a side up to which the longest common sequence is searched; longer ones are compared in pairs.
const ALIGNED_MAX: usize = 500;

/// A record as it came.
#[derive(Clone, Debug)]
pub(crate) struct Actual {
    pub time: i64,
    pub key: Option<Vec<u8>>,
    pub window: Option<(i64, i64)>,
    pub value: Option<Vec<u8>>,
}

/// A record as it should come, its time worked out.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub time: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub window: Option<(i64, i64)>,
    pub value: Option<Vec<u8>>,
}

/// The records of a block with their times worked out.
pub(crate) fn expected(lines: &[RecordLine]) -> Vec<Expected> {
    let mut previous = 0;
    let mut all = Vec::new();
    for line in lines {
        previous = line.time.resolve(previous);
        all.push(Expected {
            time: (line.time != TimeMark::Unsaid).then_some(previous),
            key: line.key.clone(),
            window: line.window,
            value: line.value.clone(),
        });
    }
    all
}

/// Which order is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The whole.
    All,
    /// That of the records with the same key.
    PerKey,
    /// None.
    None,
}

/// `None` when all is as expected, else the difference.
pub(crate) fn records(expected: &[Expected], actual: &[Actual], order: Order) -> Option<String> {
    let groups = match order {
        Order::All => return difference(expected, actual, same, show_expected, show_actual, true),
        Order::None => return difference(expected, actual, same, show_expected, show_actual, false),
        Order::PerKey => {
            let mut groups: BTreeMap<_, (Vec<Expected>, Vec<Actual>)> = BTreeMap::new();
            for record in expected {
                groups.entry(&record.key).or_default().0.push(record.clone());
            }
            for record in actual {
                groups.entry(&record.key).or_default().1.push(record.clone());
            }
            groups
        }
    };
    let differences: Vec<String> = groups
        .into_iter()
        .filter_map(|(key, (expected, actual))| {
            difference(&expected, &actual, same, show_expected, show_actual, key.is_some())
        })
        .collect();
    (!differences.is_empty()).then(|| differences.concat())
}

/// The same for rows of a query; an expected array has the values only.
pub(crate) fn rows(expected: &[Value], actual: &[Value], is_ordered: bool) -> Option<String> {
    let same = |expected: &Value, actual: &Value| match (expected, actual) {
        (Value::Array(values), Value::Object(row)) => {
            values.len() == row.len() && values.iter().zip(row.values()).all(|(a, b)| json::equal(a, b))
        }
        _ => json::equal(expected, actual),
    };
    let show = |row: &Value| bytes::neutral(&row.to_string());
    difference(expected, actual, same, show, show, is_ordered)
}

fn same(expected: &Expected, actual: &Actual) -> bool {
    expected.time.is_none_or(|time| time == actual.time)
        && expected.window == actual.window
        && same_bytes(expected.key.as_deref(), actual.key.as_deref())
        && same_bytes(expected.value.as_deref(), actual.value.as_deref())
}

/// Byte by byte, or as JSON where that is what is expected.
fn same_bytes(expected: Option<&[u8]>, actual: Option<&[u8]>) -> bool {
    let (Some(expected), Some(actual)) = (expected, actual) else { return expected == actual };
    if expected == actual {
        return true;
    }
    if !matches!(expected.first(), Some(b'{' | b'[')) {
        return false;
    }
    let parse = |bytes| serde_json::from_slice::<Value>(bytes).ok();
    matches!((parse(expected), parse(actual)), (Some(a), Some(b)) if json::equal(&a, &b))
}

fn show(
    time: Option<i64>,
    key: &Option<Vec<u8>>,
    window: Option<(i64, i64)>,
    value: &Option<Vec<u8>>,
) -> String {
    let mut text = time.map_or(String::new(), |ms| format!("@{} ", time::show(ms)));
    if key.is_some() {
        text.push_str(&bytes::show(key.as_deref()));
    }
    if let Some((start, end)) = window {
        text.push_str(&format!("[{},{}]", time::show(start), time::show(end)));
    }
    if !text.is_empty() && !text.ends_with(' ') {
        text.push(' ');
    }
    text + "| " + &bytes::show(value.as_deref())
}

fn show_expected(record: &Expected) -> String {
    show(record.time, &record.key, record.window, &record.value)
}

fn show_actual(record: &Actual) -> String {
    show(Some(record.time), &record.key, record.window, &record.value)
}

/// Lines with `-` were expected and did not come, lines with `+` came and were not expected.
fn difference<E, A>(
    expected: &[E],
    actual: &[A],
    same: impl Fn(&E, &A) -> bool,
    show_expected: impl Fn(&E) -> String,
    show_actual: impl Fn(&A) -> String,
    is_ordered: bool,
) -> Option<String> {
    let pairs = match is_ordered {
        true => aligned(expected, actual, &same),
        false => matched(expected, actual, &same),
    };
    if pairs.len() == expected.len() && pairs.len() == actual.len() {
        return None;
    }
    let mut text = String::new();
    let mut line = |sign: char, record: String| text.push_str(&format!("    {sign} {record}\n"));
    if is_ordered {
        let (mut i, mut j) = (0, 0);
        for (e, a) in pairs.into_iter().chain([(expected.len(), actual.len())]) {
            expected[i..e].iter().for_each(|r| line('-', show_expected(r)));
            actual[j..a].iter().for_each(|r| line('+', show_actual(r)));
            if let Some(record) = actual.get(a) {
                line(' ', show_actual(record));
            }
            (i, j) = (e + 1, a + 1);
        }
    } else {
        let is_missing = |i: &usize| !pairs.iter().any(|(e, _)| e == i);
        let is_extra = |j: &usize| !pairs.iter().any(|(_, a)| a == j);
        (0..expected.len()).filter(is_missing).for_each(|i| line('-', show_expected(&expected[i])));
        (0..actual.len()).filter(is_extra).for_each(|j| line('+', show_actual(&actual[j])));
    }
    Some(text)
}

/// Pairs of the longest common sequence, in order.
fn aligned<E, A>(expected: &[E], actual: &[A], same: &impl Fn(&E, &A) -> bool) -> Vec<(usize, usize)> {
    let (n, m) = (expected.len(), actual.len());
    if n > ALIGNED_MAX || m > ALIGNED_MAX {
        return (0..n.min(m)).filter(|i| same(&expected[*i], &actual[*i])).map(|i| (i, i)).collect();
    }
    let mut lengths = vec![vec![0u32; m + 1]; n + 1];
    let mut equal = vec![vec![false; m]; n];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            equal[i][j] = same(&expected[i], &actual[j]);
            lengths[i][j] = match equal[i][j] {
                true => lengths[i + 1][j + 1] + 1,
                false => lengths[i + 1][j].max(lengths[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < n && j < m {
        if equal[i][j] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if lengths[i + 1][j] >= lengths[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

/// Each expected one with the first that is the same and not taken yet.
fn matched<E, A>(expected: &[E], actual: &[A], same: &impl Fn(&E, &A) -> bool) -> Vec<(usize, usize)> {
    let mut taken = vec![false; actual.len()];
    let mut pairs = Vec::new();
    for (i, e) in expected.iter().enumerate() {
        if let Some(j) = (0..actual.len()).find(|j| !taken[*j] && same(e, &actual[*j])) {
            taken[j] = true;
            pairs.push((i, j));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], came: &[(&str, &str)], order: Order, difference: Option<&str>) {
        let lines: Vec<_> = lines.iter().map(|text| RecordLine::parse(text, 1).unwrap()).collect();
        let came: Vec<_> = came
            .iter()
            .map(|(key, value)| Actual {
                time: 0,
                key: (!key.is_empty()).then(|| key.as_bytes().to_vec()),
                window: None,
                value: Some(value.as_bytes().to_vec()),
            })
            .collect();
        let found = records(&expected(&lines), &came, order);
        assert_eq!(found.as_deref(), difference);
    }

    #[test]
    fn the_same_records_differ_in_nothing() {
        check(&["@0 a | {\"x\":1.0}", "b | 2"], &[("a", "{ \"x\": 1 }"), ("b", "2")], Order::All, None);
    }

    #[test]
    fn a_difference_shows_both_sides() {
        check(
            &["a | 1", "a | 2", "a | 3"],
            &[("a", "1"), ("a", "x\u{1b}"), ("a", "3")],
            Order::All,
            Some("      @0 a | 1\n    - a | 2\n    + @0 a | hex(781b)\n      @0 a | 3\n"),
        );
    }

    #[test]
    fn per_key_only_the_order_of_a_key_counts() {
        check(&["a | 1", "b | 1", "a | 2"], &[("b", "1"), ("a", "1"), ("a", "2")], Order::PerKey, None);
        check(
            &["a | 1", "a | 2"],
            &[("a", "2"), ("a", "1")],
            Order::PerKey,
            Some("    - a | 1\n      @0 a | 2\n    + @0 a | 1\n"),
        );
        check(&["| 1", "| 2"], &[("", "2"), ("", "1")], Order::PerKey, None);
    }

    #[test]
    fn unordered_records_are_counted() {
        check(&["| 1", "| 1"], &[("", "1")], Order::None, Some("    - | 1\n"));
        check(&["| 1"], &[("", "1"), ("", "1")], Order::None, Some("    + @0 | 1\n"));
    }
}
