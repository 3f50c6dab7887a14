//! One client's connection: requests in, answers out, in order.
//!
//! One task reads and carries out, the other half writes. They are joined by a queue of answers, some of which are
//! not there yet: a producer's next request is taken in while the last one waits for its sync.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::timeout;

use crate::api::sasl_authenticate::answer_bare;
use crate::broker::Broker;
use crate::dispatch::{Answer, Call, dispatch, serves};
use crate::frame::take_header;
use crate::security::sasl::Login;

/// Answers of one connection that wait for their turn.
const ANSWERS_MAX: usize = 16;
/// How long a frame that has begun may pause.
const FRAME_PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a client may not read what it asked for.
const WRITE_PAUSE_MAX: Duration = Duration::from_secs(60);
/// What is reserved for a frame before its bytes come; doubled as they do.
const FRAME_RESERVE: usize = 64 * 1024;

/// What may be asked before the login.
const BEFORE_LOGIN: [ApiKey; 3] = [ApiKey::ApiVersions, ApiKey::SaslHandshake, ApiKey::SaslAuthenticate];

/// Who a client is that has not said so.
pub(crate) const ANONYMOUS: &str = "User:ANONYMOUS";

/// What is known about a connection.
pub(crate) struct ConnectionState {
    /// The listener's number.
    pub listener: usize,
    /// The client's address.
    pub peer: SocketAddr,
    /// Who the client is.
    pub principal: RwLock<String>,
    /// How far its login is.
    pub login: Mutex<Login>,
    /// The login's messages come without requests around them.
    bare_login: AtomicBool,
    /// The next answer is the last.
    ends: AtomicBool,
}

impl ConnectionState {
    pub(crate) fn new(listener: usize, peer: SocketAddr, wants_login: bool) -> ConnectionState {
        ConnectionState {
            listener,
            peer,
            principal: RwLock::new(ANONYMOUS.to_owned()),
            login: Mutex::new(if wants_login { Login::Expected } else { Login::NotWanted }),
            bare_login: AtomicBool::new(false),
            ends: AtomicBool::new(false),
        }
    }

    /// Says who the client is, by a certificate.
    pub(crate) fn set_principal(&self, name: &str) {
        *self.principal.write().expect("no holder panics") = format!("User:{name}");
    }

    /// From here to the end of the login its messages come without requests around them.
    pub(crate) fn expect_bare_login(&self) {
        self.bare_login.store(true, Ordering::Release);
    }

    fn takes_bare_login(&self) -> bool {
        self.bare_login.load(Ordering::Acquire) && self.login.lock().expect("no holder panics").is_missing()
    }

    /// Ends the connection once the request under way is answered.
    pub(crate) fn close_after_answer(&self) {
        self.ends.store(true, Ordering::Release);
    }

    fn is_logging_in(&self) -> bool {
        self.login.lock().expect("no holder panics").is_missing()
    }

    fn may_ask(&self, api_key: i16) -> bool {
        BEFORE_LOGIN.iter().any(|key| *key as i16 == api_key)
            || !self.is_logging_in()
    }
}

/// Serves a connection until either side ends it.
pub(crate) async fn serve(
    socket: impl AsyncRead + AsyncWrite,
    state: ConnectionState,
    broker: Arc<Broker>,
    stopping: watch::Receiver<bool>,
) {
    let (reader, writer) = tokio::io::split(socket);
    let peer = state.peer;
    let (answers_tx, answers) = mpsc::channel(ANSWERS_MAX);
    let reading = read_all(reader, Arc::new(state), broker, stopping, answers_tx);
    let writing = write_all(writer, answers, peer);
    // When the reader ends its queue closes and the writer finishes; when the writer ends nobody is there to read for.
    tokio::pin!(reading);
    tokio::pin!(writing);
    tokio::select! {
        () = &mut reading => writing.await,
        () = &mut writing => {}
    }
}

