//! Each endpoint, and each shape of error.

use super::client::{start, start_with};

#[test]
fn info_and_metadata_say_who_this_is() {
    let server = start();
    let root = server.get("/");
    assert_eq!((root.status, root.header("location")), (307, Some("/info")));
    let info = server.get("/info");
    assert_eq!(info.json()["KsqlServerInfo"]["ksqlServiceId"], "default_");
    assert_eq!(info.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        server.get("/v1/metadata").json()["clusterId"]["scope"]["clusters"]["ksql-cluster"],
        "default_"
    );
    assert_eq!(server.get("/v1/metadata/id").json()["id"], "");
    let head = server.send("HEAD", "/info", "", "");
    assert_eq!((head.status, &*head.body), (200, ""));
}

#[test]
fn health_tells_the_part_that_is_not_well() {
    let server = start();
    let health = server.get("/healthcheck");
    assert_eq!(
        health.body,
        r#"{"isHealthy":false,"details":{"metastore":{"isHealthy":true},"kafka":{"isHealthy":false,"message":"disk full"}},"serverState":"READY"}"#
    );
    assert_eq!(health.status, 200);
    assert_eq!(server.get("/chc/ready").status, 503);
    assert_eq!(server.get("/chc/live").status, 200);
}

#[test]
fn commands_are_found_with_and_without_backquotes() {
    let server = start();
    assert_eq!(server.get("/status").json()["commandStatuses"]["stream/`S`/create"], "SUCCESS");
    assert_eq!(server.get("/status/stream/%60S%60/create").json()["message"], "Stream created");
    assert_eq!(server.get("/status/stream/S/create").status, 200);
    let unknown = server.get("/status/stream/T/create");
    assert_eq!((unknown.status, unknown.json()["error_code"].as_u64()), (404, Some(40400)));
}

#[test]
fn statements_are_answered_one_by_one_with_their_text() {
    let server = start();
    let body = r#"{"ksql":"SHOW STREAMS; SET 'a'='b'; SHOW STREAMS","streamsProperties":{"auto.offset.reset":"earliest","n":5,"b":true},"sessionVariables":{"v":"x"},"other":1}"#;
    let reply = server.post("/ksql", body);
    assert_eq!(reply.status, 200);
    let json = reply.json();
    assert_eq!(json.as_array().unwrap().len(), 2);
    assert_eq!(json[0]["@type"], "streams");
    assert_eq!(json[1]["statementText"], "SHOW STREAMS;");
    assert_eq!(json[0]["streams"][0]["keyFormat"], "KAFKA");
    let executed = server.fake.0.executed.lock().unwrap();
    assert_eq!(executed.len(), 3);
    let session = &executed[0].1;
    assert_eq!(session.properties["auto.offset.reset"], "earliest");
    assert_eq!((&*session.properties["n"], &*session.properties["b"]), ("5", "true"));
    assert_eq!(session.variables["v"], "x");
}

