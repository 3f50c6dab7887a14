//! No text makes the parser panic, hang or overflow its stack, and errors say what helps.

#![allow(clippy::unwrap_used, reason = "unwrap is for tests")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sql::{NESTING_MAX, SqlErrorCode, TREE_HEIGHT_MAX};

/// Runs everything that takes text from outside.
fn run_all(text: &str) {
    if let Err(error) = sql::parse(text) {
        error.render(text);
    }
    for statement in sql::parse(text).into_iter().flatten() {
        sql::format_statement(&statement.statement);
    }
    let _ =
        (sql::parse_one(text), sql::parse_expression(text), sql::parse_type(text), sql::parse_columns(text));
    sql::split(text);
    sql::mask(text);
    let _ = sql::substitute(text, &[("A".to_owned(), "b".to_owned())].into());
}

/// Words, marks and pieces that often mean something together.
fn soup() -> impl Strategy<Value = String> {
    const MARKS: &[&str] = &[
        "(",
        ")",
        "[",
        "]",
        "<",
        ">",
        ",",
        ";",
        ".",
        "=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "->",
        "=>",
        ":=",
        "||",
        "!=",
        "'a'",
        "\"b\"",
        "`c`",
        "'",
        "`",
        "--",
        "/*",
        "*/",
        "\\",
        "\n",
        "1",
        "2.5",
        "3e9",
        "4x",
        "99999999999999999999",
        "a",
        "b",
        "f(",
        "ARRAY<",
        "STRUCT<",
        "MAP(",
        "x =>",
        "(x, y) =>",
        "${a}",
        "CREATE STREAM",
        "GROUP BY",
        "é",
        "@",
    ];
    let words: Vec<&str> = sql::KEYWORDS.iter().chain(MARKS).copied().collect();
    proptest::collection::vec(proptest::sample::select(words), 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_does_no_harm(text in any::<String>()) {
        run_all(&text);
    }

    #[test]
    fn soup_of_words_does_no_harm(text in soup()) {
        run_all(&text);
    }

    #[test]
    fn soup_behind_a_good_start_does_no_harm(text in soup()) {
        run_all(&format!("SELECT a, b FROM c WHERE {text}"));
        run_all(&format!("CREATE STREAM a (b INT, {text}"));
    }
}

#[track_caller]
fn check_too_deep(text: &str) {
    assert_eq!(sql::parse(text).unwrap_err().code, SqlErrorCode::TooDeep, "{}", &text[..60]);
}

#[test]
fn deep_nesting_is_refused() {
    for open in [
        "(",
        "-(",
        "NOT ",
        "- ",
        "+ ",
        "f(",
        "a[",
        "ARRAY[",
        "CASE WHEN ",
        "g(x => ",
        "CAST(",
        "STRUCT(a := ",
    ] {
        check_too_deep(&format!("SELECT {}", open.repeat(100_000)));
    }
    for more in ["->a", "[1]", " + 1", " || b"] {
        check_too_deep(&format!("SELECT a{} FROM b", more.repeat(100_000)));
    }
    check_too_deep(&"EXPLAIN ".repeat(100_000));
    for open in ["ARRAY<", "MAP<INT, ", "STRUCT<a "] {
        check_too_deep(&format!("CREATE TYPE a AS {}", open.repeat(100_000)));
    }
    check_too_deep(&format!("CREATE TYPE a AS INT{}", " ARRAY".repeat(100_000)));
    // Height grows by brackets and by chains together.
    let text = format!("{}a{}", "(".repeat(50), format!("{})", " + 1".repeat(100)).repeat(50));
    assert_eq!(sql::parse_expression(&text).unwrap_err().code, SqlErrorCode::TooDeep);
}

#[test]
fn nesting_and_height_up_to_the_bounds_are_fine() {
    let depth = NESTING_MAX - 2;
    sql::parse_expression(&format!("{}a{}", "(".repeat(depth), ")".repeat(depth))).unwrap();
    let expr = sql::parse_expression(&format!("a{}", " + 1".repeat(TREE_HEIGHT_MAX - 1))).unwrap();
    assert_eq!(sql::parse_expression(&sql::format_expression(&expr)).unwrap(), expr);
}

#[test]
fn long_texts_take_linear_time() {
    let texts = [
        format!("SELECT {} FROM b", vec!["a"; 50_000].join(", ")),
        format!("SELECT a FROM b WHERE {}", vec!["a = 'x'"; 50_000].join(" AND ")),
        format!("SELECT a FROM b WHERE a IN ({})", vec!["'x'"; 50_000].join(", ")),
        "SELECT ".repeat(50_000),
        "'".repeat(100_001),
        "/*".repeat(100_000),
        "${".repeat(100_000),
        "f((((x, y), ".repeat(10_000),
    ];
    for text in texts {
        let start = Instant::now();
        run_all(&text);
        assert!(start.elapsed() < Duration::from_secs(5), "{} took {:?}", &text[..30], start.elapsed());
    }
}

#[track_caller]
fn check_error(text: &str, expect: &str) {
    assert_eq!(sql::parse(text).unwrap_err().render(text), expect);
}

#[test]
fn mistyped_keyword_is_named() {
    check_error(
        "SELECT * FORM x;",
        "unexpected \"FORM\"   line 1:10\n  SELECT * FORM x;\n           ^^^^\n  hint: did you mean FROM?",
    );
    check_error(
        "SELECT a FORM x",
        "unexpected \"FORM\"   line 1:10\n  SELECT a FORM x\n           ^^^^\n  hint: did you mean FROM?",
    );
    check_error(
        "SELECT a FROM b WHER x = 1",
        "unexpected \"WHER\"   line 1:17\n  SELECT a FROM b WHER x = 1\n                  ^^^^\n  hint: did you mean WHERE?",
    );
    check_error(
        "SELECT a FROM b EMIT CHANGE",
        "unexpected \"CHANGE\"   line 1:22\n  SELECT a FROM b EMIT CHANGE\n                       ^^^^^^\n  hint: did you mean CHANGES?",
    );
    check_error(
        "SELCT 1",
        "unexpected \"SELCT\"   line 1:1\n  SELCT 1\n  ^^^^^\n  hint: did you mean SELECT?",
    );
}

#[test]
fn hints_say_what_to_write() {
    #[track_caller]
    fn check(text: &str, message: &str, hint: &str) {
        let error = sql::parse(text).unwrap_err();
        assert_eq!((&*error.message, error.hint.as_deref().unwrap_or("")), (message, hint));
    }
    check(
        "SELECT query FROM dns",
        "expression expected, but \"QUERY\" is a reserved word",
        "write `QUERY` in backticks to use it as a name",
    );
    check("CREATE STREAM 1abc (a INT)", "name \"1abc\" begins with a digit", "write it in backticks: `1abc`");
    check(
        "CREATE STREAM a (b DECIMAL)",
        "DECIMAL needs a precision and a scale",
        "write DECIMAL(precision, scale), for example DECIMAL(10, 2)",
    );
    check(
        "CREATE STREAM a (b INT) WITH (VALUE_FORMAT=JSON)",
        "unexpected \"JSON\" as the value of a property",
        "put it in single quotes: 'JSON'",
    );
    check(
        "SELECT a FROM b WHERE c = ’x’",
        "unexpected \"’\"",
        "typographic quotes are not quotes: write ' around texts and ` around names",
    );
    check(
        "SELECT a FROM b ORDER BY c",
        "unexpected \"ORDER\"",
        "ORDER BY is not supported: a stream has no end to sort up to",
    );
    check("SELECT a = b = c FROM d", "unexpected \"=\", expected AS, \",\" or FROM", "");
    check("SELECT a FROM", "name of the source expected at the end", "");
    check(
        "SELECT 99999999999999999999 FROM a",
        "invalid numeric literal: 99999999999999999999 is out of range",
        "",
    );
    check("SELECT a FROM b GROUP BY c AND d", "unexpected \"AND\"", "");
}
