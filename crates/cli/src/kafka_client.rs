//! A client of Kafka's protocol: one connection, one question at a time. For a terminal, not for speed.

use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::{
    ResponseError,
    messages::{ApiKey, RequestHeader, ResponseHeader, SaslAuthenticateRequest, SaslHandshakeRequest},
    protocol::{Decodable, Encodable, Request, StrBytes},
};

/// How long a broker may take to take the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a broker may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest answer read.
const ANSWER_BYTES_MAX: usize = 128 << 20;

/// A connection.
pub struct KafkaClient {
    address: String,
    socket: TcpStream,
    correlation_id: i32,
}

impl KafkaClient {
    /// Connects, and logs in with PLAIN where a user is given.
    pub fn connect(address: &str, login: Option<(&str, &str)>) -> Result<KafkaClient> {
        let failed = || format!("cannot connect to the Kafka side of the server at {address:?}");
        let addresses = address.to_socket_addrs().with_context(failed)?;
        let mut last = None;
        let connected = addresses.into_iter().find_map(|one| {
            TcpStream::connect_timeout(&one, CONNECT_TIMEOUT).map_err(|error| last = Some(error)).ok()
        });
        let Some(socket) = connected else {
            return match last {
                Some(error) => Err(error).with_context(failed),
                None => bail!("{}: the name has no address", failed()),
            };
        };
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        socket.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let mut client = KafkaClient { address: address.to_owned(), socket, correlation_id: 0 };
        if let Some((user, password)) = login {
            client.log_in(user, password)?;
        }
        Ok(client)
    }

    fn log_in(&mut self, user: &str, password: &str) -> Result<()> {
        let mechanism = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str("PLAIN"));
        check(self.ask(1, &mechanism)?.error_code, || "choosing PLAIN to log in".to_owned())?;
        let message = Bytes::from(format!("\0{user}\0{password}"));
        let answer = self.ask(1, &SaslAuthenticateRequest::default().with_auth_bytes(message))?;
        check(answer.error_code, || format!("logging in as {user:?}"))
    }

    /// Asks and waits for the answer.
    pub fn ask<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response> {
        let lost = || format!("no answer from {:?}", self.address);
        self.correlation_id += 1;
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_static_str("tripline")))
            .encode(&mut frame, R::header_version(version))?;
        request.encode(&mut frame, version)?;
        let len = i32::try_from(frame.len() - 4).context("the request is too long")?;
        frame[..4].copy_from_slice(&len.to_be_bytes());
        self.socket.write_all(&frame).with_context(lost)?;
        let mut len = [0; 4];
        self.socket.read_exact(&mut len).with_context(lost)?;
        let len = usize::try_from(i32::from_be_bytes(len)).unwrap_or(usize::MAX);
        if len > ANSWER_BYTES_MAX {
            bail!("the answer from {:?} is longer than {ANSWER_BYTES_MAX} bytes", self.address);
        }
        let mut answer = Vec::new();
        let taken = (&mut self.socket).take(len as u64).read_to_end(&mut answer).with_context(lost)?;
        if taken < len {
            bail!("the answer from {:?} was cut", self.address);
        }
        let mut answer = Bytes::from(answer);
        let key = ApiKey::try_from(R::KEY).expect("requests have a known key");
        let header = ResponseHeader::decode(&mut answer, key.response_header_version(version))?;
        if header.correlation_id != self.correlation_id {
            bail!("the answer from {:?} is to another question", self.address);
        }
        R::Response::decode(&mut answer, version)
            .with_context(|| format!("the answer from {:?} cannot be read", self.address))
    }
}

/// Makes an error of a code that is one.
pub fn check(code: i16, what: impl FnOnce() -> String) -> Result<()> {
    match ResponseError::try_from_code(code) {
        None => Ok(()),
        Some(error) => bail!("{}: the broker answers {error:?}", what()),
    }
}
