//! Servers killed while they make directories, topics and queries: they start again, and the statements can be given
//! once more.
//!
//! The moments are those at which one more topic appears on disk, from the very first start on.

use crate::case::{self, Case};
use crate::process::{ServerProcess, tripline};

/// Topics that a server makes before it listens.
const OWN_TOPICS: usize = 2;

fn run(case: Option<Case>, topics: usize) {
    let Some(case) = case else { return };
    let mut server = ServerProcess::start_after_kills(3, OWN_TOPICS);
    for count in OWN_TOPICS..=topics {
        // Twice: once it is half made, once it is there.
        for _ in 0..2 {
            server.kill_at_topics(&case.repeatable_sql(), count);
            server.restart();
        }
    }
    server.execute(&case.repeatable_sql());
    assert_eq!(server.topic_count(), topics);
    case.replay(&format!("http://{}", server.address));
    case.check(&server);
}

#[test]
fn queries_are_made_once_over_kills() {
    // conn, dns, the joined stream and its changelog.
    run(case::short_look_ups(), OWN_TOPICS + 4);
}

#[test]
fn chains_of_queries_are_made_once_over_kills() {
    // winlogbeat, re-keyed, created, connected, joined and its changelog, three tables and theirs.
    run(case::microphone(), OWN_TOPICS + 12);
}

#[test]
fn second_server_on_a_directory_is_refused_and_missing_ones_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(1);
    let start = |data: &std::path::Path, listen: &str| {
        tripline()
            .args(["server", "--kafka-listen", "none", "--listen", listen, "--data"])
            .arg(data)
            .output()
            .unwrap()
    };
    let refused = start(&server.data(), "127.0.0.1:0");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(told.contains("is in use by another server (process "), "{told}");
    // The first one goes on.
    server.execute("CREATE STREAM s (a INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');");

    let missing = folder.path().join("not/there");
    let port_in_use = start(&missing, &server.address);
    assert!(String::from_utf8_lossy(&port_in_use.stderr).contains("cannot listen"));
    assert!(missing.join("log").is_dir());
}
