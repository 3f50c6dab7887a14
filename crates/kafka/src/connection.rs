//! One client's connection: requests in, answers out, in order.
//!
//! One task reads and carries out, the other half writes. They are joined by a queue of answers, some of which are
//! not there yet: a producer's next request is taken in while the last one waits for its sync.

use std::future::{pending, poll_fn};
use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::timeout;

use crate::answer_bytes::Waiting;
use crate::api::sasl_authenticate::answer_bare;
use crate::broker::Broker;
use crate::dispatch::{Answer, Call, dispatch, serves};
use crate::frame::{FrameError, take_header};
use crate::incoming::{Incoming, LOGIN_FRAME_MAX};
use crate::security::sasl::Login;

/// Answers of one connection that wait for their turn.
const ANSWERS_MAX: usize = 16;
/// How long a client may not read what it asked for.
const WRITE_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Pieces of an answer handed to the socket at once.
const PIECES_MAX: usize = 16;
/// Bytes above which an answer does not wait for others that are ready too.
const TOGETHER_BYTES_MAX: usize = 16 * 1024;

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
    /// The client runs on this machine.
    pub is_near: bool,
    /// Who the client is.
    pub principal: RwLock<String>,
    /// How far its login is.
    pub login: Mutex<Login>,
    /// The login's messages come without requests around them.
    bare_login: AtomicBool,
    /// The next answer is the last.
    ends: AtomicBool,
    /// The request under way need not be carried out when its client has gone.
    waits_for_others: AtomicBool,
    /// What the request under way holds of the memory that all requests share.
    budget: Mutex<Option<OwnedSemaphorePermit>>,
}

impl ConnectionState {
    pub(crate) fn new(
        listener: usize,
        peer: SocketAddr,
        is_near: bool,
        wants_login: bool,
    ) -> ConnectionState {
        ConnectionState {
            listener,
            peer,
            is_near,
            principal: RwLock::new(ANONYMOUS.to_owned()),
            login: Mutex::new(if wants_login { Login::Expected } else { Login::NotWanted }),
            bare_login: AtomicBool::new(false),
            ends: AtomicBool::new(false),
            waits_for_others: AtomicBool::new(false),
            budget: Mutex::new(None),
        }
    }

    /// Says who the client is, by its certificate or its login.
    pub(crate) fn set_principal(&self, name: &str) {
        *self.principal.write().expect("no holder panics") = format!("User:{name}");
    }

    /// Begins a request, or ends it.
    fn hold(&self, budget: Option<OwnedSemaphorePermit>) {
        self.waits_for_others.store(false, Ordering::Release);
        *self.budget.lock().expect("no holder panics") = budget;
    }

    /// Said by a request before it waits for others, for as long as they like: nothing refers to its frame any more, whose
    /// memory is given back, and when its client goes away nobody needs it.
    pub(crate) fn wait_for_others(&self) {
        self.hold(None);
        self.waits_for_others.store(true, Ordering::Release);
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
        BEFORE_LOGIN.iter().any(|key| *key as i16 == api_key) || !self.is_logging_in()
    }
}

