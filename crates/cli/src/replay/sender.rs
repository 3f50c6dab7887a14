//! Batches sent in order over one connection, several under way at a time.
//!
//! A batch is forgotten when its answer is there. When the connection is lost, all that are not answered are sent
//! again, oldest first: the server may have taken some of them, so records may then be there twice.

use std::{
    collections::VecDeque,
    io::{self, BufReader, Write},
    net::{TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use super::{answer::read_answer, batch::Batch};
use crate::http::{Endpoint, path_segment};

/// Batches that are sent and not answered.
const IN_FLIGHT_MAX: usize = 4;
/// Attempts to connect without an answer in between.
const ATTEMPTS_MAX: u32 = 8;
/// The first pause between attempts; each is twice as long as the one before.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A connection that was idle so long is opened anew: the server is about to close it.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// How long the server may take for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Sends batches to one server.
pub struct Sender {
    endpoint: Endpoint,
    partition: Option<u32>,
    connection: Option<BufReader<TcpStream>>,
    used_at: Instant,
    waiting: VecDeque<Batch>,
    /// How many of `waiting`, from the front, were written to this connection.
    written: usize,
    attempts: u32,
    pause_first: Duration,
    /// Records that are answered for.
    pub acknowledged: u64,
    /// Bytes of frames that are answered for.
    pub acknowledged_bytes: u64,
    /// Records sent again after a lost connection: they may be there twice.
    pub repeated: u64,
}

enum Failure {
    Lost(anyhow::Error),
    Refused(anyhow::Error),
}

impl Sender {
    /// Takes where to send; nothing is opened yet.
    pub fn new(endpoint: Endpoint, partition: Option<u32>) -> Self {
        Self {
            endpoint,
            partition,
            connection: None,
            used_at: Instant::now(),
            waiting: VecDeque::new(),
            written: 0,
            attempts: 0,
            pause_first: PAUSE_FIRST,
            acknowledged: 0,
            acknowledged_bytes: 0,
            repeated: 0,
        }
    }

    /// Sends a batch; waits for older ones when too many are under way.
    pub fn send(&mut self, batch: Batch) -> Result<()> {
        self.waiting.push_back(batch);
        self.work(IN_FLIGHT_MAX - 1)
    }

    /// Waits until all batches are answered.
    pub fn finish(&mut self) -> Result<()> {
        self.work(0)
    }

    fn work(&mut self, waiting_max: usize) -> Result<()> {
        loop {
            let error = match self.step(waiting_max) {
                Ok(()) => return Ok(()),
                Err(Failure::Refused(error)) => return Err(error),
                Err(Failure::Lost(error)) => error,
            };
            self.connection = None;
            self.repeated += self.waiting.iter().take(self.written).map(|batch| batch.records).sum::<u64>();
            self.written = 0;
            self.attempts += 1;
            if self.attempts >= ATTEMPTS_MAX {
                return Err(error.context(format!("gave up after {ATTEMPTS_MAX} attempts")));
            }
            let pause = self.pause_first.saturating_mul(1 << (self.attempts - 1)).min(PAUSE_MAX);
            tracing::warn!(server = self.endpoint.url(), %error, ?pause, "connection lost, trying again");
            std::thread::sleep(pause);
        }
    }

    fn step(&mut self, waiting_max: usize) -> Result<(), Failure> {
        if self.written == 0 && self.used_at.elapsed() > IDLE_MAX {
            self.connection = None;
        }
        while self.written < self.waiting.len() {
            self.write_next().map_err(Failure::Lost)?;
        }
        while self.waiting.len() > waiting_max {
            self.read_next()?;
        }
        Ok(())
    }

    fn write_next(&mut self) -> Result<()> {
        let url = self.endpoint.url();
        let lost = || format!("cannot send to {url}");
        if self.connection.is_none() {
            self.connection = Some(BufReader::new(connect(&self.endpoint)?));
        }
        let connection = self.connection.as_mut().context("no connection")?.get_mut();
        let batch = &self.waiting[self.written];
        let mut head = format!("POST /api/v1/topics/{}/records", path_segment(&batch.topic));
        if let Some(partition) = self.partition {
            head.push_str(&format!("?partition={partition}"));
        }
        head.push_str(&format!(
            " HTTP/1.1\r\nhost: {}\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\n",
            self.endpoint.authority(),
            batch.frames.len()
        ));
        if let Some(authorization) = &self.endpoint.authorization {
            head.push_str(&format!("authorization: {authorization}\r\n"));
        }
        head.push_str("\r\n");
        // Counted before: half a batch may be enough for the server to append some of it.
        self.written += 1;
        connection
            .write_all(head.as_bytes())
            .and_then(|()| connection.write_all(&batch.frames))
            .with_context(lost)?;
        self.used_at = Instant::now();
        Ok(())
    }

    fn read_next(&mut self) -> Result<(), Failure> {
        let url = self.endpoint.url();
        let connection = self.connection.as_mut().ok_or_else(|| Failure::Lost(anyhow!("no connection")))?;
        let answer = read_answer(connection).with_context(|| format!("lost the connection to {url}"));
        let (status, body) = answer.map_err(Failure::Lost)?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let topic = self.waiting.front().map_or("", |batch| &batch.topic);
        if status == 503 {
            return Err(Failure::Lost(anyhow!("{url} is busy or stopping: {}", message(&body, status))));
        }
        if !(200..300).contains(&status) {
            return Err(Failure::Refused(anyhow!("topic {topic:?}: {}", message(&body, status))));
        }
        let batch =
            self.waiting.pop_front().ok_or_else(|| Failure::Refused(anyhow!("answer to no request")))?;
        self.written -= 1;
        self.attempts = 0;
        self.used_at = Instant::now();
        if let Some(appended) = body["appended"].as_u64().filter(|appended| *appended != batch.records) {
            let records = batch.records;
            return Err(Failure::Refused(anyhow!("the server appended {appended} of {records} records")));
        }
        self.acknowledged += batch.records;
        self.acknowledged_bytes += batch.frames.len() as u64;
        Ok(())
    }
}

fn message(body: &Value, status: u16) -> String {
    body["message"].as_str().map_or_else(|| format!("status {status}"), str::to_owned)
}

fn connect(endpoint: &Endpoint) -> Result<TcpStream> {
    let url = endpoint.url();
    let addresses = (endpoint.host.as_str(), endpoint.port)
        .to_socket_addrs()
        .with_context(|| format!("cannot find {url}"))?;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect_timeout(&address, Duration::from_secs(10)) {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                stream.set_read_timeout(Some(ANSWER_TIMEOUT)).context("cannot set a time-out")?;
                stream.set_write_timeout(Some(ANSWER_TIMEOUT)).context("cannot set a time-out")?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    bail!("cannot connect to {url}: {last}")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::http::fake::{FakeServer, HANG_UP};

    fn batch(value: &str) -> Batch {
        let mut batch = Batch::new("logs/1");
        batch.push(Some(1), None, value.as_bytes());
        batch
    }

    fn sender(server: &FakeServer) -> Sender {
        let mut sender = Sender::new(Endpoint::parse(&server.url()).unwrap(), Some(2));
        sender.pause_first = Duration::ZERO;
        sender
    }

    fn value(body: &str) -> String {
        body.chars().last().unwrap().to_string()
    }

    #[test]
    fn batches_arrive_in_order_on_one_connection() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        let server = FakeServer::start(move |request| {
            kept.lock().unwrap().push((request.path.clone(), value(&request.body), request.connection));
            (200, r#"{"appended":1}"#.to_owned())
        });
        let mut sender = sender(&server);
        for n in 0..9 {
            sender.send(batch(&n.to_string())).unwrap();
        }
        sender.finish().unwrap();
        assert_eq!((sender.acknowledged, sender.repeated), (9, 0));
        let seen = seen.lock().unwrap();
        let expect: Vec<_> = (0..9)
            .map(|n| ("/api/v1/topics/logs%2F1/records?partition=2".to_owned(), n.to_string(), 0))
            .collect();
        assert_eq!(*seen, expect);
    }

    #[test]
    fn lost_connection_resumes_at_the_first_batch_without_answer() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        let server = FakeServer::start(move |request| {
            let value = value(&request.body);
            if request.connection == 0 && value == "2" {
                return (HANG_UP, String::new());
            }
            kept.lock().unwrap().push(value);
            (200, r#"{"appended":1}"#.to_owned())
        });
        let mut sender = sender(&server);
        for n in 0..5 {
            sender.send(batch(&n.to_string())).unwrap();
        }
        sender.finish().unwrap();
        let mut seen = seen.lock().unwrap().clone();
        let doubled = seen.len() - 5;
        // A reset may take answers with it that were not read yet: those batches come twice, and in order.
        assert!(doubled <= 2 && sender.repeated > doubled as u64, "{seen:?}, {}", sender.repeated);
        seen.dedup();
        if doubled < 2 {
            assert_eq!(seen, ["0", "1", "2", "3", "4"]);
        }
        assert_eq!(sender.acknowledged, 5);
    }

    #[test]
    fn refused_batch_and_dead_server_are_errors() {
        let server = FakeServer::start(|_| (400, r#"{"message":"no such topic"}"#.to_owned()));
        let mut refused = sender(&server);
        refused.send(batch("0")).unwrap();
        assert_eq!(refused.finish().unwrap_err().to_string(), "topic \"logs/1\": no such topic");

        let server = FakeServer::start(|_| (HANG_UP, String::new()));
        let mut lost = sender(&server);
        lost.send(batch("0")).unwrap();
        assert!(lost.finish().unwrap_err().to_string().contains("gave up after 8 attempts"));
    }
}
