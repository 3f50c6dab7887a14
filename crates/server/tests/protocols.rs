//! ksqlDB's HTTP endpoints with the real engine behind them, over HTTP/1.1 and HTTP/2 alike: what they answer, with
//! which codes, and what happens when a client leaves.

#![allow(clippy::unwrap_used, reason = "tests; the lint does not see helpers of test files as such")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::{Engine, EngineConfig};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use server::{Running, Server, ServerConfig};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Protocol {
    Http1,
    Http2,
}

/// A server, and what a client of it needs.
struct Stage {
    protocol: Protocol,
    address: SocketAddr,
    engine: Engine,
    running: Option<Running>,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn new(protocol: Protocol) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = EngineConfig { data_dir: folder.path().to_owned(), properties: vec![] };
        let engine = Engine::open(config).unwrap();
        let config = ServerConfig { listeners: vec!["127.0.0.1:0".parse().unwrap()], ..Default::default() };
        let running = Server::start(engine.clone(), config).unwrap();
        let address = running.addresses[0];
        Self { protocol, address, engine, running: Some(running), _folder: folder }
    }

    /// Sends a request over a connection of its own, which is gone when the answer is dropped.
    async fn open(&self, method: &str, path: &str, accept: &str, body: &str) -> Answer {
        let socket = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let uri = match self.protocol {
            Protocol::Http1 => path.to_owned(),
            Protocol::Http2 => format!("http://{}{path}", self.address),
        };
        let mut request = Request::builder().method(method).uri(uri).header("host", self.address.to_string());
        if !accept.is_empty() {
            request = request.header("accept", accept);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let (response, connection) = match self.protocol {
            Protocol::Http1 => {
                let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
                let connection = tokio::spawn(async move {
                    let _ = connection.await;
                });
                (sender.send_request(request).await.unwrap(), connection)
            }
            Protocol::Http2 => {
                let (mut sender, connection) =
                    http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(socket))
                        .await
                        .unwrap();
                let connection = tokio::spawn(async move {
                    let _ = connection.await;
                });
                (sender.send_request(request).await.unwrap(), connection)
            }
        };
        Answer { response, connection, read: String::new() }
    }

    /// The status and the whole body of an answer.
    async fn ask(&self, method: &str, path: &str, accept: &str, body: &str) -> (u16, String) {
        let answer = self.open(method, path, accept, body).await;
        let status = answer.response.status().as_u16();
        (status, answer.whole().await)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.ask("GET", path, "", "").await;
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let (status, body) = self.ask("POST", path, "", &body.to_string()).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }

    async fn ksql(&self, text: &str) -> Value {
        let (status, answer) = self.post("/ksql", json!({ "ksql": text })).await;
        assert_eq!(status, 200, "{text}: {answer}");
        answer
    }

    async fn push_queries(&self) -> usize {
        let shown = self.ksql("SHOW QUERIES;").await;
        shown[0]["queries"].as_array().unwrap().iter().filter(|query| query["queryType"] == "PUSH").count()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown();
        }
        self.engine.close();
    }
}

/// An answer that may still be on its way.
struct Answer {
    response: Response<Incoming>,
    connection: tokio::task::JoinHandle<()>,
    read: String,
}

impl Answer {
    async fn whole(mut self) -> String {
        let rest = self.response.body_mut().collect().await.unwrap().to_bytes();
        self.read + std::str::from_utf8(&rest).unwrap()
    }

    /// Reads until a text has come.
    async fn until(&mut self, wanted: &str) {
        while !self.read.contains(wanted) {
            let frame = self.response.body_mut().frame().await.expect("the answer goes on").unwrap();
            if let Ok(data) = frame.into_data() {
                self.read.push_str(std::str::from_utf8(&data).unwrap());
            }
        }
    }

    /// Hangs up.
    fn leave(self) {
        self.connection.abort();
    }
}

/// Runs a test over both protocols.
fn over_both<F: Future<Output = Result<(), Infallible>>>(test: impl Fn(Rc<Stage>) -> F) {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        println!("over {protocol:?}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stage = Rc::new(Stage::new(protocol));
        let done = runtime.block_on(async { tokio::time::timeout(PATIENCE * 2, test(stage.clone())).await });
        // Its connections are then gone, and the server need not wait for them.
        drop(runtime);
        done.expect("the test ends in time").unwrap();
    }
}

