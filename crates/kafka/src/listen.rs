//! Starting and stopping: sockets, threads, limits.

use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use commitlog::Log;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::addresses::Addresses;
use crate::broker::Broker;
use crate::clock::Clock;
use crate::config::KafkaConfig;
use crate::connection::{self, ConnectionState};
use crate::expiry;
use crate::owner::Owner;
use crate::security::principal::{self, Mapping};
use crate::security::tls::{ClientAuth, Tls, TlsFiles};
use crate::store::Store;

/// Threads for sockets.
const THREADS_MAX: usize = 4;
/// Threads for calls that wait for the disk.
const BLOCKING_THREADS_MAX: usize = 32;
/// How long to wait when no more sockets can be accepted (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a client may take to agree on TLS.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// How long stopping may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// How often transactions are looked at whose time is up.
const TRANSACTIONS_TICK: Duration = Duration::from_millis(500);
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(20);

/// The broker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program has the port.
    #[error(
        "cannot listen for Kafka clients on {address}: the port is in use (is there another broker? \
         --kafka-listen ADDR takes another port, --kafka-listen none turns this off)"
    )]
    InUse {
        /// The address.
        address: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen for Kafka clients on {address}: {source}")]
    Bind {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The certificates cannot be used.
    #[error("cannot use the certificates for Kafka clients: {0}")]
    Tls(String),
    /// Threads cannot be started.
    #[error("cannot start the threads of the Kafka listener: {0}")]
    Threads(io::Error),
    /// The log refuses.
    #[error("cannot prepare the log for Kafka clients: {0}")]
    Log(#[from] commitlog::LogError),
}

/// Serves Kafka's protocol.
pub struct KafkaServer;

/// A broker that listens. Dropping it stops it without waiting.
pub struct Running {
    /// Where it listens; port 0 has become the port that was free.
    pub addresses: Vec<SocketAddr>,
    pub(crate) broker: Arc<Broker>,
    tls: Option<Arc<Tls>>,
    stop: watch::Sender<bool>,
    ended: std::sync::mpsc::Receiver<()>,
    runtime: Option<Runtime>,
}

impl KafkaServer {
    /// Binds all listeners and serves a log, on threads of its own.
    pub fn start(
        log: Arc<Log>,
        config: KafkaConfig,
        clock: Clock,
        owner: impl Owner,
    ) -> Result<Running, ListenError> {
        let load = |files| Tls::load(files).map(Arc::new).map_err(ListenError::Tls);
        let tls = config.tls_files().map(load).transpose()?;
        // As in Kafka: who logs in by SASL is not asked for a certificate besides.
        let tls_for_sasl = config
            .tls_files()
            .map(|files| load(TlsFiles { client_auth: ClientAuth::None, ..files }))
            .transpose()?;
        let mapping = Arc::new(config.principal_mapping().map_err(ListenError::Tls)?);
        let mut bound = Vec::new();
        let mut endpoints = Vec::new();
        for listener in &config.listeners {
            let address = &listener.address;
            let failed = |source: io::Error| match source.kind() {
                io::ErrorKind::AddrInUse => ListenError::InUse { address: address.clone() },
                _ => ListenError::Bind { address: address.clone(), source },
            };
            let socket = StdListener::bind(address).map_err(failed)?;
            socket.set_nonblocking(true).map_err(failed)?;
            let local = socket.local_addr().map_err(failed)?;
            endpoints.push(match &listener.advertised {
                Some(told) => told.clone(),
                // Nobody can connect to "all addresses".
                None if local.ip().is_unspecified() => (host_name(), local.port()),
                None => (local.ip().to_string(), local.port()),
            });
            let tls = if listener.sasl { &tls_for_sasl } else { &tls };
            let doors = Doors {
                tls: tls.clone().filter(|_| listener.tls),
                sasl: listener.sasl,
                mapping: mapping.clone(),
            };
            bound.push((socket, local, doors));
        }
        let addresses: Vec<SocketAddr> = bound.iter().map(|(_, address, _)| *address).collect();
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(THREADS_MAX);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .thread_name("kafka")
            .on_thread_start(commitlog::ask_for_short_slices)
            .enable_all()
            .build()
            .map_err(ListenError::Threads)?;
        let connections_max = config.integer("max.connections").max(1) as usize;
        let store = Store::open(&log, clock.now_ms())?;
        let cluster_id = cluster_id(&store, clock.now_ms())?;
        let broker = Broker::new(log, config, clock, store, Box::new(owner), cluster_id, endpoints);
        let (stop, stopping) = watch::channel(false);
        let (ended_tx, ended) = std::sync::mpsc::channel();
        let mut listeners = Vec::new();
        for (socket, address, doors) in bound {
            let _context = runtime.enter();
            let failed = |source| ListenError::Bind { address: address.to_string(), source };
            listeners.push((TcpListener::from_std(socket).map_err(failed)?, doors));
        }
        let places = Places {
            connections: Arc::new(Semaphore::new(connections_max)),
            addresses: Addresses::new(broker.config.integer("max.connections.per.ip").max(0) as usize),
        };
        let shared = broker.clone();
        runtime.spawn(async move {
            let mut accepting = JoinSet::new();
            for (number, (listener, doors)) in listeners.into_iter().enumerate() {
                accepting.spawn(accept(
                    listener,
                    number,
                    doors,
                    shared.clone(),
                    places.clone(),
                    stopping.clone(),
                ));
            }
            accepting.spawn(tick(shared, stopping));
            while accepting.join_next().await.is_some() {}
            let _ = ended_tx.send(());
        });
        Ok(Running { addresses, broker, tls, stop, ended, runtime: Some(runtime) })
    }
}

impl Running {
    /// Looks at once whether certificates have changed; otherwise a new connection does, every second at most.
    pub fn reload_certificates(&self) {
        if let Some(tls) = &self.tls {
            tls.look_at_the_files();
        }
    }

    /// Stops: no new connections, answers under way are finished, in 2 s. Blocks; not to be called from an async
    /// task.
    pub fn shutdown(mut self) {
        let start = Instant::now();
        self.broker.stopping.store(true, Ordering::Release);
        let _ = self.stop.send(true);
        let _ = self.ended.recv_timeout(STOP_TIMEOUT);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(STOP_TIMEOUT.saturating_sub(start.elapsed()));
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

/// What a listener asks of its clients.
struct Doors {
    tls: Option<Arc<Tls>>,
    sasl: bool,
    mapping: Arc<Mapping>,
}

/// How many more clients may connect.
#[derive(Clone)]
struct Places {
    connections: Arc<Semaphore>,
    addresses: Arc<Addresses>,
}

/// Puts in who a client's certificate says it is; `None` when no rule fits.
fn identified(
    state: ConnectionState,
    certificate: Option<&[u8]>,
    mapping: &Mapping,
) -> Option<ConnectionState> {
    let Some(certificate) = certificate else { return Some(state) };
    let name = mapping.name(&principal::subject(certificate)?)?;
    state.set_principal(&name);
    Some(state)
}

async fn accept(
    listener: TcpListener,
    number: usize,
    doors: Doors,
    broker: Arc<Broker>,
    places: Places,
    mut stopping: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopping.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    // An IPv4 client of an IPv6 socket has its own address in rules and counts, not one mapped to IPv6.
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    let Ok(place) = places.connections.clone().try_acquire_owned() else {
                        tracing::warn!(%peer, "connection refused, there are max.connections already");
                        continue;
                    };
                    let Some(address) = places.addresses.take(peer.ip()) else {
                        tracing::warn!(%peer, "connection refused, there are max.connections.per.ip already");
                        continue;
                    };
                    let _ = socket.set_nodelay(true);
                    let is_near = socket.local_addr().is_ok_and(|own| own.ip().to_canonical() == peer.ip());
                    let state = ConnectionState::new(number, peer, is_near, doors.sasl);
                    let acceptor = doors.tls.as_ref().map(|tls| tls.acceptor());
                    let (broker, stopping) = (broker.clone(), stopping.clone());
                    let mapping = doors.mapping.clone();
                    connections.spawn(async move {
                        let (_place, _address) = (place, address);
                        let Some(acceptor) = acceptor else {
                            return connection::serve(socket, state, broker, stopping).await;
                        };
                        match tokio::time::timeout(TLS_TIMEOUT, acceptor.accept(socket)).await {
                            Ok(Ok(socket)) => {
                                let certificate = socket.get_ref().1.peer_certificates().and_then(<[_]>::first);
                                let Some(state) = identified(state, certificate.map(AsRef::as_ref), &mapping)
                                else {
                                    tracing::warn!(%peer, "connection closed, no rule fits the certificate's subject");
                                    return;
                                };
                                connection::serve(socket, state, broker, stopping).await;
                            }
                            Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS failed"),
                            Err(_) => tracing::debug!(%peer, "TLS took too long"),
                        }
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

/// Lets deadlines pass.
async fn tick(broker: Arc<Broker>, mut stopping: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(TICK);
    let mut transactions = tokio::time::interval(TRANSACTIONS_TICK);
    let period = |name| Duration::from_millis(broker.config.integer(name).max(1) as u64);
    let mut offsets = tokio::time::interval(period("offsets.retention.check.interval.ms"));
    let mut ids = tokio::time::interval(period("transaction.remove.expired.transaction.cleanup.interval.ms"));
    loop {
        tokio::select! {
            _ = stopping.changed() => return,
            _ = interval.tick() => broker.tick(),
            _ = transactions.tick() => {
                // Waits for the disk.
                let broker = broker.clone();
                let _ = tokio::task::spawn_blocking(move || broker.abort_expired()).await;
            }
            _ = offsets.tick() => {
                let broker = broker.clone();
                let _ = tokio::task::spawn_blocking(move || expiry::forget_offsets(&broker)).await;
            }
            _ = ids.tick() => {
                let broker = broker.clone();
                let _ = tokio::task::spawn_blocking(move || expiry::forget_transactional_ids(&broker)).await;
            }
        }
    }
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// Returns the cluster's id, making one the first time: 16 bytes in URL-safe base64, as Kafka's.
fn cluster_id(store: &Store, now_ms: i64) -> Result<String, commitlog::LogError> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const KEY: &[u8] = b"cluster.id";
    if let Some(known) = store.get(KEY)
        && let Ok(known) = std::str::from_utf8(&known)
    {
        return Ok(known.to_owned());
    }
    // Its state is seeded by the operating system.
    let random = || std::collections::hash_map::RandomState::new().build_hasher().finish() as u128;
    let id = random() << 64 | random();
    let id: String = (0..22).map(|i| ALPHABET[(id.rotate_left(6 * (i + 1)) & 63) as usize] as char).collect();
    store.put(&[(KEY.to_vec(), Some(id.clone().into_bytes()))], now_ms)?;
    Ok(id)
}