#[test]
fn ksql_media_type_is_answered_in_kind() {
    let server = start();
    let headers = "accept: application/vnd.ksql.v1+json\r\n";
    let reply = server.send("POST", "/ksql", headers, r#"{"ksql":"SHOW STREAMS;"}"#);
    assert_eq!(reply.header("content-type"), Some("application/vnd.ksql.v1+json"));
}

#[test]
fn select_in_ksql_is_refused_before_anything_is_done() {
    let server = start();
    for query in ["SELECT * FROM S EMIT CHANGES;", "print 's';", "/* c */ Select 1"] {
        let reply = server.post("/ksql", &format!(r#"{{"ksql":"SHOW STREAMS; {query}"}}"#));
        assert_eq!(reply.status, 400);
        assert_eq!(reply.json()["error_code"], 40002, "{query}");
        assert_eq!(reply.json()["@type"], "statement_error");
    }
    assert!(server.fake.0.executed.lock().unwrap().is_empty());
}

#[test]
fn statement_that_does_not_parse_stops_all() {
    let server = start();
    let reply = server.post("/ksql", r#"{"ksql":"SHOW STREAMS;\n SHWO STREAMS;"}"#);
    let json = reply.json();
    assert_eq!((reply.status, &json["error_code"]), (400, &40001.into()));
    assert_eq!((&json["line"], &json["column"]), (&2.into(), &2.into()), "{json}");
    assert!(server.fake.0.executed.lock().unwrap().is_empty());
}

#[test]
fn failing_statement_keeps_the_answers_before_it() {
    let server = start();
    let json = server.post("/ksql", r#"{"ksql":"SHOW STREAMS;\n\n  DROP STREAM MISSING;"}"#).json();
    assert_eq!(json["@type"], "statement_error");
    assert_eq!(json["statementText"], "DROP STREAM MISSING;");
    assert_eq!(json["entities"][0]["@type"], "streams");
    // Line 1 column 8 of its own statement.
    assert_eq!((&json["line"], &json["column"], &json["hint"]), (&3.into(), &10.into(), &"use A".into()));
    assert!(json["message"].as_str().unwrap().contains("column \"X\" cannot be resolved"));
}

#[test]
fn kinds_of_failure_have_their_status() {
    let server = start();
    let broken = server.post("/ksql", r#"{"ksql":"DROP STREAM BROKEN;"}"#);
    assert_eq!((broken.status, &broken.json()["error_code"]), (503, &50300.into()));
    let panicked = server.post("/ksql", r#"{"ksql":"DROP STREAM PANIC;"}"#);
    assert_eq!((panicked.status, &panicked.json()["error_code"]), (500, &50000.into()));
    assert!(!panicked.body.contains("secret detail"));
    assert_eq!(server.get("/info").status, 200);
}

#[test]
fn bad_body_is_told_with_its_place() {
    let server = start();
    let json = server.post("/ksql", "{\"ksql\":\n  nope}").json();
    assert_eq!(
        (&json["error_code"], &json["line"], &json["code"]),
        (&40000.into(), &2.into(), &"bad_json".into())
    );
    assert!(server.post("/ksql", "{}").body.contains("no_statement"));
    assert_eq!(server.post("/ksql", "").status, 400);
    assert_eq!(server.post("/ksql", &"[".repeat(100_000)).status, 400);
}

#[test]
fn unknown_path_and_wrong_method_are_told() {
    let server = start();
    let unknown = server.get("/querry");
    assert_eq!((unknown.status, &unknown.json()["error_code"]), (404, &40400.into()));
    let wrong = server.get("/ksql");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
    assert_eq!(server.send("OPTIONS", "/ksql", "", "").status, 405);
    assert_eq!(server.get("/ws/query").status, 501);
}

#[test]
fn properties_are_checked_by_name() {
    let server = start();
    assert_eq!(server.get("/is_valid_property/auto.offset.reset").body, "true");
    assert_eq!(server.get("/is_valid_property/ksql.streams.auto.offset.reset").body, "true");
    assert_eq!(server.get("/is_valid_property/no.such").status, 400);
    let json = server.get("/api/v1/properties").json();
    assert_eq!(json["properties"][0]["origin"], "default");
}

#[test]
fn small_endpoints_answer() {
    let server = start();
    assert_eq!(server.post("/close-query", r#"{"queryId":"transient_1"}"#).status, 200);
    assert_eq!(server.post("/close-query", r#"{"queryId":"x"}"#).status, 400);
    assert_eq!(server.get("/clusterStatus").status, 200);
    assert_eq!(server.post("/heartbeat", "{}").json()["ok"], true);
    assert_eq!(server.post("/lag", "{}").json()["ok"], true);
    assert_eq!(server.get("/api/v1/names").body, r#"{"names":["S"]}"#);
    assert_eq!(server.post("/ksql/terminate", "").status, 200);
    assert_eq!(server.post("/ksql/terminate", r#"{"deleteTopicList":["a.*"]}"#).status, 400);
    assert_eq!(server.post("/ksql/terminate", r#"{"deleteTopicList":["nowhere"]}"#).status, 400);
}

#[test]
fn topics_are_made_described_changed_and_deleted() {
    let server = start();
    let made = server.post("/api/v1/topics", r#"{"name":"t","partitions":2,"settings":{"retention.ms":5}}"#);
    assert_eq!(made.status, 201);
    assert_eq!(server.post("/api/v1/topics", r#"{"nmae":"t"}"#).status, 400);
    assert_eq!(server.get("/api/v1/topics/t").json()["partitions"][0]["endOffset"], 2);
    let change = |topic: &str, body| server.send("PATCH", &format!("/api/v1/topics/{topic}"), "", body);
    let changes = r#"{"settings":{"retention.ms":5,"segment.bytes":null}}"#;
    assert_eq!(change("t", changes).status, 200);
    assert_eq!(change("nowhere", changes).status, 404);
    assert_eq!(change("t", r#"{"settings":{"retention.ms":6}}"#).json()["code"], "bad_topic_setting");
    assert_eq!(change("t", r#"{"retention.ms":5}"#).status, 400);
    assert_eq!(server.send("DELETE", "/api/v1/topics/t", "", "").status, 200);
    assert_eq!(server.send("DELETE", "/api/v1/topics/nowhere", "", "").status, 404);
}

#[test]
fn lines_are_appended_and_wrong_ones_told() {
    let server = start();
    let lines = "{\"value\":{\"a\": 1.0}}\n\nnope\n{\"key\":\"k\",\"timestamp\":7,\"value\":null}";
    let reply = server.send("POST", "/api/v1/topics/t/records?partition=0", "", lines);
    let json = reply.json();
    assert_eq!(
        (&json["appended"], &json["failed"], &json["errors"][0]["line"]),
        (&2.into(), &1.into(), &3.into())
    );
    let produced = server.fake.0.produced.lock().unwrap();
    assert_eq!(produced[0], (None, None, Some(b"{\"a\": 1.0}".to_vec())));
    assert_eq!(produced[1], (Some(7), Some(b"k".to_vec()), None));
}

#[test]
fn many_lines_come_in_bounded_batches() {
    let server = start();
    let body = "{\"value\":1}\n".repeat(10_000);
    let reply = server.send("POST", "/api/v1/topics/t/records", "", &body);
    assert_eq!(reply.json()["appended"], 10_000);
    assert_eq!(server.fake.0.batches.load(std::sync::atomic::Ordering::SeqCst), 3);
}

#[test]
fn body_with_a_sequence_is_one_batch() {
    let server = start();
    let send = |headers: &str, count: usize| {
        server.send("POST", "/api/v1/topics/t/records", headers, &"{\"value\":1}\n".repeat(count))
    };
    let batches = || server.fake.0.batches.load(std::sync::atomic::Ordering::SeqCst);
    let written = send("X-Tripline-Producer: p\r\nX-Tripline-Sequence: 6\r\n", 10_000).json();
    assert_eq!((&written["appended"], &written["repeated"]), (&10_000.into(), &false.into()));
    assert_eq!(batches(), 1);
    let repeated = send("X-Tripline-Producer: p\r\nX-Tripline-Sequence: 5\r\n", 3).json();
    assert_eq!((&repeated["appended"], &repeated["repeated"]), (&0.into(), &true.into()));
    let gap = send("X-Tripline-Producer: p\r\nX-Tripline-Sequence: 8\r\n", 3);
    assert_eq!((gap.status, &gap.json()["code"]), (409, &"sequence_gap".into()));
    for headers in ["X-Tripline-Producer: p\r\n", "X-Tripline-Sequence: 8\r\n"] {
        assert_eq!(send(headers, 1).json()["code"], "bad_header");
    }
    assert_eq!(send("X-Tripline-Producer: p\r\nX-Tripline-Sequence: -1\r\n", 1).status, 400);
    let large = send("X-Tripline-Producer: p\r\nX-Tripline-Sequence: 6\r\n", 70_000);
    assert_eq!((large.status, &large.json()["code"]), (413, &"body_too_large".into()));
    assert_eq!(batches(), 1);
}

#[test]
fn line_that_is_too_long_ends_the_append() {
    let server = start_with(|config| config.limits.line_bytes_max = 1000);
    let body = format!("{{\"value\":1}}\n{}", "x".repeat(200_000));
    let reply = server.send("POST", "/api/v1/topics/t/records", "", &body);
    assert_eq!((reply.status, &reply.json()["code"]), (413, &"line_too_long".into()));
    assert_eq!(reply.json()["appended"], 0);
    assert_eq!(server.send("POST", "/api/v1/topics/down/records", "", "{\"value\":1}").status, 503);
}

#[test]
fn frames_are_appended() {
    let server = start();
    let mut body = Vec::new();
    for (timestamp, key, value) in [(-1_i64, None, Some("v")), (9, Some("k"), None)] {
        body.extend_from_slice(&timestamp.to_be_bytes());
        for part in [key, value] {
            body.extend_from_slice(&part.map_or(-1, |p: &str| p.len() as i32).to_be_bytes());
            body.extend_from_slice(part.unwrap_or("").as_bytes());
        }
    }
    // All bytes of the frames but -1 are ASCII; the raw socket takes bytes.
    use std::io::Write;
    let send = |body: &[u8]| {
        let mut socket = server.connect();
        let head = format!(
            "POST /api/v1/topics/t/records HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(body).unwrap();
        super::client::read_reply(&mut socket)
    };
    assert_eq!(send(&body).json()["appended"], 2);
    assert_eq!(
        *server.fake.0.produced.lock().unwrap(),
        [(None, None, Some(b"v".to_vec())), (Some(9), Some(b"k".to_vec()), None)]
    );
    assert_eq!(send(&body[..body.len() - 2]).json()["code"], "bad_frame");
    assert_eq!(send(&[0xff; 40]).status, 400);
}

#[test]
fn records_are_read_up_to_the_end() {
    let server = start();
    let reply = server.get("/api/v1/topics/t/records");
    assert_eq!(reply.body.lines().count(), 2);
    // A key that is no text comes whole in Base64 besides.
    let first = concat!(
        r#"{"partition":0,"offset":0,"timestamp":1000,"key":"ff","keyBase64":"/w==","value":"{\"a\":1}","#,
        r#""headers":[{"name":"h","value":"v"}]}"#
    );
    assert_eq!(reply.body.lines().next().unwrap(), first);
    assert_eq!(server.get("/api/v1/topics/t/records?limit=1").body.lines().count(), 1);
    assert!(server.get("/api/v1/topics/t/records?offset=1").body.starts_with(r#"{"partition":0,"offset":1"#));
    assert_eq!(server.get("/api/v1/topics/t/records?partition=7").body, "");
    assert_eq!(server.get("/api/v1/topics/t/records?limit=x").status, 400);
}

#[test]
fn metrics_count_requests_by_route() {
    let server = start();
    server.get("/info");
    server.get("/nowhere/\"x");
    let reply = server.get("/metrics");
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        "tripline_up 1",
        "tripline_http_requests_total{route=\"/info\",status=\"200\"} 1",
        "tripline_http_requests_total{route=\"other\",status=\"404\"} 1",
    ] {
        assert!(reply.body.lines().any(|found| found == line), "{line} in {}", reply.body);
    }
}
