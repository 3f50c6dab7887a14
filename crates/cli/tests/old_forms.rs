//! The forms of KSQL 5 that security tutorials still show: each row of the comparison of old and new syntax is a
//! case here, run by the real shell on a real server.

#![allow(clippy::unwrap_used, reason = "tests; the lint does not see helpers of test files as such")]

mod program;

use program::Server;

/// What statements must do.
enum Outcome {
    /// Succeed and show these texts.
    Shows(&'static [&'static str]),
    /// Fail with these texts.
    Fails(&'static [&'static str]),
}
use Outcome::{Fails, Shows};

const EARLIEST: &str = "SET 'auto.offset.reset'='earliest';";

/// The form, what is run (pasted, with all records read from the beginning), and the outcome.
const CASES: &[(&str, &str, Outcome)] = &[
    (
        "parameters of a base type are ignored",
        "CREATE STREAM p (ts DOUBLE(16,6), a VARCHAR(255), n INTEGER(11)) WITH (KAFKA_TOPIC='p', VALUE_FORMAT='JSON', PARTITIONS=1); DESCRIBE p;",
        Shows(&[" TS    | DOUBLE", " A     | VARCHAR(STRING)", " N     | INTEGER"]),
    ),
    (
        "DECIMAL needs precision and scale",
        "CREATE STREAM p (d DECIMAL) WITH (KAFKA_TOPIC='p', VALUE_FORMAT='JSON');",
        Fails(&["DECIMAL", "line 1:"]),
    ),
    (
        "quoted columns keep case and dots",
        "SELECT \"id.orig_h\", `id.orig_h` AS again FROM conn EMIT CHANGES LIMIT 1;",
        Shows(&["|id.orig_h ", "|10.0.0.1 "]),
    ),
    (
        "an unquoted name with a dot falls back to the quoted column",
        "SELECT id.orig_h FROM conn EMIT CHANGES LIMIT 1;",
        Shows(&["|id.orig_h ", "|10.0.0.1 "]),
    ),
    (
        "an unquoted name with a dot in a column list",
        "CREATE STREAM dotted (id.orig_h VARCHAR) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON'); SELECT * FROM dotted EMIT CHANGES LIMIT 1;",
        Shows(&["|id.orig_h ", "|10.0.0.1 "]),
    ),
    (
        "KEY makes a column the primary key",
        "CREATE TABLE keyed (uid VARCHAR, name VARCHAR) WITH (KAFKA_TOPIC='users', VALUE_FORMAT='JSON', KEY='uid'); SELECT uid, name FROM keyed EMIT CHANGES LIMIT 2;",
        // From the record's key, and from the value of a record without one.
        Shows(&["|k1 ", "|ada ", "|u2 ", "|bob "]),
    ),
    (
        "a table without primary key has ROWKEY",
        "SET 'tripline.legacy.rowkey'='true'; CREATE TABLE unkeyed (name VARCHAR) WITH (KAFKA_TOPIC='users', VALUE_FORMAT='JSON'); SELECT ROWKEY, name FROM unkeyed EMIT CHANGES LIMIT 1;",
        Shows(&["|k1 ", "|ada "]),
    ),
    (
        "ROWKEY of a stream is the record's key",
        "SET 'tripline.legacy.rowkey'='true'; CREATE STREAM old_users (name VARCHAR) WITH (KAFKA_TOPIC='users', VALUE_FORMAT='JSON'); CREATE STREAM old_names AS SELECT name FROM old_users; SELECT ROWKEY, name FROM old_names EMIT CHANGES LIMIT 1;",
        Shows(&["|ROWKEY ", "|k1 "]),
    ),
    (
        "a table without primary key is refused otherwise",
        "CREATE TABLE refused (name VARCHAR) WITH (KAFKA_TOPIC='users', VALUE_FORMAT='JSON');",
        Fails(&["PRIMARY KEY", "line 1:14", "tripline.legacy.rowkey"]),
    ),
    (
        "ROWKEY is no column otherwise",
        "SELECT ROWKEY FROM conn EMIT CHANGES;",
        Fails(&["ROWKEY", "line 1:8", "tripline.legacy.rowkey"]),
    ),
    (
        "SELECT without EMIT CHANGES reads to the present end",
        "SELECT uid FROM conn;",
        Shows(&["|C1 ", "|C2 ", "Query terminated"]),
    ),
    (
        "in legacy mode SELECT without EMIT CHANGES goes on",
        "SET 'tripline.legacy.queries'='true'; SELECT uid FROM conn;",
        // The three records there are, and then the bound of the test on time.
        Shows(&["|C1 ", "|C3 ", "Time limit reached"]),
    ),
    ("LIMIT without EMIT", "SELECT uid FROM conn LIMIT 1;", Shows(&["|C1 ", "Limit Reached"])),
    ("LIMIT ALL", "SELECT uid FROM conn LIMIT ALL;", Shows(&["|C1 ", "|C3 "])),
    (
        "STRINGTOTIMESTAMP and TIMESTAMPTOSTRING",
        "SELECT TIMESTAMPTOSTRING(STRINGTOTIMESTAMP('2020-05-13 10:06:40', 'yyyy-MM-dd HH:mm:ss', 'UTC'), 'yyyy/MM/dd', 'UTC') AS d, STRINGTOTIMESTAMP('2020-05-13 10:06:40', 'yyyy-MM-dd HH:mm:ss', 'UTC') AS ms FROM conn EMIT CHANGES LIMIT 1;",
        Shows(&["|2020/05/13 ", "|1589364400000 "]),
    ),
    (
        "DATETOSTRING and STRINGTODATE",
        "SELECT DATETOSTRING(STRINGTODATE('2020-05-13', 'yyyy-MM-dd'), 'dd.MM.yyyy') AS d, STRINGTODATE('1970-01-02', 'yyyy-MM-dd') AS n FROM conn EMIT CHANGES LIMIT 1;",
        Shows(&["|13.05.2020 ", "|1 "]),
    ),
    (
        "UNIX_TIMESTAMP and UNIX_DATE",
        "SELECT UNIX_TIMESTAMP() > 1600000000000 AS t, UNIX_DATE() > 18000 AS d FROM conn EMIT CHANGES LIMIT 1;",
        Shows(&["|true "]),
    ),
    (
        "arrays count from 1",
        "SELECT SPLIT('a/b', '/')[1] AS one, SPLIT('a/b', '/')[0] AS zero FROM conn EMIT CHANGES LIMIT 1;",
        Shows(&["|a ", "|null "]),
    ),
    (
        "in legacy mode arrays count from 0",
        "SET 'tripline.legacy.arrays'='true'; SELECT SPLIT('a/b', '/')[1] AS one, SPLIT('a/b', '/')[0] AS zero FROM conn EMIT CHANGES LIMIT 1;",
        Shows(&["|b ", "|a "]),
    ),
    (
        "EXTRACTJSONFIELD",
        "SELECT EXTRACTJSONFIELD('{\"a\":{\"b\":7}}', '$.a.b') AS b FROM conn EMIT CHANGES LIMIT 1;",
        Shows(&["|7 "]),
    ),
    (
        "WindowStart and WindowEnd as functions",
        "SELECT uid, WindowStart() AS ws, WindowEnd() AS we, COUNT(*) AS n FROM conn WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY uid EMIT CHANGES LIMIT 1;",
        Shows(&["|1589364360000 ", "|1589364420000 "]),
    ),
    (
        "windows as columns",
        "SELECT uid, WINDOWSTART, COUNT(*) AS n FROM conn WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY uid EMIT CHANGES LIMIT 1;",
        Shows(&["|1589364360000 "]),
    ),
    (
        "TOPK, TOPKDISTINCT, HISTOGRAM and COLLECT_LIST",
        "SELECT 1 AS one, TOPK(n, 2) AS t, TOPKDISTINCT(n, 2) AS d, HISTOGRAM(uid) AS h, COLLECT_LIST(uid) AS l FROM conn GROUP BY 1 EMIT CHANGES LIMIT 3;",
        Shows(&["|[3, 2] ", "{C1=1, C2=1, C3=1}", "|[C1, C2, C3] "]),
    ),
    (
        "WITHIN in the singular and before and after",
        "SELECT a.uid FROM conn a INNER JOIN conn2 b WITHIN 1 SECOND ON a.uid = b.uid EMIT CHANGES LIMIT 1; SELECT a.uid FROM conn a INNER JOIN conn2 b WITHIN (1 HOUR, 2 DAYS) ON a.uid = b.uid EMIT CHANGES LIMIT 1;",
        Shows(&["|C1 "]),
    ),
    (
        "a join on an expression of the stream side",
        "SELECT a.uid, b.name FROM conn a JOIN people b ON LCASE(REPLACE(a.uid, 'C', 'K')) = b.k EMIT CHANGES LIMIT 1;",
        Shows(&["|ada "]),
    ),
    (
        "a join with a column of the table that is not its key",
        "SELECT a.uid FROM conn a JOIN people b ON a.uid = b.name EMIT CHANGES;",
        Fails(&["B.NAME", "line 1:43", "hint:"]),
    ),
    (
        "two conditions in ON",
        "SELECT a.uid FROM conn a JOIN people b ON a.uid = b.k AND a.n = b.name EMIT CHANGES;",
        Fails(&["line 1:"]),
    ),
    (
        "sources without JOIN",
        "SELECT * FROM conn, users WHERE a = b EMIT CHANGES;",
        Fails(&["line 1:19", "hint:"]),
    ),
    ("a query in FROM", "SELECT * FROM (SELECT * FROM conn) EMIT CHANGES;", Fails(&["line 1:15"])),
    (
        "PARTITION BY the alias",
        "CREATE STREAM by_uid AS SELECT uid AS u, n FROM conn PARTITION BY u; SELECT u, n FROM by_uid EMIT CHANGES LIMIT 1; DROP STREAM by_uid;",
        Shows(&["|C1 ", "|1 "]),
    ),
    (
        "EMIT CHANGES before PARTITION BY",
        "CREATE STREAM by_uid2 AS SELECT uid, n FROM conn EMIT CHANGES PARTITION BY uid; SELECT uid, n FROM by_uid2 EMIT CHANGES LIMIT 1; DROP STREAM by_uid2;",
        Shows(&["|C1 ", "|1 "]),
    ),
    (
        "backslashes at the ends of lines",
        "SELECT uid \\\nFROM conn \\\nEMIT CHANGES LIMIT 1;",
        Shows(&["|C1 "]),
    ),
    ("SET needs quotes", "SET auto.offset.reset=earliest;", Fails(&["line 1:5", "hint:"])),
    (
        "ksql.sink.partitions is the default of PARTITIONS",
        "SET 'ksql.sink.partitions'='3'; CREATE STREAM three AS SELECT uid FROM conn; DESCRIBE three EXTENDED; DROP STREAM three;",
        Shows(&["deprecated", "(partitions: 3, "]),
    ),
    (
        "PRINT from the beginning with a limit",
        "PRINT 'conn' FROM BEGINNING LIMIT 3;",
        Shows(&["\"uid\":\"C1\"", "\"uid\":\"C3\""]),
    ),
    // Unlike ksqlDB, which wants quotes.
    ("PRINT of a name with a dash", "PRINT zeek-dns FROM BEGINNING LIMIT 1;", Shows(&["\"uid\":\"D1\""])),
    (
        "PRINT of a quoted name with a dash",
        "PRINT 'zeek-dns' FROM BEGINNING LIMIT 1;",
        Shows(&["\"uid\":\"D1\""]),
    ),
    ("topic names keep their case", "PRINT 'CONN' FROM BEGINNING LIMIT 1;", Fails(&["CONN", "conn"])),
    (
        "everything is listed",
        "LIST STREAMS; SHOW STREAMS EXTENDED; LIST TABLES; SHOW TABLES EXTENDED; SHOW TOPICS; LIST TOPICS EXTENDED; SHOW QUERIES; SHOW FUNCTIONS; LIST PROPERTIES;",
        Shows(&[
            " Stream Name ",
            " Table Name ",
            " Kafka Topic ",
            " Function Name ",
            " Property ",
            "Consumers",
            " USERS ",
        ]),
    ),
    ("SHOW TOPICS has no consumers", "SHOW TOPICS;", Shows(&[" Partitions | Partition Replicas "])),
    ("DESCRIBE EXTENDED in the old order", "DESCRIBE EXTENDED conn;", Shows(&["CONN", "runtime statistics"])),
    ("DESCRIBE EXTENDED in the new order", "DESCRIBE conn EXTENDED;", Shows(&["CONN", "runtime statistics"])),
    (
        "TERMINATE QUERY in the old form",
        "TERMINATE QUERY CSAS_ENDED_{n}; DROP STREAM ended;",
        Shows(&["terminated"]),
    ),
    (
        "DROP with its topic, of what may not be there",
        "CREATE STREAM gone (a INT) WITH (KAFKA_TOPIC='gone', VALUE_FORMAT='JSON', PARTITIONS=1); DROP STREAM IF EXISTS gone DELETE TOPIC; DROP STREAM IF EXISTS gone;",
        Shows(&["GONE"]),
    ),
    ("DELETE of rows", "DELETE FROM conn WHERE uid = 'C1';", Fails(&["line 1:1"])),
    ("REGISTER TOPIC", "REGISTER TOPIC t WITH (VALUE_FORMAT='JSON', KAFKA_TOPIC='t');", Fails(&["line 1:1"])),
    ("LIST REGISTERED TOPICS", "LIST REGISTERED TOPICS;", Fails(&["line 1:6"])),
    (
        "no blank between WITH and AS",
        "CREATE STREAM tight WITH(PARTITIONS=1)AS SELECT uid FROM conn; DROP STREAM tight;",
        Shows(&["TIGHT"]),
    ),
    (
        "a reserved word as column needs quotes",
        "CREATE STREAM r (query VARCHAR) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON');",
        Fails(&["line 1:18", "hint:", "query"]),
    ),
    (
        "a reserved word in quotes",
        "CREATE STREAM r (\"query\" VARCHAR, `end` VARCHAR) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON'); DROP STREAM r;",
        Shows(&["Stream created"]),
    ),
    (
        "a name that begins with a digit",
        "SELECT 1abc FROM conn EMIT CHANGES;",
        Fails(&["1abc", "line 1:8", "`"]),
    ),
    (
        "columns of both sides of a join",
        "SELECT a.uid, b.uid, a.\"id.orig_h\" FROM conn a JOIN conn2 b WITHIN 1 HOUR ON a.uid = b.uid EMIT CHANGES LIMIT 1;",
        Shows(&["|A_UID ", "|B_UID ", "|id.orig_h "]),
    ),
    (
        "numbers are read into texts, and texts into numbers",
        "CREATE STREAM scalars (n VARCHAR, port INT) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON'); SELECT n, port FROM scalars EMIT CHANGES LIMIT 1;",
        Shows(&["|1 ", "|49 "]),
    ),
];

