//! The check that a statement written out reads back as the same statement.

use sql::Statement;

/// Compares without the places, which do change.
#[track_caller]
pub fn check_written_out(statement: &Statement) {
    let text = sql::format_statement(statement);
    let again = match sql::parse_one(&text) {
        Ok(parsed) => parsed.statement,
        Err(error) => panic!("{}", error.render(&text)),
    };
    assert_eq!(without_places(&again), without_places(statement), "{text}");
}

fn without_places(statement: &Statement) -> String {
    let debug = format!("{statement:?}");
    let mut parts = debug.split("Span { ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.split_once(" }").map_or("", |(_, rest)| rest));
    }
    // Whether a name was quoted does not count either.
    out.replace("quoted: true", "").replace("quoted: false", "")
}
