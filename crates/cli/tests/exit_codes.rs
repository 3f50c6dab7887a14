//! The program as a whole: what it prints where, and its exit codes.

#![allow(clippy::unwrap_used, reason = "tests; the lint does not see helpers of test files as such")]

use std::process::{Command, Output};

fn tripline(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tripline")).args(arguments).output().unwrap()
}

/// An address at which nobody listens.
fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn failed_statement_is_255_with_the_reason_on_standard_error() {
    let done = tripline(&["sql", &nowhere(), "-e", "SHOW TOPICS;"]);
    assert_eq!(done.status.code(), Some(255));
    assert!(done.stdout.is_empty());
    assert!(String::from_utf8_lossy(&done.stderr).contains("cannot connect"));
}

#[test]
fn https_is_refused_with_a_reason() {
    let done = tripline(&["sql", "https://localhost:8088", "-e", "SHOW TOPICS;"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&done.stderr).contains("only http is spoken"));
}

#[test]
fn unknown_setting_gets_the_nearest_name() {
    let done = tripline(&["config", "--set", "num.stream.thread=3"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&done.stderr).contains("num.stream.threads"), "{done:?}");
}

#[test]
fn config_says_where_a_setting_comes_from() {
    let done = tripline(&["config", "--changed", "--set", "num.stream.threads=3"]);
    let shown = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(shown.contains(" num.stream.threads | 3     | command line "), "{shown}");
}

#[test]
fn kafkas_listeners_are_not_those_of_http() {
    let done = tripline(&["config", "--changed", "--set", "kafka.listeners=none"]);
    let shown = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(shown.contains(" kafka.listeners | none  | command line "), "{shown}");
    assert!(!shown.contains("HTTP"), "{shown}");
}
