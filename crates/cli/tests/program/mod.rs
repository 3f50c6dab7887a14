//! The real program for tests: a server process, and commands run against it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A `tripline server` on a free port.
pub struct Server {
    process: Child,
    /// Where it answers.
    pub url: String,
    /// The stream is kept: a server must not fail because nobody reads what it says.
    _out: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server on a data directory.
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// Starts a server with further arguments.
    pub fn start_with(data: &Path, arguments: &[&str]) -> Self {
        Self::start_at(data, "none", arguments)
    }

    /// Starts a server that Kafka clients can connect to; returns where.
    pub fn start_for_kafka(data: &Path) -> (Self, String) {
        Self::start_for_kafka_with(data, &[])
    }

    /// Starts such a server with further arguments.
    pub fn start_for_kafka_with(data: &Path, arguments: &[&str]) -> (Self, String) {
        let mut server = Self::start_at(data, "127.0.0.1:0", arguments);
        let address = server.kafka_address();
        (server, address)
    }

    /// Starts a server with more listeners for Kafka clients; returns where they are, the one in the clear first.
    pub fn start_with_listeners(data: &Path, more: &[&str], arguments: &[&str]) -> (Self, Vec<String>) {
        let listeners = more.iter().flat_map(|listener| ["--kafka-listen", *listener]);
        let arguments: Vec<&str> = listeners.chain(arguments.iter().copied()).collect();
        let (mut server, first) = Self::start_for_kafka_with(data, &arguments);
        let mut addresses = vec![first];
        for _ in more {
            addresses.push(server.kafka_address());
        }
        (server, addresses)
    }

    fn kafka_address(&mut self) -> String {
        let mut line = String::new();
        self._out.read_line(&mut line).unwrap();
        let told = line.trim().strip_prefix("tripline: listening for Kafka clients on ");
        told.expect("it says where Kafka clients connect").to_owned()
    }

    fn start_at(data: &Path, kafka_listen: &str, arguments: &[&str]) -> Self {
        let mut process = tripline()
            .args(["server", "--listen", "127.0.0.1:0", "--kafka-listen", kafka_listen, "--data"])
            .arg(data)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("tripline: listening on ").expect("the server starts").to_owned();
        Self { process, url, _out: out }
    }

    /// Asks it to end, and returns its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let started = Instant::now();
        let status = self.process.wait().unwrap();
        assert!(started.elapsed() < Duration::from_secs(5));
        status.code()
    }

    /// Ends it without a word, as a crash does.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Runs statements with `-e`; they must succeed.
    pub fn sql(&self, text: &str) -> String {
        let done = self.try_sql(text);
        assert!(done.status.success(), "{text}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Runs statements with `-e`.
    pub fn try_sql(&self, text: &str) -> Output {
        tripline().args(["sql", &self.url, "-e", text]).output().unwrap()
    }

    /// Gives a text to the shell as a paste on its standard input.
    pub fn paste(&self, text: &str, arguments: &[&str]) -> Pasted {
        let mut process = tripline()
            .args(["sql", &self.url])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        process.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        Pasted { process, out, shown: String::new() }
    }

    /// Replays lines of JSON to a topic; their field `ts` is their time.
    pub fn replay(&self, topic: &str, lines: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events.json");
        std::fs::write(&file, lines.join("\n")).unwrap();
        let done = self.replay_files(topic, &[file]);
        assert!(done.status.success(), "{done:?}");
    }

    /// Replays files to a topic.
    pub fn replay_files(&self, topic: &str, files: &[PathBuf]) -> Output {
        tripline().args(["replay", "--topic", topic, "--server", &self.url]).args(files).output().unwrap()
    }

    /// Sends an HTTP request, and returns its status and body.
    pub fn http(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        self.http_with(method, path, "", body)
    }

    /// Sends an HTTP request with further header lines.
    pub fn http_with(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).unwrap();
        // A server that refuses a body may answer and close before it has read all of it.
        let _ = socket.write_all(body);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        (status, if is_chunked { unchunked(body) } else { body.to_owned() })
    }

    /// Asks again and again until the answer is as wanted.
    #[track_caller]
    pub fn until<T: std::fmt::Debug>(
        &self,
        mut ask: impl FnMut(&Self) -> T,
        is_right: impl Fn(&T) -> bool,
    ) -> T {
        let started = Instant::now();
        loop {
            let answer = ask(self);
            if is_right(&answer) {
                return answer;
            }
            assert!(started.elapsed() < PATIENCE, "still {answer:?}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn unchunked(body: &str) -> String {
    let mut out = String::new();
    let mut rest = body;
    while let Some((length, after)) = rest.split_once("\r\n") {
        let Ok(length) = usize::from_str_radix(length.trim(), 16) else { break };
        let Some(piece) = after.get(..length) else { break };
        out.push_str(piece);
        rest = after[length..].trim_start_matches("\r\n");
    }
    out
}

/// A shell at work on what was pasted.
pub struct Pasted {
    process: Child,
    out: BufReader<ChildStdout>,
    shown: String,
}

/// What a shell showed, and how it ended.
#[derive(Debug)]
pub struct Shown {
    pub out: String,
    pub errors: String,
    pub code: Option<i32>,
}

impl Pasted {
    /// Reads until a line is as wanted; false when the shell has ended.
    pub fn wait_for(&mut self, is_wanted: impl Fn(&str) -> bool) -> bool {
        loop {
            let start = self.shown.len();
            if self.out.read_line(&mut self.shown).unwrap() == 0 {
                return false;
            }
            if is_wanted(self.shown[start..].trim_end()) {
                return true;
            }
        }
    }

    /// Tells whether the shell has ended.
    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    /// Sends Ctrl-C.
    pub fn interrupt(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    }

    /// Reads on until the shell ends.
    pub fn finish(mut self) -> Shown {
        self.out.read_to_string(&mut self.shown).unwrap();
        let mut errors = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        let code = self.process.wait().unwrap().code();
        Shown { out: std::mem::take(&mut self.shown), errors, code }
    }
}

/// The program, for a screen so wide that no cell is cut.
pub fn tripline() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.env("COLUMNS", "4000");
    command
}

/// A folder beside the project, or `None` with a word about it.
pub fn beside(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(name);
    if !path.exists() {
        eprintln!("skipped: there is no ../shared/{name} beside the project");
        return None;
    }
    Some(path)
}
