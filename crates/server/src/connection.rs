//! One connection: HTTP/1.1 or HTTP/2, whichever the client begins with.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, HeaderValue, SERVER, X_CONTENT_TYPE_OPTIONS};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;

use crate::body::{Reply, respond_error};
use crate::call::Call;
use crate::config::Limits;
use crate::error::ApiError;
use crate::gauge::{Gauges, Held};
use crate::guard;
use crate::metered::{Activity, Metered, OpenRequest};
use crate::routes;
use crate::state::State;

/// Headers one request may have.
const HEADERS_MAX: usize = 100;

/// Requests at a time on one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;

/// Bytes that wait for one HTTP/2 stream's client.
const STREAM_SEND_BYTES_MAX: usize = 256 * 1024;

/// Bytes a client may send ahead on an HTTP/2 stream, and on all streams of a connection.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// How often an HTTP/2 client is asked whether it is there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves a connection until it ends, idles, stalls or the server stops.
pub async fn serve(socket: TcpStream, peer: SocketAddr, local: SocketAddr, state: Arc<State>) {
    let _open = Held::new(OpenConnections(Arc::clone(&state.gauges)));
    let _ = socket.set_nodelay(true);
    let activity = Arc::new(Activity::new());
    let io = Metered { socket, gauges: Arc::clone(&state.gauges), activity: Arc::clone(&activity) };
    let service = {
        let (state, activity) = (Arc::clone(&state), Arc::clone(&activity));
        service_fn(move |request| answer(request, local, Arc::clone(&state), Arc::clone(&activity)))
    };
    let limits = &state.config.limits;
    let builder = protocol(limits);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), service));
    let mut stopping = state.stopping.clone();
    let mut is_stopping = false;
    let mut watch = tokio::time::interval(watch_interval(limits));
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%peer, %error, "connection ended with an error");
                }
                return;
            }
            _ = stopping.changed(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = watch.tick() => {
                if activity.blocked_ms() > millis(limits.write_stall_max) {
                    tracing::debug!(%peer, "client does not read, connection closed");
                    return;
                }
                if activity.idle_ms() > millis(limits.idle_timeout) {
                    // Once to say goodbye, as HTTP/2 does; then for good.
                    if is_stopping {
                        return;
                    }
                    is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}

fn watch_interval(limits: &Limits) -> Duration {
    let shortest = limits.idle_timeout.min(limits.write_stall_max) / 4;
    shortest.clamp(Duration::from_millis(10), Duration::from_secs(5))
}

fn protocol(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes_max.max(8192))
        .max_headers(HEADERS_MAX)
        .keep_alive(true)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(limits.header_bytes_max as u32)
        .max_send_buf_size(STREAM_SEND_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

struct OpenConnections(Arc<Gauges>);

impl AsRef<AtomicU64> for OpenConnections {
    fn as_ref(&self) -> &AtomicU64 {
        &self.0.connections_open
    }
}

/// 40300: statements are not for clients.
fn headless() -> ApiError {
    let message = "the server runs the statements of its queries file and takes none over HTTP";
    ApiError::new(StatusCode::FORBIDDEN, 0, "headless", message)
        .hint("start it without \"--queries-file\" and \"ksql.queries.file\"")
}

async fn answer(
    request: Request<Incoming>,
    local: SocketAddr,
    state: Arc<State>,
    activity: Arc<Activity>,
) -> Result<Response<Reply>, Infallible> {
    let open = OpenRequest::new(activity);
    let (parts, body) = request.into_parts();
    let is_head = parts.method == Method::HEAD;
    let (route, result) = match guard::check(&parts, local, &state.config) {
        Err(error) => (routes::OTHER, Err(error)),
        Ok(()) => match routes::find(&parts.method, parts.uri.path()) {
            Err(error) => (routes::OTHER, Err(error)),
            Ok((route, _)) if state.config.is_headless && route.takes_statements() => {
                (route.pattern, Err(headless()))
            }
            Ok((route, params)) => {
                let call = Call { state: Arc::clone(&state), parts, body, params };
                (route.pattern, (route.handle)(call).await)
            }
        },
    };
    let response = result.unwrap_or_else(|error| {
        if error.status.is_server_error() {
            tracing::warn!(route, code = error.code, message = error.message, "request failed");
        }
        respond_error(&error)
    });
    state.gauges.count_request(route, response.status().as_u16());
    let mut response = response.map(|body| if is_head { body.emptied() } else { body }.holding_also(open));
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(SERVER, HeaderValue::from_static("tripline"));
    Ok(response)
}
