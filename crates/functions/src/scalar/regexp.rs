//! REGEXP_EXTRACT, REGEXP_EXTRACT_ALL, REGEXP_REPLACE, REGEXP_SPLIT_TO_ARRAY.

use regex::{Captures, Regex};
use types::{EvalError, Value};

use super::bounded::{TEXT_BYTES_MAX, too_long};
use crate::adapter::lift;
use crate::function::Scalar;
use crate::java_regex::compile;
use crate::prepared::Prepared;
use crate::registry::{FunctionError, ScalarCode};
use crate::signature::Resolved;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("REGEXP_EXTRACT", "REGULAR_EXPRESSION", "Returns the first match, or a group of it.")
            .overload_with("(STRING, STRING) → STRING", |call| {
                with_pattern(call, 0, |pattern| {
                    lift!(|p: &str, text: &str| extract(pattern.get(p)?.as_ref(), text, 0))
                })
            })
            .overload_with("(STRING, STRING, INT) → STRING", |call| {
                with_pattern(call, 0, |pattern| {
                    lift!(|p: &str, text: &str, group: i32| extract(pattern.get(p)?.as_ref(), text, group))
                })
            }),
        Scalar::new("REGEXP_EXTRACT_ALL", "REGULAR_EXPRESSION", "Returns all matches, or a group of each.")
            .overload_with("(STRING, STRING) → ARRAY<STRING>", |call| {
                with_pattern(call, 0, |pattern| {
                    lift!(|p: &str, text: &str| extract_all(pattern.get(p)?.as_ref(), text, 0))
                })
            })
            .overload_with("(STRING, STRING, INT) → ARRAY<STRING>", |call| {
                with_pattern(call, 0, |pattern| {
                    lift!(|p: &str, text: &str, group: i32| extract_all(
                        pattern.get(p)?.as_ref(),
                        text,
                        group
                    ))
                })
            }),
        Scalar::new("REGEXP_REPLACE", "REGULAR_EXPRESSION", "Replaces every match; $1 stands for a group.")
            .overload_with("(STRING, STRING, STRING) → STRING", |call| {
                with_pattern(call, 1, |pattern| {
                    lift!(|text: &str, p: &str, new: &str| replace(pattern.get(p)?.as_ref(), text, new))
                })
            }),
        Scalar::new("REGEXP_SPLIT_TO_ARRAY", "REGULAR_EXPRESSION", "Splits at every match.").overload_with(
            "(STRING, STRING) → ARRAY<STRING>",
            |call| {
                with_pattern(call, 1, |pattern| {
                    lift!(|text: &str, p: &str| split(pattern.get(p)?.as_ref(), text))
                })
            },
        ),
    ]
}

fn with_pattern(
    call: &Resolved,
    at: usize,
    code: impl Fn(Prepared<Regex>) -> ScalarCode,
) -> Result<ScalarCode, FunctionError> {
    Ok(code(Prepared::of(call, at, compile)?))
}

/// The group, if the pattern has it.
fn group_of(regex: &Regex, group: i32) -> Option<usize> {
    usize::try_from(group).ok().filter(|group| *group < regex.captures_len())
}

fn extract(regex: &Regex, text: &str, group: i32) -> Option<Value> {
    let group = group_of(regex, group)?;
    regex.captures(text).and_then(|found| found.get(group)).map(|found| Value::text(found.as_str()))
}

fn extract_all(regex: &Regex, text: &str, group: i32) -> Option<Vec<Value>> {
    let group = group_of(regex, group)?;
    let matches = regex.captures_iter(text);
    let texts =
        matches.map(|found| found.get(group).map_or(Value::Null, |found| Value::text(found.as_str())));
    Some(texts.collect())
}

fn replace(regex: &Regex, text: &str, new: &str) -> Result<String, EvalError> {
    let (mut out, mut end) = (String::new(), 0);
    for found in regex.captures_iter(text) {
        let whole = found.get_match();
        out.push_str(&text[end..whole.start()]);
        expand(&found, new, &mut out)?;
        end = whole.end();
        if out.len() > TEXT_BYTES_MAX.max(text.len()) {
            return Err(too_long("REGEXP_REPLACE"));
        }
    }
    out.push_str(&text[end..]);
    Ok(out)
}

