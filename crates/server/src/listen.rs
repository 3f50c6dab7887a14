//! Starting and stopping: sockets, threads, and the five seconds in which everything ends.

use std::io::Write;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::backend::Backend;
use crate::config::ServerConfig;
use crate::connection;
use crate::error::ServerError;
use crate::state::State;

/// How long to wait when no more sockets can be accepted (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Threads for sockets: rows are formatted on them.
const THREADS_MAX: usize = 4;

/// What a connection beyond the limit is told.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 116\r\n\
connection: close\r\n\r\n{\"@type\":\"generic_error\",\"error_code\":50300,\"message\":\"too many connections are open\",\
\"code\":\"too_many_connections\"}";

/// The HTTP server.
pub struct Server;

/// A server that listens. Dropping it stops it without waiting.
pub struct Running {
    /// Where it listens; port 0 has become the port that was free.
    pub addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    ended: std::sync::mpsc::Receiver<()>,
    runtime: Option<Runtime>,
    stop_timeout: Duration,
}

impl Server {
    /// Binds all listeners and starts to serve, on threads of its own.
    pub fn start(backend: impl Backend, config: ServerConfig) -> Result<Running, ServerError> {
        let mut bound = Vec::new();
        for &address in &config.listeners {
            let failed = |source| ServerError::Bind { address, source };
            let listener = StdListener::bind(address).map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            bound.push((listener, address));
        }
        let addresses: Vec<SocketAddr> = bound.iter().map(|(_, address)| *address).collect();
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(THREADS_MAX);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            // One for each engine call and as many for closing what was left behind.
            .max_blocking_threads(config.limits.engine_calls_max * 2)
            .thread_name("http")
            .enable_all()
            .build()
            .map_err(ServerError::Threads)?;
        let (stop, stopping) = watch::channel(false);
        let (ended_tx, ended) = std::sync::mpsc::channel();
        let stop_timeout = config.limits.stop_timeout;
        let state = Arc::new(State::new(Arc::new(backend), config, addresses.clone(), stopping));
        let mut listeners = Vec::new();
        for (listener, address) in bound {
            let _context = runtime.enter();
            let listener =
                TcpListener::from_std(listener).map_err(|source| ServerError::Bind { address, source })?;
            listeners.push(listener);
        }
        runtime.spawn(async move {
            let places = Arc::new(Semaphore::new(state.config.limits.connections_max));
            let mut accepting = JoinSet::new();
            for listener in listeners {
                accepting.spawn(accept(listener, Arc::clone(&state), Arc::clone(&places)));
            }
            while accepting.join_next().await.is_some() {}
            let _ = ended_tx.send(());
        });
        Ok(Running { addresses, stop, ended, runtime: Some(runtime), stop_timeout })
    }
}

impl Running {
    /// Stops: no new connections, open queries are ended with a message, answers under way are finished,
    /// within [`crate::Limits::stop_timeout`]. Blocks; not to be called from an async task.
    pub fn shutdown(mut self) {
        let start = Instant::now();
        let _ = self.stop.send(true);
        let _ = self.ended.recv_timeout(self.stop_timeout);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(self.stop_timeout.saturating_sub(start.elapsed()));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, places: Arc<Semaphore>) {
    let mut connections = JoinSet::new();
    let mut stopping = state.stopping.clone();
    loop {
        tokio::select! {
            _ = stopping.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                        state.gauges.connections_refused.fetch_add(1, Relaxed);
                        refuse(socket);
                        continue;
                    };
                    let Ok(local) = socket.local_addr() else { continue };
                    let state = Arc::clone(&state);
                    connections.spawn(async move {
                        let _place = place;
                        connection::serve(socket, peer, local, state).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Tells so without waiting: what does not fit the socket's buffer is lost.
fn refuse(socket: TcpStream) {
    if let Ok(mut socket) = socket.into_std() {
        let _ = socket.write(FULL);
    }
}
