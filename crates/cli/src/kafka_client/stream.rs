//! The bytes of a connection, in the clear or over TLS. Each exchange has a deadline, however slowly the bytes come.

use std::{
    io::{Error, ErrorKind, Read, Result, Write},
    net::{TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use tokio_rustls::rustls::{ClientConnection, StreamOwned, pki_types::ServerName};

use super::tls::{self, Tls};

/// How long a broker may take to take the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The port where none is said.
const PORT_DEFAULT: u16 = 9092;
/// Most addresses tried.
const ADDRESSES_MAX: usize = 16;

/// A connection.
pub enum Stream {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Stream {
    /// Connects to the first of `HOST[:PORT],…` that takes the connection; returns which.
    pub fn connect(addresses: &str, tls: Option<&Tls>) -> anyhow::Result<(String, Stream)> {
        let mut failed = None;
        for address in addresses.split(',').map(str::trim).filter(|one| !one.is_empty()).take(ADDRESSES_MAX) {
            let (host, port) = host_and_port(address);
            let address = format!("{host}:{port}");
            match reach(&address) {
                Ok(tcp) => {
                    let socket = Socket { tcp, deadline: Instant::now() };
                    let stream = match tls {
                        None => Stream::Plain(socket),
                        Some(tls) => shake_hands(socket, host, tls, &address)?,
                    };
                    return Ok((address, stream));
                }
                Err(error) => {
                    let what = format!("cannot connect to the Kafka side of the server at {address:?}");
                    failed = failed.or(Some(error.context(what)));
                }
            }
        }
        Err(failed.unwrap_or_else(|| anyhow!("{addresses:?} names no server: HOST:PORT")))
    }

    /// Begins an exchange that must have ended after a while.
    pub fn begin(&mut self, timeout: Duration) {
        let socket = match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &mut stream.sock,
        };
        socket.deadline = Instant::now() + timeout;
    }
}

/// Takes `HOST`, `HOST:PORT` and `[IPv6]:PORT` apart; brackets stay.
fn host_and_port(address: &str) -> (&str, u16) {
    let parted = address.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    parted.and_then(|(host, port)| Some((host, port.parse().ok()?))).unwrap_or((address, PORT_DEFAULT))
}

fn reach(address: &str) -> anyhow::Result<TcpStream> {
    let mut last = None;
    for one in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&one, CONNECT_TIMEOUT) {
            Ok(tcp) => {
                tcp.set_nodelay(true)?;
                return Ok(tcp);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| anyhow!("the name has no address"), anyhow::Error::from))
}

fn shake_hands(mut socket: Socket, host: &str, tls: &Tls, address: &str) -> anyhow::Result<Stream> {
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
        .with_context(|| format!("{host:?} cannot be the name in a certificate"))?;
    let mut connection = ClientConnection::new(tls.config.clone(), name)
        .with_context(|| format!("cannot begin TLS with {address:?}"))?;
    socket.deadline = Instant::now() + HANDSHAKE_TIMEOUT;
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(&mut socket) {
            if let Some(reason) = tls::reason(&error) {
                bail!("cannot begin TLS with {address:?}: {}", tls.words(reason));
            }
            if error.kind() == ErrorKind::TimedOut {
                bail!("cannot begin TLS with {address:?}: {error}; {}", tls::CLEAR_CURE);
            }
            bail!("cannot begin TLS with {address:?}: it has ended the connection; {}", tls::CLEAR_CURE);
        }
    }
    Ok(Stream::Tls(Box::new(StreamOwned::new(connection, socket))))
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Stream::Plain(socket) => socket.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

/// A socket that gives up at a deadline.
pub struct Socket {
    tcp: TcpStream,
    deadline: Instant,
}

impl Socket {
    fn left(&self) -> Result<Option<Duration>> {
        match self.deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(Some(left)),
            _ => Err(late()),
        }
    }
}

fn late() -> Error {
    Error::new(ErrorKind::TimedOut, "it took too long")
}

/// Linux says of a socket's timeout that the call would block.
fn told(error: Error) -> Error {
    if error.kind() == ErrorKind::WouldBlock { late() } else { error }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.tcp.set_read_timeout(self.left()?)?;
        self.tcp.read(buffer).map_err(told)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.tcp.set_write_timeout(self.left()?)?;
        self.tcp.write(bytes).map_err(told)
    }

    fn flush(&mut self) -> Result<()> {
        self.tcp.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let check = |text, expect| assert_eq!(host_and_port(text), expect, "{text}");
        check("a.example:9093", ("a.example", 9093));
        check("a.example", ("a.example", 9092));
        check("[::1]:9093", ("[::1]", 9093));
        check("[::1]", ("[::1]", 9092));
        check("a:b", ("a:b", 9092));
    }

    #[test]
    fn silent_server_is_given_up() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (_, mut stream) = Stream::connect(&listener.local_addr().unwrap().to_string(), None).unwrap();
        stream.begin(Duration::from_millis(20));
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
