//! What all requests share: the engine, the bounds, the numbers, and the news that the server stops.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::backend::Backend;
use crate::config::ServerConfig;
use crate::error::ApiError;
use crate::gauge::Gauges;

/// Shared by all connections.
pub struct State {
    pub backend: Arc<dyn Backend>,
    pub config: ServerConfig,
    pub addresses: Vec<SocketAddr>,
    pub gauges: Arc<Gauges>,
    /// Turns true once.
    pub stopping: watch::Receiver<bool>,
    /// Turns for engine calls.
    pub turns: Arc<Semaphore>,
    /// Open push queries and PRINTs.
    pub open_queries: Arc<Semaphore>,
}

impl State {
    pub fn new(
        backend: Arc<dyn Backend>,
        config: ServerConfig,
        addresses: Vec<SocketAddr>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            backend,
            turns: Arc::new(Semaphore::new(config.limits.engine_calls_max)),
            open_queries: Arc::new(Semaphore::new(config.limits.open_queries_max)),
            config,
            addresses,
            gauges: Arc::default(),
            stopping,
        }
    }

    /// Runs a blocking engine call on a thread of its own, when its turn comes.
    pub async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Backend) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        let permit = match tokio::time::timeout(self.config.limits.engine_turn_timeout, turn).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_closed)) => return Err(ApiError::stopping()),
            Err(_elapsed) => {
                return Err(ApiError::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    0,
                    "too_many_requests",
                    "too many requests are being worked on",
                )
                .hint("try again later"));
            }
        };
        let backend = Arc::clone(&self.backend);
        let task = tokio::task::spawn_blocking(move || {
            // Held by the thread, not by the request: a client that leaves does not free a turn early.
            let _permit = permit;
            work(&*backend)
        });
        task.await.map_err(|error| {
            tracing::error!(%error, "engine call panicked");
            ApiError::internal()
        })
    }

    /// Takes one of the places for open queries.
    pub fn query_place(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.open_queries).try_acquire_owned().map_err(|_| {
            let max = self.config.limits.open_queries_max;
            ApiError::new(
                StatusCode::BAD_REQUEST,
                3,
                "too_many_push_queries",
                format!("{max} queries are open already, which is the limit"),
            )
            .hint("close one, or raise \"ksql.max.push.queries\"")
        })
    }
}
