//! ksqlDB's validation cases, where they lie beside the workspace: every statement of a case that is
//! expected to succeed has to parse, and to read back when written out. Skipped where they are not.

#![allow(clippy::unwrap_used, reason = "unwrap is for tests")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

mod written_out;
use written_out::check_written_out;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance/ksqldb");
const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/seeds");

#[test]
fn every_statement_of_the_positive_cases_parses() {
    let files = json_files(Path::new(CASES));
    if files.is_empty() {
        println!("skipped: no cases beside the workspace");
        return;
    }
    let (mut parsed, mut failures) = (0, Vec::new());
    for file in files {
        for (case, statement) in positive_statements(&file) {
            match sql::parse(&statement) {
                Ok(statements) => {
                    parsed += 1;
                    statements.iter().for_each(|each| check_written_out(&each.statement));
                }
                Err(error) => failures.push(format!("{case}\n{}", error.render(&statement))),
            }
        }
    }
    println!("{parsed} statements parse, {} do not", failures.len());
    assert!(parsed > 0, "the cases have no statements");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn statements_with_a_syntax_error_are_refused() {
    let files = json_files(Path::new(CASES));
    if files.is_empty() {
        println!("skipped: no cases beside the workspace");
        return;
    }
    let mut refused = 0;
    for file in files {
        for case in cases(&file) {
            let expected = &case["expectedException"];
            let message = expected["message"].as_str().unwrap_or_default();
            let is_syntax = message.contains("Syntax Error")
                || message.contains("Syntax error")
                || message.contains("Invalid numeric literal")
                || message.contains("overflows DOUBLE");
            let Some(last) = case["statements"].as_array().and_then(|all| all.last()?.as_str()) else {
                continue;
            };
            if is_syntax {
                assert!(sql::parse(last).is_err(), "{last}");
                refused += 1;
            }
        }
    }
    println!("{refused} statements with a syntax error are refused");
    assert!(refused > 0, "the cases have none with a syntax error");
}

#[test]
fn statements_of_the_tutorials_parse() {
    let Ok(entries) = fs::read_dir(SEEDS) else {
        println!("skipped: no tutorials beside the workspace");
        return;
    };
    let (mut parsed, mut failures) = (0, Vec::new());
    for entry in entries {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for statement in tutorial_statements(&text) {
            match sql::parse(&statement) {
                Ok(_) => parsed += 1,
                Err(error) => failures.push(error.render(&statement)),
            }
        }
    }
    println!("{parsed} statements of tutorials parse, {} do not:\n{}", failures.len(), failures.join("\n\n"));
    // The rest has left-out parts (`…`) or other mistakes of the tutorial.
    assert!(parsed >= 30, "only {parsed}");
}

fn json_files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in fs::read_dir(root).into_iter().flatten().flatten() {
        for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            if file.path().extension().is_some_and(|extension| extension == "json") {
                files.push(file.path());
            }
        }
    }
    files.sort();
    files
}

fn cases(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|_| {
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        serde_json::from_str(&lines.join("\n")).unwrap()
    });
    json["tests"].as_array().cloned().unwrap_or_default()
}

/// The statements of the file's cases that expect no error, with the case's name.
fn positive_statements(file: &Path) -> Vec<(String, String)> {
    let mut statements = Vec::new();
    for case in cases(file) {
        if case.get("expectedException").is_some() || case.get("expectedError").is_some() {
            continue;
        }
        for statement in case["statements"].as_array().into_iter().flatten() {
            let name = format!("{}: {}", file.display(), case["name"]);
            statements.push((name, statement.as_str().unwrap().replace("{FORMAT}", "JSON")));
        }
    }
    statements
}

/// What looks like a statement in a tutorial: from a first word at the start of a line to the next `;`.
fn tutorial_statements(text: &str) -> Vec<String> {
    const FIRST_WORDS: [&str; 9] =
        ["CREATE STREAM", "CREATE TABLE", "SELECT", "PRINT", "SHOW", "LIST", "SET", "RUN SCRIPT", "INSERT"];
    let mut statements = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let line_end = rest.find('\n').map_or(rest.len(), |i| i + 1);
        let line = rest.strip_prefix("ksql> ").unwrap_or(rest);
        let is_statement = FIRST_WORDS
            .iter()
            .any(|word| line.strip_prefix(word).is_some_and(|more| more.starts_with(char::is_whitespace)));
        let Some(end) = line.find(';').filter(|_| is_statement) else {
            rest = &rest[line_end..];
            continue;
        };
        statements.push(line[..=end].replace("\n>", "\n"));
        rest = &line[end + 1..];
    }
    statements
}