const DELIMITED: &str = "application/vnd.ksqlapi.delimited.v1";
const KSQL: &str = "application/vnd.ksql.v1+json";
const CREATE: &str =
    "CREATE STREAM conn (uid VARCHAR, n INT) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON', PARTITIONS=1);";

fn earliest(member: &str, sql: &str) -> Value {
    let properties = if member == "ksql" { "streamsProperties" } else { "properties" };
    json!({ member: sql, properties: { "auto.offset.reset": "earliest" } })
}

async fn with_rows(stage: &Stage) {
    stage.ksql(CREATE).await;
    for n in 1..=3 {
        stage.ksql(&format!("INSERT INTO conn (uid, n) VALUES ('C{n}', {n});")).await;
    }
}

#[test]
fn statements_are_answered_by_entities_and_errors_with_codes() {
    over_both(|stage| async move {
        let created = stage.ksql(CREATE).await;
        let status = &created[0];
        assert_eq!(status["@type"], "currentStatus");
        assert_eq!(status["statementText"], CREATE);
        assert_eq!(status["commandId"], "stream/`CONN`/create");
        assert_eq!(status["commandStatus"]["status"], "SUCCESS");
        assert_eq!(status["commandStatus"]["message"], "Stream created");
        assert!(status["commandSequenceNumber"].is_i64() && status["warnings"].is_array(), "{status}");

        let two = stage.ksql("SHOW STREAMS; LIST TOPICS;").await;
        assert_eq!((&two[0]["@type"], &two[1]["@type"]), (&json!("streams"), &json!("kafka_topics")));
        let conn = two[0]["streams"].as_array().unwrap().iter().find(|s| s["name"] == "CONN").unwrap();
        assert_eq!(
            *conn,
            json!({"type": "STREAM", "name": "CONN", "topic": "conn", "keyFormat": "KAFKA", "valueFormat": "JSON", "isWindowed": false})
        );
        for (statement, entity) in [
            ("SHOW TABLES;", "tables"),
            ("SHOW QUERIES;", "queries"),
            ("SHOW PROPERTIES;", "properties"),
            ("SHOW FUNCTIONS;", "function_names"),
            ("SHOW TYPES;", "type_list"),
            ("SHOW VARIABLES;", "variables"),
            ("SHOW TOPICS EXTENDED;", "kafka_topics_extended"),
            ("DESCRIBE conn;", "sourceDescription"),
            ("SHOW STREAMS EXTENDED;", "source_descriptions"),
            ("DESCRIBE FUNCTION len;", "describe_function"),
            ("EXPLAIN SELECT * FROM conn EMIT CHANGES;", "queryDescription"),
            ("ASSERT TOPIC conn;", "assert_topic"),
            ("DROP STREAM IF EXISTS nothing;", "warning_entity"),
        ] {
            assert_eq!(stage.ksql(statement).await[0]["@type"], entity, "{statement}");
        }

        let variables = json!({"ksql": "DESCRIBE ${s};", "sessionVariables": {"s": "conn"}});
        assert_eq!(stage.post("/ksql", variables).await.1[0]["sourceDescription"]["name"], "CONN");

        // What came before a failing statement is done and answered.
        let text = "CREATE TYPE t AS INT; DROP STREAM nothing;";
        let (status, error) = stage.post("/ksql", json!({ "ksql": text })).await;
        assert_eq!((status, &error["error_code"]), (400, &json!(40001)));
        assert_eq!(
            (&error["@type"], &error["statementText"]),
            (&json!("statement_error"), &json!("DROP STREAM nothing;"))
        );
        assert_eq!(error["entities"].as_array().unwrap().len(), 1);
        // Nothing of a text that does not parse is done.
        let (_, error) = stage.post("/ksql", json!({"ksql": "DROP TYPE t; SHOW STREMS;"})).await;
        assert_eq!((&error["error_code"], &error["entities"]), (&json!(40001), &json!([])));
        assert_eq!(stage.ksql("SHOW TYPES;").await[0]["types"].as_object().unwrap().len(), 1);

        let (_, error) = stage.post("/ksql", json!({"ksql": "SELECT * FROM conn;"})).await;
        assert_eq!((&error["error_code"], &error["@type"]), (&json!(40002), &json!("statement_error")));
        for body in ["", "{", "[]", "{\"ksql\":1}", "{}"] {
            let (status, answer) = stage.ask("POST", "/ksql", "", body).await;
            assert_eq!(status, 400, "{body}: {answer}");
            assert!(answer.contains("\"@type\":\"generic_error\",\"error_code\":40000"), "{body}: {answer}");
        }
        let denied = json!({"ksql": "SHOW STREAMS;", "streamsProperties": {"no.such": "x"}});
        let (status, error) = stage.post("/ksql", denied).await;
        assert!(status == 200 || error["error_code"] == 40001, "{error}");
        let (status, error) = stage.get("/ksqll").await;
        assert_eq!((status, &error["error_code"]), (404, &json!(40400)));
        let (status, error) = stage.get("/ksql").await;
        assert_eq!((status, &error["error_code"]), (405, &json!(40500)));
        let answer = stage.open("POST", "/ksql", KSQL, "{\"ksql\":\"SHOW STREAMS;\"}").await;
        assert_eq!(answer.response.headers()["content-type"], KSQL);
        Ok(())
    });
}