/// An answer and its place among those that wait to be read.
type Queued = (Answer, Option<Waiting>);

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
    answers: mpsc::Sender<Queued>,
) {
    let peer = state.peer;
    let own_bytes = broker.answer_bytes.of_connection();
    let idle = Duration::from_millis(broker.config.integer("connections.max.idle.ms").max(1000) as u64);
    let length_max = broker.config.integer("socket.request.max.bytes").max(0) as usize;
    let login_length_max = broker.config.integer("sasl.server.max.receive.size").max(0) as usize;
    let login_length_max = login_length_max.min(LOGIN_FRAME_MAX);
    let mut incoming = Incoming::new(idle, broker.request_kib.clone());
    loop {
        let length_max = if state.is_logging_in() { length_max.min(login_length_max) } else { length_max };
        let frame = tokio::select! {
            frame = incoming.frame(&mut socket, length_max) => frame,
            _ = stopping.changed() => return,
        };
        let mut frame = match frame {
            Ok(Some(frame)) => {
                state.hold(frame.budget);
                frame.bytes
            }
            Ok(None) => return,
            Err(reason) => {
                tracing::debug!(%peer, reason, "connection closed");
                return;
            }
        };
        if state.takes_bare_login() {
            let Some(answer) = answer_bare(&broker, &state, frame).await else { return };
            if answers.send((Answer::Now(answer), None)).await.is_err() {
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
                if answers.send((Answer::Now(answer), None)).await.is_err() {
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
            // Most are done at once: the socket is looked at for those that wait only.
            biased;
            done = dispatch(call, frame) => done,
            _ = stopping.changed() => return,
            () = is_given_up(&state, &mut incoming, &mut socket) => {
                tracing::debug!(%peer, "connection closed, nobody waits for the answer");
                return;
            }
        };
        state.hold(None);
        match done {
            Ok(Answer::Nothing) => {}
            Ok(Answer::Close) => return,
            Ok(mut answer) => {
                let (len, counted) = match &mut answer {
                    Answer::Now(bytes) => (bytes.len(), None),
                    Answer::Pieces(pieces, counted) => (pieces.iter().map(Bytes::len).sum(), counted.take()),
                    _ => (0, None),
                };
                let waiting = own_bytes.take(len, counted).await;
                if answers.send((answer, Some(waiting))).await.is_err() || state.ends.load(Ordering::Acquire)
                {
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

/// Returns when the request under way waits for others and its client does not wait for it any more.
async fn is_given_up(
    state: &ConnectionState,
    incoming: &mut Incoming,
    socket: &mut (impl AsyncRead + Unpin),
) {
    // Its first steps were taken before: what waits has said so.
    if !state.waits_for_others.load(Ordering::Acquire) {
        return pending().await;
    }
    incoming.is_given_up(socket).await;
}

async fn write_all(
    mut socket: impl AsyncWrite + Unpin,
    mut answers: mpsc::Receiver<Queued>,
    peer: SocketAddr,
) {
    let mut waiting = None;
    loop {
        let first = match waiting.take() {
            Some(queued) => queued,
            None => match answers.recv().await {
                Some(queued) => queued,
                None => break,
            },
        };
        let mut ready = Ready::default();
        let mut next = Some(ready.add(first).await);
        // What one sync has made ready goes out at once, and wakes the client once.
        while let Some(added) = next.take() {
            match added {
                Ok(More::Wanted) if !ready.is_full() => {}
                Ok(More::Wanted) => break,
                Ok(More::Last) => {
                    write_pieces(&mut socket, &ready.pieces).await;
                    return;
                }
                Err(error) => {
                    tracing::warn!(%peer, %error, "connection closed");
                    write_pieces(&mut socket, &ready.pieces).await;
                    return;
                }
            }
            match answers.try_recv() {
                Ok((Answer::Later(mut later), place)) => {
                    match poll_fn(|context| Poll::Ready(later.as_mut().poll(context))).await {
                        Poll::Ready(done) => next = Some(done.map(|bytes| ready.push(bytes, place))),
                        Poll::Pending => waiting = Some((Answer::Later(later), place)),
                    }
                }
                Ok(queued) => next = Some(ready.add(queued).await),
                Err(_) => {}
            }
        }
        if !write_pieces(&mut socket, &ready.pieces).await {
            return;
        }
    }
    let _ = socket.shutdown().await;
}

/// Answers that are there and go out together.
#[derive(Default)]
struct Ready {
    pieces: Vec<Bytes>,
    bytes: usize,
    /// Given back when all is written.
    places: Vec<Option<Waiting>>,
}

/// Whether something may follow.
enum More {
    Wanted,
    Last,
}

impl Ready {
    async fn add(&mut self, (answer, place): Queued) -> Result<More, FrameError> {
        match answer {
            Answer::Now(bytes) => Ok(self.push(bytes, place)),
            Answer::Pieces(pieces, _) => {
                self.bytes += pieces.iter().map(Bytes::len).sum::<usize>();
                self.pieces.extend(pieces);
                self.places.push(place);
                Ok(More::Wanted)
            }
            Answer::Later(later) => {
                let bytes = later.await?;
                Ok(self.push(bytes, place))
            }
            Answer::Nothing => Ok(More::Wanted),
            Answer::Close => Ok(More::Last),
        }
    }

    fn push(&mut self, bytes: Bytes, place: Option<Waiting>) -> More {
        self.bytes += bytes.len();
        self.pieces.push(bytes);
        self.places.push(place);
        More::Wanted
    }

    fn is_full(&self) -> bool {
        self.pieces.len() >= PIECES_MAX || self.bytes >= TOGETHER_BYTES_MAX
    }
}

/// Writes pieces one after the other; returns whether all of them are written.
pub(crate) async fn write_pieces(socket: &mut (impl AsyncWrite + Unpin), pieces: &[Bytes]) -> bool {
    let mut at = 0;
    let mut begun = 0;
    while at < pieces.len() {
        let mut slices = [IoSlice::new(&[]); PIECES_MAX];
        let count = (pieces.len() - at).min(PIECES_MAX);
        slices[0] = IoSlice::new(&pieces[at][begun..]);
        for (slice, piece) in slices[1..count].iter_mut().zip(&pieces[at + 1..]) {
            *slice = IoSlice::new(piece);
        }
        let mut written = match timeout(WRITE_PAUSE_MAX, socket.write_vectored(&slices[..count])).await {
            Ok(Ok(written)) if written > 0 => written + begun,
            _ => return false,
        };
        while at < pieces.len() && written >= pieces[at].len() {
            written -= pieces[at].len();
            at += 1;
        }
        begun = written;
    }
    // TLS keeps what the socket does not take at once, and nothing but the next write or a flush moves it on.
    matches!(timeout(WRITE_PAUSE_MAX, socket.flush()).await, Ok(Ok(())))
}
