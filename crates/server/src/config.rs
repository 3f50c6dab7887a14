//! Where the server listens and what it allows.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use crate::error::ServerError;
use crate::properties_file::Setting;

/// ksqlDB's port.
const PORT_DEFAULT: u16 = 8088;

/// Listeners one server may have.
const LISTENERS_MAX: usize = 16;

/// What the server is started with.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen; port 0 is a free port.
    pub listeners: Vec<SocketAddr>,
    /// Names besides `localhost` and addresses by which browsers may reach a loopback listener, and the
    /// hosts whose pages may post to it (a reverse proxy's name, for example).
    pub host_names: Vec<String>,
    /// The statements come from a file: over HTTP there are none.
    pub is_headless: bool,
    /// Bounds.
    pub limits: Limits,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listeners: vec![SocketAddr::from(([127, 0, 0, 1], PORT_DEFAULT))],
            host_names: Vec::new(),
            is_headless: false,
            limits: Limits::default(),
        }
    }
}

/// The bounds on what clients can make the server hold and wait for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections; more are answered 503 and closed.
    pub connections_max: usize,
    /// Bytes of a request's line and headers.
    pub header_bytes_max: usize,
    /// Bytes of a body with statements or settings.
    pub statement_bytes_max: usize,
    /// Bytes of one line of a streamed body.
    pub line_bytes_max: usize,
    /// Push queries and PRINTs open at a time.
    pub open_queries_max: usize,
    /// Engine calls running at a time; others wait.
    pub engine_calls_max: usize,
    /// How long an engine call waits for its turn.
    pub engine_turn_timeout: Duration,
    /// How long a client may take to send its headers; also how long a kept HTTP/1.1 connection may wait
    /// for its next request, as hyper counts from the last answer.
    pub header_timeout: Duration,
    /// How long a client may take to send a body with statements.
    pub body_timeout: Duration,
    /// How long a streamed body may pause.
    pub stream_pause_max: Duration,
    /// How long a connection may be open without a request.
    pub idle_timeout: Duration,
    /// How long a client may not read before its connection is closed.
    pub write_stall_max: Duration,
    /// How long stopping may take.
    pub stop_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            header_bytes_max: 32 * 1024,
            statement_bytes_max: 1024 * 1024,
            line_bytes_max: 4 * 1024 * 1024,
            open_queries_max: 100,
            engine_calls_max: 32,
            engine_turn_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            stream_pause_max: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(60),
            write_stall_max: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(5),
        }
    }
}

impl ServerConfig {
    /// Names of the settings that are the server's own.
    pub const SETTINGS: &[&str] = &["listeners", "tripline.http.host.names", "ksql.max.push.queries"];

    /// Takes the server's settings out of all settings; the last one of a name counts.
    pub fn from_settings(settings: &[Setting]) -> Result<Self, ServerError> {
        let mut config = Self::default();
        for (name, value, origin) in settings {
            let invalid = |reason: &str| ServerError::Setting {
                name: name.clone(),
                value: value.clone(),
                origin: origin.clone(),
                reason: reason.to_owned(),
            };
            match &**name {
                "listeners" => {
                    config.listeners = parse_listeners(value).map_err(|reason| invalid(&reason))?
                }
                "tripline.http.host.names" => {
                    config.host_names = list(value).map(str::to_ascii_lowercase).collect();
                }
                "ksql.queries.file" => config.is_headless = !value.trim().is_empty(),
                "ksql.max.push.queries" => {
                    config.limits.open_queries_max =
                        value.trim().parse().map_err(|_| invalid("is not a whole number"))?;
                }
                _ => {}
            }
        }
        Ok(config)
    }
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// `http://host:port, …` as in ksqlDB's `listeners`.
fn parse_listeners(value: &str) -> Result<Vec<SocketAddr>, String> {
    let mut listeners = Vec::new();
    for item in list(value) {
        let address = match item.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) => return Err(format!("has scheme \"{scheme}\", only \"http\" is served")),
            None => item,
        };
        let address = address.trim_end_matches('/');
        let with_port = match address.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && !host.is_empty() && !port.contains(']') => {
                address.to_owned()
            }
            _ => format!("{address}:{PORT_DEFAULT}"),
        };
        let found = with_port
            .to_socket_addrs()
            .map_err(|error| format!("has \"{item}\", which is no address: {error}"))?;
        listeners.extend(found);
    }
    listeners.dedup();
    match listeners.len() {
        0 => Err("has no listener".to_owned()),
        1..=LISTENERS_MAX => Ok(listeners),
        _ => Err(format!("has more than {LISTENERS_MAX} listeners")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(name: &str, value: &str) -> Result<ServerConfig, ServerError> {
        ServerConfig::from_settings(&[(name.into(), value.into(), "command line".into())])
    }

    #[test]
    fn listeners_are_read_as_ksqldb_writes_them() {
        let config = from("listeners", "http://127.0.0.1:9000, http://[::1]:9001/,127.0.0.1").unwrap();
        let shown: Vec<String> = config.listeners.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["127.0.0.1:9000", "[::1]:9001", "127.0.0.1:8088"]);
    }

    #[test]
    fn wrong_listener_is_told_with_its_origin() {
        let error = from("listeners", "https://127.0.0.1:9000").unwrap_err().to_string();
        assert_eq!(
            error,
            "setting \"listeners\" (command line) has scheme \"https\", only \"http\" is served"
        );
        assert!(from("listeners", " , ").is_err());
        assert!(from("listeners", "127.0.0.1:99999").is_err());
    }

    #[test]
    fn nothing_set_listens_on_loopback() {
        let config = ServerConfig::from_settings(&[]).unwrap();
        assert_eq!(config.listeners[0].to_string(), "127.0.0.1:8088");
    }
}
