//! Any text as SQL: what parses reads back from its own writing, and no variable or mask changes how many statements
//! there are. The first line is a variable's value, the rest the text.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(all) = std::str::from_utf8(data) else { return Corpus::Reject };
    let (value, text) = all.split_once('\n').unwrap_or(("", all));
    check_split(text);
    check_substitution(text, value);
    let masked = sql::mask(text);
    match sql::parse(text) {
        Ok(statements) => {
            statements.iter().for_each(check_written_out);
            let masked_count = sql::parse(&masked).map(|statements| statements.len());
            assert_eq!(masked_count.ok(), Some(statements.len()), "masked: {masked}");
        }
        Err(error) => drop(error.render(text)),
    }
    if let Ok(expr) = sql::parse_expression(text) {
        let written = sql::format_expression(&expr);
        assert_eq!(sql::parse_expression(&written).as_ref(), Ok(&expr), "{written}");
    }
    let _ = (sql::parse_type(text), sql::parse_columns(text));
    Corpus::Keep
});

/// The pieces stand in the text where they say, one after the other.
fn check_split(text: &str) {
    let mut end = 0;
    for statement in sql::split(text).0 {
        let (from, to) = (statement.span.start as usize, statement.span.end as usize);
        assert!(end <= from && from < to);
        assert_eq!(&text[from..to], statement.text);
        end = to;
    }
}

fn check_substitution(text: &str, value: &str) {
    let variables = BTreeMap::from([("v".to_owned(), value.to_owned())]);
    let (before, rest_before) = sql::split(text);
    if let Ok(after) = sql::substitute(text, &variables) {
        let (statements, rest) = sql::split(&after);
        assert_eq!((statements.len(), rest.is_some()), (before.len(), rest_before.is_some()), "{after:?}");
    }
}

fn check_written_out(parsed: &sql::Parsed) {
    let written = sql::format_statement(&parsed.statement);
    match sql::parse_one(&written) {
        Ok(again) => {
            assert_eq!(without_places(&again.statement), without_places(&parsed.statement), "{written}")
        }
        Err(error) => panic!("{}", error.render(&written)),
    }
}

/// The statement without its places and without whether its names were quoted, which do change.
fn without_places(statement: &sql::Statement) -> String {
    let debug = format!("{statement:?}");
    let mut parts = debug.split("Span { ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.split_once(" }").map_or("", |(_, rest)| rest));
    }
    out.replace("quoted: true", "").replace("quoted: false", "")
}
