//! Typical mistakes in SQL, sent to a real server: each answer has ksqlDB's error code, the line and column, the line
//! with a caret under the place, and what was perhaps meant.

#![allow(clippy::unwrap_used, reason = "tests; the lint does not see helpers of test files as such")]

mod program;

use program::Server;
use serde_json::{Value, json};

/// A mistake: the path it is sent to, the statement, and what the answer must have.
struct Mistake {
    path: &'static str,
    sql: &'static str,
    code: u64,
    /// Line and column; `None` where the mistake has no place in the text.
    place: Option<(u64, u64)>,
    /// Parts of message or hint.
    says: &'static [&'static str],
}

const fn ksql(sql: &'static str, line: u64, column: u64, says: &'static [&'static str]) -> Mistake {
    Mistake { path: "/ksql", sql, code: 40001, place: Some((line, column)), says }
}

const fn query(sql: &'static str, line: u64, column: u64, says: &'static [&'static str]) -> Mistake {
    Mistake { path: "/query-stream", sql, code: 40001, place: Some((line, column)), says }
}

const fn other(
    path: &'static str,
    sql: &'static str,
    code: u64,
    place: Option<(u64, u64)>,
    says: &'static [&'static str],
) -> Mistake {
    Mistake { path, sql, code, place, says }
}

const MISTAKES: &[Mistake] = &[
    // Keywords.
    ksql("CRATE STREAM a (b INT) WITH (KAFKA_TOPIC='conn');", 1, 1, &["CRATE", "did you mean CREATE?"]),
    ksql("CREATE STRAEM a (b INT) WITH (KAFKA_TOPIC='conn');", 1, 8, &["STRAEM", "did you mean STREAM?"]),
    ksql("SHOW STREMS;", 1, 6, &["STREMS", "did you mean STREAMS?"]),
    ksql("DESCRBE conn;", 1, 1, &["DESCRBE", "did you mean DESCRIBE?"]),
    query("SELCT * FROM conn EMIT CHANGES;", 1, 1, &["SELCT", "did you mean SELECT?"]),
    query("SELECT *\nFORM conn EMIT CHANGES;", 2, 1, &["FORM", "did you mean FROM?"]),
    query("SELECT * FROM conn WERE n = 1 EMIT CHANGES;", 1, 20, &["did you mean WHERE?"]),
    query("SELECT * FROM conn EMIT CHANGE;", 1, 25, &["CHANGE", "did you mean CHANGES?"]),
    query(
        "SELECT uid, COUNT(*) FROM conn WINDOW TUMBLNG (SIZE 1 MINUTE) GROUP BY uid EMIT CHANGES;",
        1,
        39,
        &["did you mean TUMBLING?"],
    ),
    query(
        "SELECT uid, COUNT(*) FROM conn WINDOW TUMBLING (SIZE 1 MINUT) GROUP BY uid EMIT CHANGES;",
        1,
        56,
        &["did you mean MINUTE"],
    ),
    query("SELECT * FROM conn EMIT CHANGES LIMT 3;", 1, 33, &["did you mean LIMIT?"]),
    // Names.
    query("SELECT * FROM con EMIT CHANGES;", 1, 15, &["CON", "did you mean CONN?"]),
    query("SELECT * FROM \"conn\" EMIT CHANGES;", 1, 15, &["conn", "CONN"]),
    query("SELECT uidd FROM conn EMIT CHANGES;", 1, 8, &["UIDD", "did you mean UID?"]),
    query("SELECT uid,\n  n,\n  servce\nFROM conn EMIT CHANGES;", 3, 3, &["SERVCE", "did you mean SERVICE?"]),
    query("SELECT c.uid FROM conn k EMIT CHANGES;", 1, 8, &["C"]),
    query("SELECT zzz FROM conn EMIT CHANGES;", 1, 8, &["there are"]),
    query("SELECT `ID.ORIG_H` FROM conn EMIT CHANGES;", 1, 8, &["did you mean `id.orig_h`?"]),
    query("SELECT nested->hots FROM conn EMIT CHANGES;", 1, 16, &["HOTS", "did you mean HOST?"]),
    query("SELECT SUBSTRNG(uid, 1) FROM conn EMIT CHANGES;", 1, 8, &["SUBSTRNG", "did you mean SUBSTRING?"]),
    ksql("DROP STREAM con;", 1, 13, &["CON", "did you mean CONN?"]),
    ksql("DROP TABLE conn;", 1, 12, &["CONN", "stream"]),
    ksql("DESCRIBE con;", 1, 10, &["did you mean CONN?"]),
    ksql("DESCRIBE FUNCTION substrng;", 1, 19, &["did you mean SUBSTRING?"]),
    ksql("INSERT INTO con (uid) VALUES ('x');", 1, 13, &["did you mean CONN?"]),
    ksql("INSERT INTO conn (uidd) VALUES ('x');", 1, 19, &["UIDD", "did you mean UID?"]),
    ksql("TERMINATE CSAS_COPYY_1;", 1, 11, &["CSAS_COPYY_1"]),
    // Types and formats.
    ksql(
        "CREATE STREAM a (b INTEGR) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON');",
        1,
        20,
        &["INTEGR", "did you mean INTEGER?"],
    ),
    ksql("CREATE STREAM a (b INT) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSN');", 1, 64, &["JSN", "JSON"]),
    ksql(
        "CREATE STREAM a (b INT) WITH (KAFKA_TOPC='conn', VALUE_FORMAT='JSON');",
        1,
        31,
        &["KAFKA_TOPC", "did you mean KAFKA_TOPIC?"],
    ),
    ksql("CREATE STREAM a (b INT, b INT) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON');", 1, 25, &["B"]),
    ksql("CREATE TABLE a (b INT) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON');", 1, 14, &["PRIMARY KEY"]),
    ksql("CREATE STREAM conn (b INT) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON');", 1, 15, &["CONN"]),
    ksql(
        "CREATE STREAM a (b INT) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON', TIMESTAMP='c');",
        1,
        82,
        &["C"],
    ),
    // Expressions.
    query("SELECT uid + 1 > TRUE AS x FROM conn EMIT CHANGES;", 1, 8, &[">"]),
    query("SELECT uid FROM conn WHERE n = 'a' AND EMIT CHANGES;", 1, 45, &["CHANGES"]),
    query("SELECT uid FROM conn WHERE n EMIT CHANGES;", 1, 28, &["BOOLEAN"]),
    query("SELECT uid FROM conn WHERE n = (1 + 2 EMIT CHANGES;", 1, 39, &["EMIT"]),
    query("SELECT LEN(n, 2) FROM conn EMIT CHANGES;", 1, 8, &["LEN"]),
    query("SELECT uid, n, COUNT(*) FROM conn GROUP BY uid EMIT CHANGES;", 1, 13, &["N"]),
    query("SELECT uid FROM conn GROUP BY uid EMIT CHANGES;", 1, 31, &["aggregate"]),
    ksql("CREATE TABLE a AS SELECT COUNT(*) FROM conn;", 1, 19, &["GROUP BY"]),
    query("SELECT uid FROM conn HAVING n > 1 EMIT CHANGES;", 1, 29, &["HAVING"]),
    query("SELECT a.uid FROM conn a JOIN copy b ON a.uid = b.uid EMIT CHANGES;", 1, 26, &["WITHIN"]),
    query("SELECT 'abc FROM conn EMIT CHANGES;", 1, 8, &["'"]),
    query("SELECT uid FROM conn WHERE n == 1 EMIT CHANGES;", 1, 31, &["="]),
    query("SELECT * FROM conn ORDER BY uid;", 1, 20, &["ORDER"]),
    query("SELECT DISTINCT uid FROM conn EMIT CHANGES;", 1, 8, &["DISTINCT"]),
    ksql("CREATE STREAM x AS SELECT * FROM conn LIMIT 3;", 1, 20, &["LIMIT"]),
    // Settings.
    other("/ksql", "SET 'auto.ofset.reset'='earliest';", 40001, None, &["did you mean auto.offset.reset?"]),
    other("/ksql", "SET 'auto.offset.reset'='earlyest';", 40001, None, &["latest, earliest"]),
    other("/ksql", "SET auto.offset.reset=earliest;", 40001, Some((1, 5)), &["SET 'name'='value';"]),
    // The wrong endpoint, nothing, or too much.
    other("/ksql", "SELECT * FROM conn;", 40002, None, &["/query"]),
    other("/query-stream", "SHOW STREAMS;", 40001, None, &["/ksql"]),
    other("/query-stream", "SELECT * FROM conn; SELECT * FROM conn;", 40001, None, &["one"]),
    ksql("SHOW STREAMS; SHOW\n  TABELS;", 2, 3, &["did you mean TABLES?"]),
    ksql("SHOW STREAMS; DESCRIBE con;", 1, 24, &["did you mean CONN?"]),
    ksql("DROP STREAM ${what};", 1, 13, &["what"]),
];

#[test]
fn mistakes_are_told_with_place_and_suggestion() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    server.sql(
        "CREATE STREAM conn (uid VARCHAR, n INT, service VARCHAR, \"id.orig_h\" VARCHAR, nested STRUCT<host VARCHAR>) \
         WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON', PARTITIONS=1); \
         CREATE STREAM copy AS SELECT uid, n FROM conn;",
    );
    let mut wrong = Vec::new();
    for mistake in MISTAKES {
        let member = if mistake.path == "/ksql" { "ksql" } else { "sql" };
        let body = json!({ member: mistake.sql }).to_string();
        let (status, answer) = server.http("POST", mistake.path, body.as_bytes());
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let problems = problems(mistake, status, &answer);
        if !problems.is_empty() {
            let message = answer["message"].as_str().unwrap_or_default();
            wrong.push(format!("{}\n  {}\n{message}", mistake.sql, problems.join("; ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), MISTAKES.len(), wrong.join("\n\n"));
}

fn problems(mistake: &Mistake, status: u16, answer: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    if status != 400 || answer["error_code"] != mistake.code {
        problems.push(format!("status {status}, code {}", answer["error_code"]));
    }
    if !matches!(answer["@type"].as_str(), Some("statement_error" | "generic_error")) {
        problems.push(format!("type {}", answer["@type"]));
    }
    let message = answer["message"].as_str().unwrap_or_default();
    if let Some((line, column)) = mistake.place {
        let place = (answer["line"].as_u64(), answer["column"].as_u64());
        if place != (Some(line), Some(column)) {
            problems.push(format!("place {place:?}, not {line}:{column}"));
        }
        // The line is shown, with the caret under the place.
        let lines: Vec<&str> = message.lines().collect();
        let caret = lines.iter().position(|line| line.trim_start().starts_with('^'));
        match caret {
            Some(caret) if caret > 0 => {
                let at = lines[caret].chars().take_while(|c| *c == ' ').count();
                let shown: String = lines[caret - 1].chars().skip(at).take(3).collect();
                let written = mistake.sql.lines().nth(line as usize - 1).unwrap_or_default();
                let written: String = written.chars().skip(column as usize - 1).take(3).collect();
                if shown.trim_end() != written.trim_end() {
                    problems.push(format!("caret under {shown:?}, not {written:?}"));
                }
            }
            _ => problems.push("no caret".to_owned()),
        }
    }
    let hint = answer["hint"].as_str().unwrap_or_default();
    for part in mistake.says.iter().filter(|part| !message.contains(**part) && !hint.contains(**part)) {
        problems.push(format!("does not say {part:?}"));
    }
    problems
}
