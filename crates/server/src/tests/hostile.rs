//! Clients that are wrong, slow, greedy or not who they say.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::client::{parse, read_reply, start, start_with};

fn raw(server: &super::client::Started, bytes: &[u8]) -> super::client::Reply {
    let mut socket = server.connect();
    let _ = socket.write_all(bytes);
    read_reply(&mut socket)
}

#[test]
fn oversize_body_is_refused_with_an_answer() {
    let server = start();
    let body = format!("{{\"ksql\":\"{}\"}}", "x".repeat(2 * 1024 * 1024));
    let reply = server.post("/ksql", &body);
    assert_eq!((reply.status, &reply.json()["code"]), (413, &"body_too_large".into()));
    let mut chunked =
        b"POST /ksql HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    chunked.extend_from_slice(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes());
    assert_eq!(raw(&server, &chunked).status, 413);
    assert_eq!(server.get("/info").status, 200);
}

#[test]
fn header_flood_is_refused() {
    let server = start();
    let long = format!("GET /info HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(1024 * 1024));
    assert_ne!(raw(&server, long.as_bytes()).status, 200);
    let many = format!("GET /info HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x: y\r\n".repeat(5000));
    assert_ne!(raw(&server, many.as_bytes()).status, 200);
    let path = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(1024 * 1024));
    assert_ne!(raw(&server, path.as_bytes()).status, 200);
    assert_eq!(server.get("/info").status, 200);
}

#[test]
fn malformed_http_is_refused() {
    let server = start();
    for bytes in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /info HTTP/9.9\r\nhost: localhost\r\n\r\n",
        b"GET /info HTTP/1.1\r\nhost localhost\r\n\r\n",
        b"POST /ksql HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5, 6\r\n\r\n{}",
        b"POST /ksql HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /ksql HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /info HTTP/1.1\r\nconnection: close\r\n\r\n",
        b"GET /info HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot frames at all, but long enough to be a head of one",
    ] {
        let reply = raw(&server, bytes);
        assert!(matches!(reply.status, 0 | 400), "{}: {reply:?}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(server.get("/info").status, 200);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = start();
    let body = r#"{"ksql":"SHOW STREAMS;"}"#;
    let post =
        format!("POST /ksql HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let get = "GET /api/v1/names HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let last = "GET /nowhere HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut socket = server.connect();
    socket.write_all(format!("{post}{get}{get}{last}").as_bytes()).unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let statuses: Vec<u16> =
        text.split("HTTP/1.1 ").skip(1).map(|one| parse(&format!("HTTP/1.1 {one}")).status).collect();
    assert_eq!(statuses, [200, 200, 200, 404]);
    assert!(text.find("streams").unwrap() < text.find("{\"names\"").unwrap());
}

#[test]
fn silent_and_dawdling_clients_are_closed() {
    let server = start_with(|config| {
        config.limits.header_timeout = Duration::from_millis(200);
        config.limits.idle_timeout = Duration::from_millis(200);
        config.limits.body_timeout = Duration::from_millis(200);
    });
    let begin = Instant::now();
    assert_eq!(raw(&server, b"").status, 0);
    assert!(matches!(raw(&server, b"GET /info HTTP/1.1\r\nhost: lo").status, 0 | 408));
    // Kept alive, and then nothing.
    assert_eq!(raw(&server, b"GET /info HTTP/1.1\r\nhost: localhost\r\n\r\n").status, 200);
    let slow = raw(&server, b"POST /ksql HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50\r\n\r\n{");
    assert_eq!(slow.status, 408);
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn connections_beyond_the_limit_are_told() {
    let server = start_with(|config| config.limits.connections_max = 1);
    let mut first = server.connect();
    first.write_all(b"GET /info HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    first.read_exact(&mut [0; 12]).unwrap();
    let mut second = server.connect();
    let reply = read_reply(&mut second);
    assert_eq!((reply.status, &reply.json()["code"]), (503, &"too_many_connections".into()));
    drop(first);
    super::client::wait_until("the place is free", || server.get("/info").status == 200);
}

#[test]
fn pages_of_other_sites_are_refused() {
    let server = start_with(|config| config.host_names = vec!["siem.example".into()]);
    let rebound = raw(&server, b"GET /info HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
    assert_eq!((rebound.status, &rebound.json()["error_code"]), (403, &40300.into()));
    let named = raw(&server, b"GET /info HTTP/1.1\r\nhost: siem.example:8088\r\nconnection: close\r\n\r\n");
    assert_eq!(named.status, 200);
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    {
        let headers = format!("origin: https://evil.example\r\ncontent-type: {content_type}\r\n");
        let reply = server.send("POST", "/ksql", &headers, r#"{"ksql":"DROP STREAM S;"}"#);
        assert_eq!(reply.json()["code"], "foreign_origin");
        assert!(reply.header("access-control-allow-origin").is_none());
    }
    assert!(server.fake.0.executed.lock().unwrap().is_empty());
    let own = server.send("POST", "/ksql", "origin: http://localhost\r\n", r#"{"ksql":"SHOW STREAMS;"}"#);
    assert_eq!(own.status, 200);
}

#[test]
fn secrets_of_connectors_are_not_repeated() {
    let server = start();
    let statement = "CREATE SINK CONNECTOR MISSING WITH ('connection.password'='hunter2');";
    let reply = server.post("/ksql", &format!(r#"{{"ksql":"{statement}"}}"#));
    assert_eq!(reply.status, 400);
    assert!(!reply.body.contains("hunter2"));
    let reply = server
        .post("/ksql", r#"{"ksql":"CREATE SINK CONNECTOR C WITH ('p'='hunter2') nonsense 'hunter2';"}"#);
    assert_eq!(reply.status, 400);
}

#[test]
fn port_in_use_is_an_error() {
    let server = start();
    let config = crate::ServerConfig { listeners: vec![server.address], ..Default::default() };
    let error = crate::Server::start(server.fake.clone(), config).err().unwrap();
    assert!(error.to_string().starts_with(&format!("cannot listen on {}", server.address)));
}
