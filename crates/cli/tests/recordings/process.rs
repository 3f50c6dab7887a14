//! A `tripline server` in a process of its own, and what is asked of it over HTTP.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before the test gives up; generous, for machines that do much else.
const PATIENCE: Duration = Duration::from_secs(300);

/// The program under test; for long runs `TRIPLINE_PROGRAM` names another build of it.
pub fn tripline() -> Command {
    match std::env::var_os("TRIPLINE_PROGRAM") {
        Some(program) => Command::new(program),
        None => Command::new(env!("CARGO_BIN_EXE_tripline")),
    }
}

/// A server that can be killed and started again on the same directory and port.
pub struct ServerProcess {
    folder: tempfile::TempDir,
    pub partitions: u32,
    child: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
    pub kills: usize,
}

impl ServerProcess {
    /// Starts a server on an empty directory and a free port.
    pub fn start(partitions: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (child, address) = spawn(folder.path(), partitions, "127.0.0.1:0").unwrap();
        Self { folder, partitions, child, address, kills: 0 }
    }

    /// Starts a server on an empty directory that was killed before it listened, when it had made one topic, two topics
    /// and so on.
    pub fn start_after_kills(partitions: u32, kills: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for kill in 1..=kills {
            let mut child = command(folder.path(), partitions, "127.0.0.1:0").spawn().unwrap();
            let started = Instant::now();
            while topic_count(folder.path()) < kill {
                assert!(started.elapsed() < PATIENCE, "no topics");
                std::thread::yield_now();
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let (child, address) = spawn(folder.path(), partitions, "127.0.0.1:0").unwrap();
        Self { folder, partitions, child, address, kills }
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns how many topics have a directory.
    pub fn topic_count(&self) -> usize {
        topic_count(self.folder.path())
    }

    /// Gives it statements and kills it when so many topics have a directory, or when it has answered.
    pub fn kill_at_topics(&mut self, sql: &str, count: usize) {
        let (folder, address) = (self.folder.path(), self.address.as_str());
        std::thread::scope(|scope| {
            let statements = scope.spawn(move || request(address, "POST", "/ksql", &statement_body(sql)));
            while topic_count(folder) < count && !statements.is_finished() {
                std::thread::yield_now();
            }
            self.child.kill().unwrap();
            // Whether it was answered is a matter of luck.
            let _ = statements.join().unwrap();
        });
        self.child.wait().unwrap();
        self.kills += 1;
    }

    /// Kills it: SIGKILL, nothing is written or said any more.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.kills += 1;
    }

    /// Ends it, also when it has ended.
    pub fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Kills a server that is about to start, `after` it was begun.
    pub fn kill_while_starting(&mut self, after: Duration) {
        self.child = command(self.folder.path(), self.partitions, &self.address).spawn().unwrap();
        std::thread::sleep(after);
        self.kill();
    }

    /// Starts it again. Another process may have been given the port for a moment.
    pub fn restart(&mut self) {
        let started = Instant::now();
        loop {
            match spawn(self.folder.path(), self.partitions, &self.address) {
                Ok((child, address)) => {
                    assert_eq!(address, self.address);
                    self.child = child;
                    return;
                }
                Err(said) => {
                    assert!(said.contains("cannot listen"), "the server does not start: {said}");
                    assert!(started.elapsed() < PATIENCE, "{said}");
                }
            }
        }
    }

    /// Executes statements; their queries read from the beginning.
    pub fn execute(&self, sql: &str) {
        let (status, answer) = self.request("POST", "/ksql", &statement_body(sql));
        assert_eq!(status, 200, "{answer}");
    }

    /// Returns a query's rows.
    pub fn rows(&self, sql: &str) -> Vec<serde_json::Value> {
        let body = serde_json::json!({"sql": sql, "properties": {"auto.offset.reset": "earliest"}});
        let (status, answer) = self.request("POST", "/query-stream", &body.to_string());
        assert_eq!(status, 200, "{answer}");
        assert!(!answer.contains("error_code"), "{answer}");
        let rows = answer.lines().filter(|line| line.starts_with('['));
        rows.map(|row| serde_json::from_str(row).unwrap()).collect()
    }

    /// Waits until every query has read and committed all there is.
    pub fn wait_until_settled(&self) {
        let started = Instant::now();
        let mut last_ends = None;
        loop {
            assert!(started.elapsed() < PATIENCE, "the queries do not come to the end: {}", self.log());
            let (lag, ends) = self.progress();
            // The lags are not read at one moment: nothing may have been written since the time before.
            if lag == 0.0 && last_ends == Some(ends) {
                return;
            }
            last_ends = Some(ends);
        }
    }

    /// Records that are still to be read, and the sum of all topics' ends.
    fn progress(&self) -> (f64, f64) {
        let (status, metrics) = self.request("GET", "/metrics", "");
        assert_eq!(status, 200, "{metrics}");
        let running = sum(&metrics, "tripline_query_running");
        let queries = metrics.lines().filter(|line| line.starts_with("tripline_query_running{")).count();
        assert_eq!(running, queries as f64, "a query has stopped: {}", self.log());
        (sum(&metrics, "tripline_query_lag_records"), sum(&metrics, "tripline_topic_end_offset"))
    }

    fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        request(&self.address, method, path, body).unwrap()
    }

    /// Whether the process runs, and its log: for a test that fails.
    pub fn state(&mut self) -> String {
        let ended = self.child.try_wait().unwrap();
        let ended = ended.map_or("it runs".to_owned(), |status| format!("it ended by itself: {status}"));
        format!("after {} kills {ended}\n{}", self.kills, self.log())
    }

    /// The end of what the server wrote to its log, over all its lives.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(log_path(self.folder.path())).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Fails when the server has told errors or panicked in one of its lives.
    pub fn check_log(&self) {
        let log = std::fs::read_to_string(log_path(self.folder.path())).unwrap_or_default();
        let bad: Vec<&str> =
            log.lines().filter(|line| line.contains("ERROR") || line.contains("panicked")).collect();
        assert!(bad.is_empty(), "{bad:#?}");
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends a request as HTTP/1.0: the answer ends with the connection.
fn request(address: &str, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nhost: localhost\r\ncontent-type: application/json\r\n\
        content-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    assert!(!head.to_ascii_lowercase().contains("chunked"), "{head}");
    Ok((head[9..12].parse().unwrap(), body.to_owned()))
}

/// Statements whose queries read from the beginning.
fn statement_body(sql: &str) -> String {
    serde_json::json!({"ksql": sql, "streamsProperties": {"auto.offset.reset": "earliest"}}).to_string()
}

fn topic_count(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("data/log/topics")).map_or(0, Iterator::count)
}

fn sum(metrics: &str, name: &str) -> f64 {
    let samples = metrics
        .lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
    samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

fn command(folder: &Path, partitions: u32, listen: &str) -> Command {
    let log: File = OpenOptions::new().create(true).append(true).open(log_path(folder)).unwrap();
    let mut command = tripline();
    command
        .args([
            "server",
            "--kafka-listen",
            "none",
            "--listen",
            listen,
            "--set",
            &format!("num.partitions={partitions}"),
            "--data",
        ])
        .arg(folder.join("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    command
}

/// Starts a server, and returns it with its address, or what it said instead.
fn spawn(folder: &Path, partitions: u32, listen: &str) -> Result<(Child, String), String> {
    let mut child = command(folder, partitions, listen).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if let Some(address) = line.trim().strip_prefix("tripline: listening on http://") {
        return Ok((child, address.to_owned()));
    }
    child.wait().unwrap();
    let log = std::fs::read_to_string(log_path(folder)).unwrap();
    Err(log.lines().next_back().unwrap_or("nothing").to_owned())
}