#[test]
fn query_is_an_array_with_header_rows_and_final_message() {
    over_both(|stage| async move {
        with_rows(&stage).await;
        let push = "SELECT uid, n FROM conn EMIT CHANGES LIMIT 2;";
        let (status, answer) = stage.post("/query", earliest("ksql", push)).await;
        assert_eq!(status, 200);
        let items = answer.as_array().unwrap();
        assert!(items[0]["header"]["queryId"].as_str().unwrap().starts_with("transient_CONN_"), "{answer}");
        assert_eq!(items[0]["header"]["schema"], "`UID` STRING, `N` INTEGER");
        assert_eq!(items[1], json!({"row": {"columns": ["C1", 1]}}));
        assert_eq!(items[2], json!({"row": {"columns": ["C2", 2]}}));
        assert_eq!(items[3], json!({"finalMessage": "Limit Reached"}));
        assert_eq!(items.len(), 4);

        // To the present end of a stream, and into a table.
        let (_, answer) = stage.post("/query", earliest("ksql", "SELECT uid FROM conn WHERE n > 1;")).await;
        assert_eq!(
            answer.as_array().unwrap()[1..],
            [
                json!({"row": {"columns": ["C2"]}}),
                json!({"row": {"columns": ["C3"]}}),
                json!({"finalMessage": "Query Completed"})
            ]
        );
        let counts = "CREATE TABLE counts AS SELECT uid, COUNT(*) AS c FROM conn GROUP BY uid;";
        stage.post("/ksql", earliest("ksql", counts)).await;
        let started = Instant::now();
        let answer = loop {
            let (_, answer) =
                stage.post("/query", json!({"ksql": "SELECT * FROM counts WHERE uid = 'C3';"})).await;
            if answer.as_array().unwrap().len() == 2 {
                break answer;
            }
            assert!(started.elapsed() < PATIENCE, "{answer}");
        };
        assert_eq!(answer[0]["header"]["schema"], "`UID` STRING KEY, `C` BIGINT");
        assert_eq!(answer[1], json!({"row": {"columns": ["C3", 1]}}));

        for (sql, code) in [
            ("SELECT nope FROM conn EMIT CHANGES;", 40001),
            ("SELECT * FROM nowhere EMIT CHANGES;", 40001),
            ("SELECT * FROM conn; SELECT * FROM conn;", 40001),
            ("SHOW STREAMS;", 40001),
            ("SELECT", 40001),
        ] {
            let (status, error) = stage.post("/query", json!({ "ksql": sql })).await;
            assert_eq!((status, &error["error_code"]), (400, &json!(code)), "{sql}: {error}");
            assert_eq!(error["@type"], "statement_error");
        }
        Ok(())
    });
}