async fn read_all(
    mut socket: impl AsyncRead + Unpin,
    state: Arc<ConnectionState>,
    broker: Arc<Broker>,
    mut stopping: watch::Receiver<bool>,
    answers: mpsc::Sender<Answer>,
) {
    let peer = state.peer;
    let idle = Duration::from_millis(broker.config.integer("connections.max.idle.ms").max(1000) as u64);
    let length_max = broker.config.integer("socket.request.max.bytes").max(0) as usize;
    let login_length_max = broker.config.integer("sasl.server.max.receive.size").max(0) as usize;
    loop {
        let length_max = if state.is_logging_in() { length_max.min(login_length_max) } else { length_max };
        let frame = tokio::select! {
            frame = read_frame(&mut socket, idle, length_max, &broker.request_kib) => frame,
            _ = stopping.changed() => return,
        };
        // The budget is given back when the request is carried out.
        let (mut frame, _budget) = match frame {
            Ok(Some(frame)) => frame,
            Ok(None) => return,
            Err(reason) => {
                tracing::debug!(%peer, reason, "connection closed");
                return;
            }
        };
        if state.takes_bare_login() {
            let Some(answer) = answer_bare(&broker, &state, frame).await else { return };
            if answers.send(Answer::Now(answer)).await.is_err() {
                return;
            }
            continue;
        }
        let asked = match take_header(&mut frame) {
            Ok(asked) => asked,
            Err(error) => {
                tracing::warn!(%peer, %error, "connection closed");
                return;
            }
        };
        if !serves(asked.api_key, asked.version) {
            if asked.api_key == ApiKey::ApiVersions as i16 {
                let Ok(answer) = crate::api::api_versions::unsupported(&asked) else { return };
                if answers.send(Answer::Now(answer)).await.is_err() {
                    return;
                }
                continue;
            }
            let (api_key, version) = (asked.api_key, asked.version);
            tracing::warn!(%peer, api_key, version, "connection closed, the request is not supported");
            return;
        }
        if !state.may_ask(asked.api_key) {
            tracing::warn!(%peer, api_key = asked.api_key, "connection closed, the client has not logged in");
            return;
        }
        let call = Call { broker: broker.clone(), connection: state.clone(), asked };
        let done = tokio::select! {
            done = dispatch(call, frame) => done,
            _ = stopping.changed() => return,
        };
        match done {
            Ok(Answer::Nothing) => {}
            Ok(Answer::Close) => return,
            Ok(answer) => {
                if answers.send(answer).await.is_err() || state.ends.load(Ordering::Acquire) {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%peer, %error, "connection closed");
                return;
            }
        }
    }
}

/// Reads one frame without its length; `None` at the end of the stream.
async fn read_frame(
    socket: &mut (impl AsyncRead + Unpin),
    idle: Duration,
    length_max: usize,
    request_kib: &Arc<Semaphore>,
) -> Result<Option<(Bytes, Option<OwnedSemaphorePermit>)>, &'static str> {
    let mut length = [0; 4];
    match timeout(idle, socket.read(&mut length)).await {
        Err(_) => return Err("it was idle"),
        Ok(Err(_)) | Ok(Ok(0)) => return Ok(None),
        Ok(Ok(mut have)) => {
            while have < 4 {
                match timeout(FRAME_PAUSE_MAX, socket.read(&mut length[have..])).await {
                    Ok(Ok(read)) if read > 0 => have += read,
                    _ => return Err("a frame's length was cut"),
                }
            }
        }
    }
    let Ok(length) = usize::try_from(i32::from_be_bytes(length)) else {
        return Err("a frame's length is negative");
    };
    if length > length_max {
        return Err("a frame is longer than is taken");
    }
    let mut budget: Option<OwnedSemaphorePermit> = None;
    let mut frame = BytesMut::with_capacity(length.min(FRAME_RESERVE));
    while frame.len() < length {
        let left = length - frame.len();
        if frame.capacity() == frame.len() {
            let more = left.min(frame.len());
            let wanted = request_kib.clone().acquire_many_owned((more >> 10) as u32 + 1);
            let Ok(Ok(taken)) = timeout(FRAME_PAUSE_MAX, wanted).await else {
                return Err("requests above queued.max.request.bytes are waiting");
            };
            match &mut budget {
                Some(budget) => budget.merge(taken),
                None => budget = Some(taken),
            }
            frame.reserve(more);
        }
        let room = left.min(frame.capacity() - frame.len());
        let mut part = (&mut *socket).take(room as u64);
        match timeout(FRAME_PAUSE_MAX, part.read_buf(&mut frame)).await {
            Ok(Ok(read)) if read > 0 => {}
            _ => return Err("a frame was cut"),
        }
    }
    Ok(Some((frame.freeze(), budget)))
}

async fn write_all(
    mut socket: impl AsyncWrite + Unpin,
    mut answers: mpsc::Receiver<Answer>,
    peer: SocketAddr,
) {
    while let Some(answer) = answers.recv().await {
        let bytes = match answer {
            Answer::Now(bytes) => bytes,
            Answer::Later(later) => match later.await {
                Ok(bytes) => bytes,
                Err(error) => {
                    tracing::warn!(%peer, %error, "connection closed");
                    return;
                }
            },
            Answer::Nothing => continue,
            Answer::Close => return,
        };
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            match timeout(WRITE_PAUSE_MAX, socket.write(rest)).await {
                Ok(Ok(written)) if written > 0 => rest = &rest[written..],
                _ => return,
            }
        }
    }
    let _ = socket.shutdown().await;
}
