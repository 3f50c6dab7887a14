//! Batches sent in order over one connection, several under way at a time.
//!
//! A batch is forgotten when its answer is there. When the connection is lost, or the server with it, all that are not
//! answered are sent again, oldest first. Batches are numbered for each topic, and the server writes a number once: what
//! it had taken before the connection was lost is not there twice.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
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
/// Attempts without an answer in between: about a minute, in which a server can be started again.
const ATTEMPTS_MAX: u32 = 34;
/// Attempts before the first connection: an address that is wrong is told soon.
const ATTEMPTS_FIRST_MAX: u32 = 5;
/// The first pause between attempts; each is twice as long as the one before.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);
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
    /// Our name in the numbers of batches: no two senders have the same.
    producer: String,
    /// The next number of each topic; the reader bounds the topics.
    next: HashMap<String, u64>,
    /// Batches and their numbers.
    waiting: VecDeque<(u64, Batch)>,
    /// How many of `waiting`, from the front, were written to this connection.
    written: usize,
    attempts: u32,
    pause_first: Duration,
    /// Records that are answered for.
    pub acknowledged: u64,
    /// Bytes of frames that are answered for.
    pub acknowledged_bytes: u64,
    /// How often the connection was lost with batches under way.
    pub losses: u64,
    has_connected: bool,
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
            producer: format!("replay-{:016x}{:016x}", random(), random()),
            next: HashMap::new(),
            waiting: VecDeque::new(),
            written: 0,
            attempts: 0,
            pause_first: PAUSE_FIRST,
            acknowledged: 0,
            acknowledged_bytes: 0,
            losses: 0,
            has_connected: false,
        }
    }

    /// Sends a batch; waits for older ones when too many are under way.
    pub fn send(&mut self, batch: Batch) -> Result<()> {
        let next = self.next.entry(batch.topic.clone()).or_default();
        self.waiting.push_back((*next, batch));
        *next += 1;
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
            self.losses += u64::from(self.written > 0);
            self.written = 0;
            self.attempts += 1;
            let attempts_max = if self.has_connected { ATTEMPTS_MAX } else { ATTEMPTS_FIRST_MAX };
            if self.attempts >= attempts_max {
                return Err(error.context(format!("gave up after {attempts_max} attempts")));
            }
            let pause = self.pause_first.saturating_mul(1 << (self.attempts - 1).min(10)).min(PAUSE_MAX);
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
            self.has_connected = true;
        }
        let connection = self.connection.as_mut().context("no connection")?.get_mut();
        let (sequence, batch) = &self.waiting[self.written];
        let mut head = format!("POST /api/v1/topics/{}/records", path_segment(&batch.topic));
        if let Some(partition) = self.partition {
            head.push_str(&format!("?partition={partition}"));
        }
        head.push_str(&format!(
            " HTTP/1.1\r\nhost: {}\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\n\
            x-tripline-producer: {}\r\nx-tripline-sequence: {sequence}\r\n",
            self.endpoint.authority(),
            batch.frames.len(),
            self.producer
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
        let topic = self.waiting.front().map_or("", |(_, batch)| &batch.topic);
        // 429 and 503 pass; what was sent behind the batch is then refused as a gap, and is sent again too.
        if matches!(status, 429 | 503) {
            return Err(Failure::Lost(anyhow!("{url} is busy or stopping: {}", message(&body, status))));
        }
        if !(200..300).contains(&status) {
            let told = message(&body, status);
            let is_named = told.contains(&format!("{topic:?}"));
            let told = if is_named { told } else { format!("topic {topic:?}: {told}") };
            return Err(Failure::Refused(anyhow!(told)));
        }
        let answered = self.waiting.pop_front();
        let (_, batch) = answered.ok_or_else(|| Failure::Refused(anyhow!("answer to no request")))?;
        self.written -= 1;
        self.attempts = 0;
        self.used_at = Instant::now();
        let is_repeated = body["repeated"].as_bool() == Some(true);
        let appended = body["appended"].as_u64();
        if let Some(appended) = appended.filter(|appended| *appended != batch.records && !is_repeated) {
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

fn is_own_end(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}

/// Returns a number that nobody else has: the standard library's hash keys are random.
fn random() -> u64 {
    RandomState::new().hash_one((std::process::id(), Instant::now()))
}

fn connect(endpoint: &Endpoint) -> Result<TcpStream> {
    let url = endpoint.url();
    let addresses = (endpoint.host.as_str(), endpoint.port)
        .to_socket_addrs()
        .with_context(|| format!("cannot find {url}"))?;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect_timeout(&address, Duration::from_secs(10)) {
            // Where nobody listens, a port of this machine may be given to ourselves: we would talk to ourselves, and
            // keep the server from its port.
            Ok(stream) if is_own_end(&stream) => last = io::ErrorKind::ConnectionRefused.into(),
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
        assert_eq!((sender.acknowledged, sender.losses), (9, 0));
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
            let mut seen = kept.lock().unwrap();
            let batch = (request.header("x-tripline-producer"), request.header("x-tripline-sequence"), value);
            // As the real one: a number that was taken is not written again.
            let is_repeated = seen.contains(&batch);
            if !is_repeated {
                seen.push(batch);
            }
            (200, format!(r#"{{"appended":{},"repeated":{is_repeated}}}"#, u8::from(!is_repeated)))
        });
        let mut sender = sender(&server);
        for n in 0..5 {
            sender.send(batch(&n.to_string())).unwrap();
        }
        sender.finish().unwrap();
        let seen = seen.lock().unwrap();
        let expect: Vec<_> =
            (0..5).map(|n| (sender.producer.clone(), n.to_string(), n.to_string())).collect();
        assert_eq!(*seen, expect);
        assert_eq!((sender.acknowledged, sender.losses), (5, 1));
    }

    #[test]
    fn busy_server_gets_the_batch_again_and_each_topic_is_counted_for_itself() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        let server = FakeServer::start(move |request| {
            let mut seen = kept.lock().unwrap();
            seen.push((request.path.clone(), request.header("x-tripline-sequence")));
            if seen.len() == 1 { (429, "{}".to_owned()) } else { (200, r#"{"appended":1}"#.to_owned()) }
        });
        let mut sender = sender(&server);
        for topic in ["a", "a", "b"] {
            let mut batch = batch("0");
            batch.topic = topic.to_owned();
            sender.send(batch).unwrap();
            sender.finish().unwrap();
        }
        let sent = |topic: &str, sequence: u64| {
            (format!("/api/v1/topics/{topic}/records?partition=2"), sequence.to_string())
        };
        assert_eq!(*seen.lock().unwrap(), [sent("a", 0), sent("a", 0), sent("a", 1), sent("b", 0)]);
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
        assert!(lost.finish().unwrap_err().to_string().contains("gave up after 34 attempts"));
    }

    #[test]
    fn address_where_nobody_listens_is_told_soon() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut sender = Sender::new(Endpoint::parse(&address.to_string()).unwrap(), None);
        sender.pause_first = Duration::ZERO;
        let error = sender.send(batch("0")).and_then(|()| sender.finish()).unwrap_err();
        assert!(error.to_string().contains("gave up after 5 attempts"), "{error}");
    }
}
