//! A way to the server that kills it at chosen moments of the traffic.
//!
//! The replay talks to this proxy, which passes everything on. When as many bytes have passed as the plan says, the
//! server is killed there and then, started again, and the replay's connection closed: nothing else is sent
//! meanwhile, so all kills fall within the replay. Kills are of two kinds: in the middle of what is sent (a request
//! torn anywhere), and when an answer has come, which the replay then never sees (the batch is committed, and will be
//! sent again).

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::process::ServerProcess;

/// A moment at which the server is killed.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    /// Bytes sent by the replay before.
    pub sent: u64,
    /// Not at once but with the next answer, which is kept from the replay.
    pub at_answer: bool,
    /// Killed a second time this long after it was begun again.
    pub again_after: Option<Duration>,
}

/// What both directions of all connections share.
pub struct Cut {
    pub server: ServerProcess,
    /// Still to come.
    pub kills: VecDeque<Kill>,
    sent: u64,
    /// Counts restarts: whoever sees another number than before has a dead connection.
    life: u64,
}

/// A running proxy; its threads end with the connections.
pub struct CuttingProxy {
    pub url: String,
    pub cut: Arc<Mutex<Cut>>,
}

impl CuttingProxy {
    pub fn start(server: ServerProcess, kills: VecDeque<Kill>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let cut = Arc::new(Mutex::new(Cut { server, kills, sent: 0, life: 0 }));
        let shared = cut.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let cut = shared.clone();
                std::thread::spawn(move || pass(client, &cut));
            }
        });
        Self { url, cut }
    }
}

/// Passes one connection on, both ways, until either side ends it.
fn pass(client: TcpStream, cut: &Arc<Mutex<Cut>>) {
    let (server, life) = {
        let cut = cut.lock().unwrap();
        (TcpStream::connect(&cut.server.address).unwrap(), cut.life)
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
    loop {
        let Ok(length @ 1..) = client.read(&mut buffer) else { break };
        let mut cut = cut.lock().unwrap();
        if cut.life != life {
            break;
        }
        let next = cut.kills.front().copied().filter(|kill| !kill.at_answer);
        let left = next.map_or(u64::MAX, |kill| kill.sent.saturating_sub(cut.sent));
        let part = (length as u64).min(left);
        cut.sent += part;
        if server.write_all(&buffer[..part as usize]).is_err() {
            break;
        }
        if part < length as u64 || part == left {
            cut.kill();
            break;
        }
    }
    close(client, server);
}

fn pass_answers(mut server: &TcpStream, mut client: &TcpStream, cut: &Mutex<Cut>, life: u64) {
    let mut buffer = [0; 8192];
    loop {
        let Ok(length @ 1..) = server.read(&mut buffer) else { break };
        let mut cut = cut.lock().unwrap();
        if cut.life != life {
            break;
        }
        let sent = cut.sent;
        if cut.kills.front().is_some_and(|kill| kill.at_answer && kill.sent <= sent) {
            cut.kill();
            break;
        }
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
    fn kill(&mut self) {
        let kill = self.kills.pop_front().unwrap();
        self.server.kill();
        if let Some(after) = kill.again_after {
            self.server.kill_while_starting(after);
        }
        self.server.restart();
        self.life += 1;
    }
}