#[test]
fn query_stream_has_lines_or_an_array() {
    over_both(|stage| async move {
        with_rows(&stage).await;
        let body = earliest("sql", "SELECT uid, n FROM conn EMIT CHANGES LIMIT 2;").to_string();
        for accept in ["", DELIMITED] {
            let answer = stage.open("POST", "/query-stream", accept, &body).await;
            assert_eq!(answer.response.headers()["content-type"], DELIMITED);
            let text = answer.whole().await;
            let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert!(lines[0]["queryId"].is_string(), "{text}");
            assert_eq!(lines[0]["columnNames"], json!(["UID", "N"]));
            assert_eq!(lines[0]["columnTypes"], json!(["STRING", "INTEGER"]));
            assert_eq!(lines[1..], [json!(["C1", 1]), json!(["C2", 2])]);
        }
        let (_, text) = stage.ask("POST", "/query-stream", "application/json", &body).await;
        let array: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(array[0]["columnNames"], json!(["UID", "N"]));
        assert_eq!((&array[1], &array[2]), (&json!(["C1", 1]), &json!(["C2", 2])));
        let (_, text) = stage.ask("POST", "/query-stream", KSQL, &body).await;
        let array: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(array[1], json!({"row": {"columns": ["C1", 1]}}));
        assert_eq!(array[3], json!({"finalMessage": "Limit Reached"}));
        let print = json!({"sql": "PRINT conn FROM BEGINNING LIMIT 1;"}).to_string();
        let (status, text) = stage.ask("POST", "/query-stream", "", &print).await;
        assert!(status == 200 && text.contains("rowtime: "), "{text}");
        Ok(())
    });
}

#[test]
fn deleted_row_of_a_table_is_a_tombstone_with_its_key() {
    over_both(|stage| async move {
        stage.ksql("CREATE TABLE users (id VARCHAR PRIMARY KEY, name VARCHAR) WITH (KAFKA_TOPIC='users', VALUE_FORMAT='JSON', PARTITIONS=1);").await;
        let records = "{\"key\":\"u1\",\"value\":{\"name\":\"ada\"}}\n{\"key\":\"u1\",\"value\":null}\n";
        assert_eq!(stage.ask("POST", "/api/v1/topics/users/records", "", records).await.0, 200);
        let push = "SELECT name, id FROM users EMIT CHANGES LIMIT 2;";
        let (_, answer) = stage.post("/query", earliest("ksql", push)).await;
        assert_eq!(answer[1], json!({"row": {"columns": ["ada", "u1"]}}));
        assert_eq!(answer[2], json!({"row": {"columns": [null, "u1"], "tombstone": true}}));
        Ok(())
    });
}

#[test]
fn inserted_rows_are_acknowledged_one_by_one() {
    over_both(|stage| async move {
        stage.ksql(CREATE).await;
        let body = "{\"target\":\"CONN\"}\n{\"UID\":\"a\",\"N\":1}\n{\"UID\":\"b\",\"N\":\"x\"}\n{\"UID\":\"c\",\"N\":3}\n";
        let (status, text) = stage.ask("POST", "/inserts-stream", DELIMITED, body).await;
        let acks: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(status, 200);
        assert_eq!(
            (&acks[0], &acks[2]),
            (&json!({"status": "ok", "seq": 0}), &json!({"status": "ok", "seq": 2}))
        );
        assert_eq!((&acks[1]["status"], &acks[1]["seq"]), (&json!("error"), &json!(1)));
        assert_eq!(acks[1]["error_code"], 40001);
        let (_, answer) = stage.post("/query", earliest("ksql", "SELECT uid FROM conn;")).await;
        assert_eq!(
            (&answer[1]["row"]["columns"][0], &answer[2]["row"]["columns"][0]),
            (&json!("a"), &json!("c"))
        );
        let (status, _) = stage.ask("POST", "/inserts-stream", "", "").await;
        assert_eq!(status, 400);
        let (_, text) =
            stage.ask("POST", "/inserts-stream", "", "{\"target\":\"NOWHERE\"}\n{\"A\":1}\n").await;
        assert!(text.contains("\"status\":\"error\"") && text.contains("40001"), "{text}");
        Ok(())
    });
}

#[test]
fn closed_query_ends_and_is_then_unknown() {
    over_both(|stage| async move {
        with_rows(&stage).await;
        let body = earliest("sql", "SELECT uid FROM conn EMIT CHANGES;").to_string();
        let mut answer = stage.open("POST", "/query-stream", DELIMITED, &body).await;
        answer.until("[\"C3\"]").await;
        assert_eq!(stage.push_queries().await, 1);
        let head: Value = serde_json::from_str(answer.read.lines().next().unwrap()).unwrap();
        let id = head["queryId"].as_str().unwrap().to_owned();
        assert_eq!(stage.post("/close-query", json!({ "queryId": id })).await.0, 200);
        // The client is told by the end of its answer.
        answer.whole().await;
        assert_eq!(stage.push_queries().await, 0);
        let (status, error) = stage.post("/close-query", json!({ "queryId": id })).await;
        assert_eq!((status, &error["error_code"]), (400, &json!(40000)), "{error}");
        Ok(())
    });
}

