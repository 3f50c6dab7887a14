//! Queries, PRINT and inserts as they go on.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::pin::Pin;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::RowEvent;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::mpsc;

use super::client::{Started, start, start_with, wait_until};
use crate::fake::row;

#[test]
fn query_is_ksqldbs_array() {
    let server = start();
    let reply = server.post("/query", r#"{"ksql":"SELECT * FROM S EMIT CHANGES LIMIT 2;"}"#);
    assert_eq!(
        reply.body,
        "[{\"header\":{\"queryId\":\"transient_1\",\"schema\":\"`A` INTEGER, `B` STRING\"}},\n\
         {\"row\":{\"columns\":[1,\"a\\u001b\\n\"]}},\n\
         {\"row\":{\"columns\":[2,null],\"tombstone\":true}},\n\
         {\"finalMessage\":\"Limit Reached\"}]\n"
    );
    assert_eq!(reply.header("content-type"), Some("application/json"));
    wait_until("the query is dropped", || server.fake.0.open.load(SeqCst) == 0);
}

#[test]
fn pull_query_on_a_table_ends_without_a_word() {
    let server = start();
    let reply = server.post("/query", r#"{"ksql":"SELECT * FROM T;"}"#);
    assert!(!reply.body.contains("finalMessage"));
    assert_eq!(reply.json().as_array().unwrap().len(), 3);
}

#[test]
fn query_stream_has_three_layouts() {
    let server = start();
    let body = r#"{"sql":"SELECT * FROM S EMIT CHANGES LIMIT 2;","properties":{},"sessionVariables":{}}"#;
    let lines = server.post("/query-stream", body);
    assert_eq!(lines.header("content-type"), Some("application/vnd.ksqlapi.delimited.v1"));
    assert_eq!(
        lines.body,
        "{\"queryId\":\"transient_1\",\"columnNames\":[\"A\",\"B\"],\"columnTypes\":[\"INTEGER\",\"STRING\"]}\n\
         [1,\"a\\u001b\\n\"]\n[2,null]\n"
    );
    let array = server.send("POST", "/query-stream", "accept: application/json\r\n", body);
    assert_eq!(array.json()[0]["columnNames"][1], "B");
    assert_eq!(array.json()[2], serde_json::json!([2, null]));
    let ksql = server.send("POST", "/query-stream", "accept: application/vnd.ksql.v1+json\r\n", body);
    assert_eq!(ksql.json()[3]["finalMessage"], "Limit Reached");
}

#[test]
fn failing_query_is_told_before_or_among_the_rows() {
    let server = start();
    let before = server.post("/query-stream", r#"{"sql":"SELECT MISSING FROM S;"}"#);
    assert_eq!((before.status, &before.json()["@type"]), (400, &"statement_error".into()));
    let among = server.post("/query", r#"{"ksql":"SELECT FAILS FROM S EMIT CHANGES;"}"#);
    assert_eq!(among.json()[3]["errorMessage"]["error_code"], 50000);
    let lines = server.post("/query-stream", r#"{"sql":"SELECT FAILS FROM S EMIT CHANGES;"}"#);
    assert!(
        lines.body.lines().last().unwrap().starts_with("{\"@type\":\"generic_error\",\"error_code\":50000")
    );
}

#[test]
fn print_is_lines_of_text() {
    let server = start();
    let reply = server.post("/query", r#"{"ksql":"PRINT 's' FROM BEGINNING LIMIT 2;"}"#);
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(
        reply.body,
        "Key format: KAFKA_STRING\nValue format: JSON\n\
         rowtime: 1970/01/01 00:00:01.000 Z, key: k, value: {\"a\":1}, partition: 0\n\
         rowtime: 1970/01/01 00:00:01.000 Z, key: k, value: {\"a\":1}, partition: 0\n"
    );
    assert_eq!(server.post("/query", r#"{"ksql":"PRINT nowhere;"}"#).status, 400);
}

const QUIET: &str = r#"{"sql":"SELECT QUIET FROM S EMIT CHANGES;"}"#;

fn open_query(server: &Started, body: &str) -> BufReader<std::net::TcpStream> {
    let mut socket = server.connect();
    let length = body.len();
    let head =
        format!("POST /query-stream HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}");
    socket.write_all(head.as_bytes()).unwrap();
    BufReader::new(socket)
}

fn read_until(reader: &mut impl BufRead, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        assert_ne!(reader.read_line(&mut text).unwrap(), 0, "ended before {wanted}: {text}");
    }
    text
}

#[test]
fn rows_come_when_the_engine_has_them() {
    let server = start();
    let mut reader = open_query(&server, QUIET);
    read_until(&mut reader, "columnNames");
    server.fake.push(RowEvent::Rows(vec![row(5, "x")]));
    read_until(&mut reader, "[5,\"x\"]");
    server.fake.push(RowEvent::Rows(vec![row(6, "y")]));
    read_until(&mut reader, "[6,\"y\"]");
}

#[test]
fn client_that_leaves_ends_its_query() {
    let server = start();
    let mut reader = open_query(&server, QUIET);
    read_until(&mut reader, "columnNames");
    assert_eq!(server.fake.0.open.load(SeqCst), 1);
    let left = Instant::now();
    drop(reader);
    wait_until("the query is dropped", || server.fake.0.open.load(SeqCst) == 0);
    assert!(left.elapsed() < Duration::from_secs(1));
}

#[test]
fn client_that_does_not_read_is_not_read_for() {
    let server = start_with(|config| config.limits.write_stall_max = Duration::from_millis(500));
    let reader = open_query(&server, r#"{"sql":"SELECT ENDLESS FROM S EMIT CHANGES;"}"#);
    // The stalled connection is closed, and the query with it.
    wait_until("the query has begun", || server.fake.0.rows_given.load(SeqCst) > 0);
    wait_until("the query is dropped", || server.fake.0.open.load(SeqCst) == 0);
    // Rows of about 105 bytes; the sockets of this machine hold a few megabytes.
    let bytes = server.fake.0.rows_given.load(SeqCst) * 105;
    assert!(bytes < 32 * 1024 * 1024, "{bytes} bytes were made for nobody");
    drop(reader);
}

#[test]
fn too_many_open_queries_are_refused() {
    let server = start_with(|config| config.limits.open_queries_max = 1);
    let mut reader = open_query(&server, QUIET);
    read_until(&mut reader, "columnNames");
    let refused = server.post("/query-stream", QUIET);
    assert_eq!(refused.json()["error_code"], 40003);
    assert_eq!(server.post("/query-stream", r#"{"sql":"SELECT 1 FROM T;"}"#).status, 200);
    drop(reader);
    wait_until("the place is free", || {
        server.post("/query-stream", r#"{"sql":"PRINT s LIMIT 1;"}"#).status == 200
    });
}

#[test]
fn stopping_ends_open_queries_with_a_message() {
    let server = start();
    let mut reader = open_query(&server, QUIET);
    read_until(&mut reader, "columnNames");
    let mut idle = server.connect();
    let start = Instant::now();
    server.running.shutdown();
    assert!(start.elapsed() < Duration::from_secs(5));
    read_until(&mut reader, "the server is stopping");
    assert_eq!(std::io::Read::read(&mut idle, &mut [0; 1]).unwrap_or(0), 0);
    assert_eq!(server.fake.0.open.load(SeqCst), 0);
}

#[test]
fn inserts_are_acknowledged_in_order() {
    let server = start();
    let body = "{\"target\":\"S\"}\n{\"A\":1}\n{\"A\":\"bad\"}\n\n{\"A\":3}";
    let reply = server.post("/inserts-stream", body);
    let lines: Vec<&str> = reply.body.lines().collect();
    assert_eq!(lines[0], "{\"status\":\"ok\",\"seq\":0}");
    assert!(lines[1].starts_with("{\"status\":\"error\",\"seq\":1,"), "{}", lines[1]);
    assert_eq!(lines[2], "{\"status\":\"ok\",\"seq\":2}");
    assert_eq!(*server.fake.0.inserted.lock().unwrap(), ["{\"A\":1}", "{\"A\":3}"]);
    let array = server.send("POST", "/inserts-stream", "accept: application/json\r\n", body);
    assert_eq!(array.json().as_array().unwrap().len(), 3);
    assert_eq!(server.post("/inserts-stream", "").status, 400);
    assert_eq!(server.post("/inserts-stream", "{\"A\":1}\n").status, 400);
    let down = server.post("/inserts-stream", "{\"target\":\"DOWN\"}\n{}\n{}\n");
    assert_eq!(down.body.lines().count(), 1);
}

#[test]
fn inserts_are_acknowledged_while_the_body_goes_on() {
    let server = start();
    let mut socket = server.connect();
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    socket
        .write_all(b"POST /inserts-stream HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    let mut send = |line: &str| write!(socket, "{:x}\r\n{line}\r\n", line.len()).unwrap();
    send("{\"target\":\"S\"}\n");
    send("{\"A\":1}\n");
    read_until(&mut reader, "\"seq\":0");
    send("{\"A\":2}\n");
    read_until(&mut reader, "\"seq\":1");
    send("{\"A\":3}");
    socket.write_all(b"0\r\n\r\n").unwrap();
    read_until(&mut reader, "\"seq\":2");
}

/// Runs one HTTP/2 conversation.
fn with_http2<F: Future<Output = ()>>(server: &Started, talk: impl FnOnce(Http2) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        tokio::time::timeout(Duration::from_secs(20), talk(Http2 { sender, address: server.address }))
            .await
            .unwrap();
    });
}

type AnyBody = http_body_util::combinators::BoxBody<Bytes, Infallible>;

struct Http2 {
    sender: hyper::client::conn::http2::SendRequest<AnyBody>,
    address: std::net::SocketAddr,
}

impl Http2 {
    async fn send(&mut self, method: &str, path: &str, body: AnyBody) -> Response<hyper::body::Incoming> {
        let uri = format!("http://{}{path}", self.address);
        self.sender
            .send_request(Request::builder().method(method).uri(uri).body(body).unwrap())
            .await
            .unwrap()
    }
}

/// A body that is sent piece by piece.
struct Sent(mpsc::Receiver<Bytes>);

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}

fn full(text: &str) -> AnyBody {
    Full::new(Bytes::copy_from_slice(text.as_bytes())).boxed()
}

async fn text_of(response: Response<hyper::body::Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[test]
fn http2_answers_without_upgrade_on_the_same_port() {
    let server = start();
    with_http2(&server, |mut http2| async move {
        let info = http2.send("GET", "/info", full("")).await;
        assert_eq!(info.version(), hyper::Version::HTTP_2);
        assert!(text_of(info).await.contains("KsqlServerInfo"));
        let head = http2.send("HEAD", "/info", full("")).await;
        assert_eq!(text_of(head).await, "");
        let rows =
            http2.send("POST", "/query-stream", full(r#"{"sql":"SELECT * FROM S EMIT CHANGES LIMIT 2;"}"#));
        assert!(text_of(rows.await).await.ends_with("[2,null]\n"));
        let missing = http2.send("GET", "/nowhere", full("")).await;
        assert_eq!(missing.status(), 404);
    });
}

#[test]
fn http2_stream_that_is_reset_ends_its_query() {
    let server = start();
    let fake = server.fake.clone();
    with_http2(&server, |mut http2| async move {
        let mut answer = http2.send("POST", "/query-stream", full(QUIET)).await;
        answer.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(fake.0.open.load(SeqCst), 1);
        drop(answer);
        // The connection stays open; only the stream is gone.
        while fake.0.open.load(SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(http2.send("GET", "/info", full("")).await.status(), 200);
    });
}

#[test]
fn http2_slow_stream_does_not_stop_the_others() {
    let server = start();
    let fake = server.fake.clone();
    with_http2(&server, |mut http2| async move {
        let endless = http2
            .send("POST", "/query-stream", full(r#"{"sql":"SELECT ENDLESS FROM S EMIT CHANGES;"}"#))
            .await;
        for _ in 0..20 {
            assert_eq!(http2.send("GET", "/info", full("")).await.status(), 200);
        }
        assert!(fake.0.rows_given.load(SeqCst) * 105 < 32 * 1024 * 1024);
        drop(endless);
    });
}

#[test]
fn http2_inserts_and_acknowledgements_cross() {
    let server = start();
    with_http2(&server, |mut http2| async move {
        let (tx, rx) = mpsc::channel::<Bytes>(1);
        let body = Sent(rx).boxed();
        let answer = async move { http2.send("POST", "/inserts-stream", body).await };
        let talk = async move {
            tx.send("{\"target\":\"S\"}\n".into()).await.unwrap();
            tx.send("{\"A\":1}\n".into()).await.unwrap();
            tx
        };
        let (answer, tx) = tokio::join!(answer, talk);
        let mut body = answer.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "{\"status\":\"ok\",\"seq\":0}\n");
        tx.send("{\"A\":2}\n".into()).await.unwrap();
        let second = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(second, "{\"status\":\"ok\",\"seq\":1}\n");
        drop(tx);
        while let Some(frame) = body.frame().await {
            assert!(frame.unwrap().into_data().unwrap().is_empty());
        }
    });
}