#[test]
fn old_forms_work_as_the_comparison_says() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let conn = |n: u32| {
        format!(r#"{{"ts":1589364400.{n},"uid":"C{n}","id.orig_h":"10.0.0.{n}","n":{n},"port":"49"}}"#)
    };
    let lines: Vec<String> = (1..=3).map(conn).collect();
    server.replay("conn", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    server.replay("zeek-dns", &[r#"{"ts":1,"uid":"D1"}"#]);
    let keyed = br#"{"timestamp":1,"key":"k1","value":{"uid":"u1","name":"ada"}}
{"timestamp":2,"value":{"uid":"u2","name":"bob"}}"#;
    assert_eq!(server.http("POST", "/api/v1/topics/users/records", keyed).0, 200);
    server.sql(
        "CREATE STREAM conn (uid VARCHAR, \"id.orig_h\" VARCHAR, n INT) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON'); \
         CREATE STREAM conn2 (uid VARCHAR) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON'); \
         CREATE STREAM users (name VARCHAR) WITH (KAFKA_TOPIC='users', VALUE_FORMAT='JSON'); \
         CREATE TABLE people (k VARCHAR PRIMARY KEY, name VARCHAR) WITH (KAFKA_TOPIC='users', VALUE_FORMAT='JSON'); \
         CREATE STREAM ended AS SELECT uid FROM conn;",
    );
    let ended = server.sql("SHOW QUERIES;");
    let ended = ended.split_whitespace().find(|word| word.starts_with("CSAS_ENDED_")).unwrap();
    let mut wrong = Vec::new();
    for (form, text, outcome) in CASES {
        let text = text.replace("CSAS_ENDED_{n}", ended);
        let shown = server.paste(&format!("{EARLIEST}\n{text}\n"), &["--query-timeout", "3000"]).finish();
        let (is_right, told, texts) = match outcome {
            Shows(texts) => (shown.code == Some(0), &shown.out, texts),
            Fails(texts) => (shown.code == Some(255), &shown.errors, texts),
        };
        let missing: Vec<_> = texts.iter().filter(|text| !told.contains(**text)).collect();
        if !is_right || !missing.is_empty() {
            wrong.push(format!("{form}: {text}\n  missing {missing:?} in\n{}{}", shown.out, shown.errors));
        }
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}