#[test]
fn query_ends_within_a_second_when_its_client_leaves() {
    over_both(|stage| async move {
        with_rows(&stage).await;
        let body = earliest("sql", "SELECT uid FROM conn EMIT CHANGES;").to_string();
        let print = json!({"ksql": "PRINT conn FROM BEGINNING;"}).to_string();
        for (path, body) in [("/query-stream", &body), ("/query", &body), ("/query", &print)] {
            let mut answer = stage.open("POST", path, "", body).await;
            answer.until("C3").await;
            answer.leave();
            let left = Instant::now();
            while stage.push_queries().await > 0 {
                assert!(left.elapsed() < Duration::from_secs(1), "{path} is still there");
            }
            let (_, metrics) = stage.ask("GET", "/metrics", "", "").await;
            let open = metrics.lines().find(|line| line.starts_with("tripline_http_queries_open "));
            if open != Some("tripline_http_queries_open 0") {
                assert!(left.elapsed() < Duration::from_secs(1), "{open:?}");
            }
        }
        // One that shows nothing is noticed as well.
        let body = json!({"sql": "SELECT uid FROM conn WHERE n > 99 EMIT CHANGES;"}).to_string();
        let mut answer = stage.open("POST", "/query-stream", DELIMITED, &body).await;
        answer.until("queryId").await;
        answer.leave();
        let left = Instant::now();
        while stage.push_queries().await > 0 {
            assert!(left.elapsed() < Duration::from_secs(1), "the quiet query is still there");
        }
        Ok(())
    });
}

#[test]
fn server_tells_about_itself() {
    over_both(|stage| async move {
        stage.ksql(CREATE).await;
        let (status, info) = stage.get("/info").await;
        let info = &info["KsqlServerInfo"];
        assert_eq!((status, &info["serverStatus"]), (200, &json!("RUNNING")));
        for name in ["version", "kafkaClusterId", "ksqlServiceId"] {
            assert!(info[name].is_string(), "{name} in {info}");
        }
        let answer = stage.open("GET", "/", "", "").await;
        assert_eq!(answer.response.status(), 307);
        assert_eq!(answer.response.headers()["location"], "/info");
        let (_, health) = stage.get("/healthcheck").await;
        assert_eq!(health["isHealthy"], true);
        for part in ["metastore", "kafka", "commandRunner"] {
            assert_eq!(health["details"][part]["isHealthy"], true, "{health}");
        }
        let (status, found) = stage.get("/status/stream/CONN/create").await;
        assert_eq!((status, &found["status"]), (200, &json!("SUCCESS")), "{found}");
        assert_eq!(stage.get("/status/stream/%60CONN%60/create").await.0, 200);
        let (status, error) = stage.get("/status/stream/NOPE/create").await;
        assert_eq!((status, &error["error_code"]), (404, &json!(40400)));
        let (_, all) = stage.get("/status").await;
        assert_eq!(all["commandStatuses"]["stream/`CONN`/create"], "SUCCESS", "{all}");
        let (_, cluster) = stage.get("/v1/metadata").await;
        assert!(cluster.is_object(), "{cluster}");

        for (path, wanted) in [
            ("/is_valid_property/auto.offset.reset", 200),
            ("/is_valid_property/ksql.streams.auto.offset.reset?value=earliest", 200),
            ("/is_valid_property/auto.offset.reset?value=earlyest", 400),
            ("/is_valid_property/auto.offset.rest", 400),
            ("/is_valid_property/listeners", 400),
        ] {
            assert_eq!(stage.get(path).await.0, wanted, "{path}");
        }
        let (_, metrics) = stage.ask("GET", "/metrics", "", "").await;
        for name in [
            "tripline_streams_and_tables 2",
            "tripline_http_requests_total{route=\"/ksql\",status=\"200\"} 1",
        ] {
            assert!(metrics.lines().any(|line| line == name), "{name} in {metrics}");
        }
        Ok(())
    });
}
