//! A way to the server that kills it at chosen moments of the traffic.
//!
//! The replay talks to this proxy, which passes everything on. When as many batches are acknowledged as the plan says,
//! the server is killed, started again, and the replay's connection closed: nothing else is sent meanwhile, so all
//! kills fall within the replay. Kills are of two kinds: some bytes later, in the middle of what is sent (a request
//! torn anywhere), and with the next answer, which the replay then never sees (the batch is committed, and will be sent
//! again).

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::process::ServerProcess;

/// How an answer begins.
const ANSWER: &[u8] = b"HTTP/1.1 ";

/// A moment at which the server is killed.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    /// Answers that the replay has seen before.
    pub answers: u64,
    /// What happens next.
    pub moment: Moment,
    /// Killed a second time this long after it was begun again.
    pub again_after: Option<Duration>,
}

/// A moment between answers.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// When the replay has sent so many more bytes.
    Sent(u64),
    /// When the next answer comes, which is kept from the replay.
    Answer,
}

/// What both directions of all connections share.
pub struct Cut {
    pub server: ServerProcess,
    /// Still to come.
    pub kills: VecDeque<Kill>,
    answers: u64,
    /// Bytes sent since the next kill's number of answers was reached.
    sent: u64,
    /// Counts restarts: whoever sees another number than before has a dead connection.
    life: u64,
}

/// A running proxy; its threads end with the connections, its server at the latest when it is dropped.
pub struct CuttingProxy {
    pub url: String,
    pub cut: Arc<Mutex<Cut>>,
}

impl CuttingProxy {
    pub fn start(server: ServerProcess, kills: VecDeque<Kill>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let cut = Arc::new(Mutex::new(Cut { server, kills, answers: 0, sent: 0, life: 0 }));
        // Weak: the server ends with the proxy, not with the thread that waits for connections.
        let shared = Arc::downgrade(&cut);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Some(cut) = shared.upgrade() else { return };
                std::thread::spawn(move || pass(client, &cut));
            }
        });
        Self { url, cut }
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        // A thread may have panicked with the lock; the server has to end all the same.
        let mut cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        cut.life += 1;
        cut.server.end();
    }
}

/// Passes one connection on, both ways, until either side ends it.
fn pass(client: TcpStream, cut: &Arc<Mutex<Cut>>) {
    let (server, life) = {
        let mut cut = cut.lock().unwrap();
        let connected = TcpStream::connect(&cut.server.address);
        (connected.unwrap_or_else(|error| panic!("{error}: {}", cut.server.state())), cut.life)
    };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| pass_answers(&server, &client, cut, life));
        pass_requests(&client, &server, cut, life);
    });
}

fn pass_requests(mut client: &TcpStream, mut server: &TcpStream, cut: &Mutex<Cut>, life: u64) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let mut cut = cut.lock().unwrap();
        if cut.life != life {
            break;
        }
        let left = cut.bytes_left().unwrap_or(u64::MAX);
        let part = (length as u64).min(left);
        cut.sent += part;
        if server.write_all(&buffer[..part as usize]).is_err() {
            break;
        }
        if part == left {
            cut.kill();
            break;
        }
    }
    close(client, server);
}

fn pass_answers(mut server: &TcpStream, mut client: &TcpStream, cut: &Mutex<Cut>, life: u64) {
    let mut buffer = [0; 8192];
    // The end of what came before, in case the beginning of an answer is in two parts.
    let mut seen = Vec::new();
    while let Ok(length @ 1..) = server.read(&mut buffer) {
        let mut cut = cut.lock().unwrap();
        if cut.life != life {
            break;
        }
        seen.extend_from_slice(&buffer[..length]);
        let answers = seen.windows(ANSWER.len()).filter(|part| part == &ANSWER).count() as u64;
        seen.drain(..seen.len().saturating_sub(ANSWER.len() - 1));
        if answers > 0 && cut.is_at_answer() {
            cut.kill();
            break;
        }
        cut.pass_answers(answers);
        if client.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    close(client, server);
}

fn close(client: &TcpStream, server: &TcpStream) {
    for stream in [client, server] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

impl Cut {
    fn next(&self) -> Option<Kill> {
        self.kills.front().copied().filter(|kill| kill.answers <= self.answers)
    }

    /// Bytes until the server is to be killed, if that comes next.
    fn bytes_left(&self) -> Option<u64> {
        match self.next()?.moment {
            Moment::Sent(bytes) => Some(bytes.saturating_sub(self.sent)),
            Moment::Answer => None,
        }
    }

    fn is_at_answer(&self) -> bool {
        self.next().is_some_and(|kill| matches!(kill.moment, Moment::Answer))
    }

    fn pass_answers(&mut self, answers: u64) {
        let was_reached = self.next().is_some();
        self.answers += answers;
        if !was_reached {
            self.sent = 0;
        }
    }

    fn kill(&mut self) {
        let kill = self.kills.pop_front().unwrap();
        self.server.kill();
        if let Some(after) = kill.again_after {
            self.server.kill_while_starting(after);
        }
        self.server.restart();
        self.sent = 0;
        self.life += 1;
    }
}