/// Java's replacement syntax: `$1`, `${name}`, and `\` before a character that stands for itself.
fn expand(found: &Captures<'_>, new: &str, out: &mut String) -> Result<(), EvalError> {
    let malformed = || EvalError::new(format!("malformed replacement \"{new}\""));
    let mut rest = new;
    while let Some(at) = rest.find(['\\', '$']) {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if rest.as_bytes()[at] == b'\\' {
            let c = after.chars().next().ok_or_else(malformed)?;
            out.push(c);
            rest = &after[c.len_utf8()..];
        } else if let Some((name, after)) = after.strip_prefix('{').and_then(|name| name.split_once('}')) {
            out.push_str(found.name(name).map_or("", |group| group.as_str()));
            rest = after;
        } else {
            let digits = group_digits(after, found.len()).ok_or_else(malformed)?;
            let group = after[..digits].parse().map_err(|_| malformed())?;
            out.push_str(found.get(group).map_or("", |group| group.as_str()));
            rest = &after[digits..];
        }
    }
    out.push_str(rest);
    Ok(())
}

/// How many digits name a group: as many as still name one that exists.
fn group_digits(text: &str, groups: usize) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (1..=digits.min(4)).rev().find(|n| text[..*n].parse::<usize>().is_ok_and(|group| group < groups))
}

/// Empty matches split between characters.
fn split(regex: &Regex, text: &str) -> Vec<Value> {
    let (mut parts, mut start) = (Vec::new(), 0);
    for found in regex.find_iter(text) {
        if found.is_empty() && (found.start() == 0 || found.end() == text.len()) {
            continue;
        }
        parts.push(Value::text(&text[start..found.start()]));
        start = found.end();
    }
    parts.push(Value::text(&text[start..]));
    parts
}

#[cfg(test)]
mod tests {
    use types::{DataType, Value};

    use crate::testing::{NULL, cases, fails, list, resolve_error, value};
    use crate::{Arg, ArgType, library};

    #[test]
    fn first_match_or_group_is_extracted() {
        cases!("REGEXP_EXTRACT":
            ("(.*) (.*)", "jane doe", 2) => "doe";
            ("t.", "a test") => "te";
            ("x", "a test") => NULL;
            ("(a)", "a", 2) => NULL;
            ("(a)|(b)", "b", 1) => NULL;
            ("(a)", "a", -1) => NULL;
            ("a", NULL) => NULL;
        );
    }

    #[test]
    fn all_matches_are_extracted() {
        cases!("REGEXP_EXTRACT_ALL":
            ("t.st", "test tost") => list(["test", "tost"]);
            ("x", "test") => list([""; 0]);
            (r"(\w+) (\w*)", "a b c ", 2) => list(["b", ""]);
            ("a", "a", 1) => NULL;
        );
    }

    #[test]
    fn matches_are_replaced() {
        cases!("REGEXP_REPLACE":
            ("baababaa", "(ab)+", "cat") => "bacataa";
            ("john doe", r"(\w+) (\w+)", "$2 $1") => "doe john";
            ("a1", r"(?<n>\d)", r"<${n}\$>") => "a<1$>";
            ("aaa", "(a)", "$10") => "a0a0a0";
            ("abc", "", "-") => "-a-b-c-";
            (NULL, "a", "b") => NULL;
        );
        fails!("REGEXP_REPLACE": ("a", "a", "$"); ("a", "a", "$5"); ("a".repeat(9000), "a", "b".repeat(9000)););
    }

    #[test]
    fn text_is_split_at_matches() {
        cases!("REGEXP_SPLIT_TO_ARRAY":
            ("aabcda", "(ab|cd)") => list(["a", "", "a"]);
            ("zxy", "(ab|cd)") => list(["zxy"]);
            ("a-", "-") => list(["a", ""]);
            ("abc", "") => list(["a", "b", "c"]);
        );
    }

    #[test]
    fn wrong_literal_pattern_is_refused_at_once() {
        let error = resolve_error("REGEXP_EXTRACT", &[value("(?=a)"), value("a")]);
        assert!(error.to_string().contains("look-around"), "{error}");
    }

    #[test]
    fn pattern_from_a_column_is_compiled_for_each_row() {
        let column = || ArgType::Value(DataType::String, None);
        let call = library().scalar("REGEXP_EXTRACT", &[column(), column()]).unwrap();
        let run = |pattern| (call.code)(&[Arg::Value(value(pattern)), Arg::Value(value("ab"))]);
        assert_eq!(run("b"), Ok(Value::text("b")));
        assert_eq!(run("^a"), Ok(Value::text("a")));
        assert!(run("(").is_err());
    }
}
