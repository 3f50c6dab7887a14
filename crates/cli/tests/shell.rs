//! The shell's own promises, kept by the real program against a real server.

#![allow(clippy::unwrap_used, reason = "tests; the lint does not see helpers of test files as such")]

mod program;

use program::{Server, tripline};

const CONN: &str = "CREATE STREAM conn (uid VARCHAR, n INT) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON');";

fn server() -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let lines: Vec<String> =
        (0..5).map(|n| format!(r#"{{"ts":158936440{n}.5,"uid":"C{n}","n":{n}}}"#)).collect();
    server.replay("conn", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    server.sql(CONN);
    (server, folder)
}

#[test]
fn query_that_shows_nothing_says_how_to_read_what_is_there() {
    let (server, _folder) = server();
    let mut pasted = server.paste("SELECT * FROM conn EMIT CHANGES;\n", &[]);
    assert!(pasted.wait_for(|line| line.contains("SET 'auto.offset.reset'='earliest';")));
    pasted.interrupt();
    let shown = pasted.finish();
    assert!(shown.out.ends_with("Query terminated\n"), "{shown:?}");
    // Told once rows come, it would be in the way.
    let shown = server.sql("SET 'auto.offset.reset'='earliest'; SELECT * FROM conn EMIT CHANGES LIMIT 2;");
    assert_eq!(shown.matches("auto.offset.reset").count(), 1, "{shown}");
    assert!(shown.ends_with("Limit Reached\nQuery terminated\n"), "{shown}");
}

#[test]
fn interrupt_ends_the_query_and_what_follows_is_run() {
    let (server, _folder) = server();
    let text = "SELECT * FROM conn EMIT CHANGES;\nSHOW STREAMS;\nPRINT 'conn';\nversion\n";
    let mut pasted = server.paste(text, &[]);
    assert!(pasted.wait_for(|line| line.starts_with("|UID")));
    pasted.interrupt();
    assert!(pasted.wait_for(|line| line == "Query terminated"));
    assert!(pasted.wait_for(|line| line.starts_with(" CONN  ")));
    // The PRINT that follows is ended in the same way, whenever it begins to listen; what comes then asks nobody, so that
    // no interrupt can meet it.
    while !pasted.has_ended() {
        pasted.interrupt();
        std::thread::yield_now();
    }
    let shown = pasted.finish();
    assert!(shown.out.contains("Topic printing ceased\n"), "{shown:?}");
    assert!(shown.out.ends_with(&format!("Version: {}\n", env!("CARGO_PKG_VERSION"))), "{shown:?}");
    assert_eq!(shown.code, Some(0), "{shown:?}");
    // On the server nothing is left of them.
    let queries = server.until(|server| server.sql("SHOW QUERIES;"), |shown| !shown.contains("transient"));
    assert!(!queries.contains("PUSH"), "{queries}");
}

#[test]
fn everything_can_be_listed_described_and_explained() {
    let (server, _folder) = server();
    let earliest = "SET 'auto.offset.reset'='earliest';";
    server.sql(&format!(
        "{earliest} CREATE TABLE counts AS SELECT uid, COUNT(*) AS c FROM conn WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY uid; \
         CREATE TYPE address AS STRUCT<street VARCHAR>;"
    ));
    server.until(
        |server| server.sql("DESCRIBE conn EXTENDED;"),
        // All are read, and their results committed: no lag.
        |shown| shown.contains("consumer-total-messages:         5") && shown.contains("| 0   \n"),
    );
    let cases = [
        ("SHOW STREAMS;", &[" Stream Name ", " CONN "][..]),
        ("LIST TABLES;", &[" COUNTS ", " true "]),
        ("SHOW STREAMS EXTENDED;", &["Name                 : CONN", "Queries that read from this SOURCE"]),
        ("SHOW TABLES EXTENDED;", &["Name                 : COUNTS", "Window type: TUMBLING"]),
        ("SHOW TOPICS;", &[" conn ", " COUNTS "]),
        ("SHOW ALL TOPICS;", &["-changelog "]),
        ("SHOW TOPICS EXTENDED;", &[" ConsumerGroups ", "| 1         | 1 "]),
        ("SHOW QUERIES;", &[" CTAS_COUNTS_", "RUNNING:1"]),
        ("SHOW QUERIES EXTENDED;", &["Execution plan", "AGGREGATE COUNT TUMBLING 60000 ms"]),
        ("SHOW FUNCTIONS;", &[" SUBSTRING ", " EARLIEST_BY_OFFSET ", " EXPLODE "]),
        ("SHOW TYPES;", &[" ADDRESS ", "STRUCT<STREET VARCHAR>"]),
        ("SHOW PROPERTIES;", &[" auto.offset.reset ", " latest "]),
        ("DESCRIBE counts;", &["UID   | VARCHAR(STRING)  (primary key) (Window type: TUMBLING)"]),
        ("DESCRIBE counts EXTENDED;", &["total-messages:         5", "Queries that write from this SOURCE"]),
        ("DESCRIBE conn EXTENDED;", &["Consumer Group ", "| 0   \n"]),
        ("DESCRIBE STREAMS EXTENDED;", &["KSQL_PROCESSING_LOG"]),
        ("DESCRIBE FUNCTION substring;", &["SUBSTRING(STRING, INT, INT)"]),
        (
            "EXPLAIN SELECT uid FROM conn WHERE n > 1 EMIT CHANGES;",
            &["> [ FILTER ]", "SOURCE CONN topic conn"],
        ),
        ("PRINT 'conn' FROM BEGINNING LIMIT 1;", &["Value format: JSON", "\"uid\":\"C0\""]),
        ("PRINT 'conn' FROM BEGINNING INTERVAL 2 LIMIT 2;", &["\"uid\":\"C0\"", "\"uid\":\"C2\""]),
        ("SELECT * FROM counts WHERE uid='C3';", &["|C3 ", "|1589364360000 ", "Query terminated"]),
    ];
    for (text, wanted) in cases {
        let shown = server.sql(text);
        for each in wanted {
            assert!(shown.contains(each), "{text}: no {each} in {shown}");
        }
    }
    let id = server.sql("SHOW QUERIES;");
    let id = id.split_whitespace().find(|word| word.starts_with("CTAS_COUNTS_")).unwrap();
    assert!(server.sql(&format!("EXPLAIN {id};")).contains("Overridden Properties"));
    for (text, state) in [("PAUSE", "PAUSED"), ("RESUME", "RUNNING")] {
        server.sql(&format!("{text} {id};"));
        assert!(server.sql("SHOW QUERIES;").contains(state));
    }
    assert!(server.sql(&format!("TERMINATE {id}; DROP TABLE counts DELETE TOPIC;")).contains("dropped"));
}

#[test]
fn session_of_one_shell_is_kept_and_shown() {
    let (server, folder) = server();
    let spool = folder.path().join("spool.txt");
    let script = folder.path().join("script.sql");
    std::fs::write(&script, "-- a script\nSET 'auto.offset.reset'='earliest';\nDEFINE who = 'C3';\n")
        .unwrap();
    let text = format!(
        "spool '{spool}'\nDEFINE t = 'conn';\nRUN SCRIPT '{script}';\nSHOW VARIABLES;\n\
         SELECT n FROM ${{t}} WHERE uid = '${{who}}' EMIT CHANGES LIMIT 1;\nspool off\n\
         UNDEFINE who;\nUNSET 'auto.offset.reset';\nSET 'my.password'='hunter2';\n",
        spool = spool.display(),
        script = script.display()
    );
    let shown = server.paste(&text, &[]).finish();
    assert!(shown.out.contains(" T             | conn  "), "{shown:?}");
    assert!(shown.out.contains("|3 "), "{shown:?}");
    assert!(shown.out.contains("(value was 'earliest')"), "{shown:?}");
    assert!(shown.errors.contains("unknown property \"my.password\""), "{shown:?}");
    assert!(!shown.out.contains("hunter2") && !shown.errors.contains("hunter2"), "{shown:?}");
    let spooled = std::fs::read_to_string(spool).unwrap();
    assert!(spooled.contains("|3 ") && !spooled.contains("value was"), "{spooled}");
    let help = server.sql("help;");
    assert!(help.contains("RUN SCRIPT") || help.contains("run script"), "{help}");
    let bad = server.try_sql("SET 'auto.offset.reset'='earlyest';");
    assert!(String::from_utf8_lossy(&bad.stderr).contains("one of latest, earliest"), "{bad:?}");
    let bad = server.try_sql("SET 'listeners'='x';");
    assert!(String::from_utf8_lossy(&bad.stderr).contains("cannot be changed by SET"), "{bad:?}");
}

#[test]
fn consume_begins_where_it_is_told() {
    let (server, _folder) = server();
    let consume = |arguments: &[&str]| {
        let all = ["topic", "consume", "conn", "--exit", "-f", "%o ", "--server", &server.url];
        let done = tripline().args(all).args(arguments).output().unwrap();
        String::from_utf8(done.stdout).unwrap()
    };
    assert_eq!(consume(&["--from-beginning"]), "0 1 2 3 4 ");
    assert_eq!(consume(&["--offset", "3"]), "3 4 ");
    assert_eq!(consume(&["-o", "1", "--limit", "2"]), "1 2 ");
    assert_eq!(consume(&["--offset", "99"]), "");
    assert_eq!(consume(&[]), "");
}
