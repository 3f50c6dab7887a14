//! A client of Kafka's protocol: one connection, one question at a time. For a terminal, not for speed.
//!
//! ```text
//! Options (command line, file, environment) → Security (TLS, login) → Stream → KafkaClient
//! ```
//!
//! The first question on every connection is ApiVersions: each listener answers it before a login, so when it fails the
//! transport is wrong, and when a later one fails the login is. A connection that ends without a word, which is how
//! brokers refuse, is told with what most likely is missing.

mod jaas;
mod login;
mod options;
mod properties;
mod scram;
mod security;
mod stream;
mod tls;

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read, Write},
    time::Duration,
};

use anyhow::{Context, Error, Result, anyhow, bail};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::{
    ResponseError,
    messages::{ApiKey, ApiVersionsRequest, RequestHeader, ResponseHeader},
    protocol::{Decodable, Encodable, Request, StrBytes},
};

pub use options::Options;
use security::Security;
use stream::Stream;
use tls::Tls;

/// How long a broker may take to answer, all in all.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take for the first answer, which costs it nothing.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer read.
const ANSWER_BYTES_MAX: usize = 128 << 20;

/// How far a connection is; what is missing when it ends follows from that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was answered yet.
    New,
    /// It speaks Kafka.
    Greeted,
    /// It has taken a login.
    LoggedIn,
}

/// A connection.
pub struct KafkaClient {
    address: String,
    stream: Stream,
    tls: Option<Tls>,
    correlation_id: i32,
    stage: Stage,
    /// What the broker serves: the versions of each API.
    versions: BTreeMap<i16, (i16, i16)>,
}

impl KafkaClient {
    /// Connects to the first of some addresses that takes the connection, and logs in where that is wanted.
    fn connect(addresses: &str, security: &Security) -> Result<KafkaClient> {
        let (address, stream) = Stream::connect(addresses, security.tls.as_ref())?;
        let versions = BTreeMap::new();
        let mut client = KafkaClient {
            address,
            stream,
            tls: security.tls.clone(),
            correlation_id: 0,
            stage: Stage::New,
            versions,
        };
        client.greet()?;
        if let Some(login) = &security.login {
            login.run(&mut client)?;
            client.stage = Stage::LoggedIn;
        }
        Ok(client)
    }

    fn greet(&mut self) -> Result<()> {
        let answer = self.ask(0, &ApiVersionsRequest::default())?;
        check(answer.error_code, || "asking which requests it knows".to_owned())?;
        self.versions =
            answer.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect();
        self.stage = Stage::Greeted;
        Ok(())
    }

    /// Asks and waits for the answer.
    pub fn ask<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response> {
        let key = ApiKey::try_from(R::KEY).expect("requests have a known key");
        if self.stage != Stage::New {
            match self.versions.get(&R::KEY) {
                Some((min, max)) if (*min..=*max).contains(&version) => {}
                Some((min, max)) => bail!(
                    "the broker at {:?} knows {key:?} in versions {min} to {max}, and {version} is needed",
                    self.address
                ),
                None => bail!("the broker at {:?} does not know {key:?}", self.address),
            }
        }
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
        let mut answer = self.exchange(&frame)?;
        let header = ResponseHeader::decode(&mut answer, key.response_header_version(version))?;
        if header.correlation_id != self.correlation_id {
            bail!("the answer from {:?} is to another question", self.address);
        }
        R::Response::decode(&mut answer, version)
            .with_context(|| format!("the answer from {:?} cannot be read", self.address))
    }

    /// Sends a frame and returns what comes back, without its length.
    fn exchange(&mut self, frame: &[u8]) -> Result<Bytes> {
        let timeout = if self.stage == Stage::New { FIRST_ANSWER_TIMEOUT } else { ANSWER_TIMEOUT };
        self.stream.begin(timeout);
        let mut len = [0; 4];
        let sent = self.stream.write_all(frame).and_then(|()| self.stream.flush());
        if let Err(error) = sent {
            // The reason may have come before the end did.
            let told = self.stream.read(&mut len).err().filter(|told| tls::reason(told).is_some());
            return Err(self.lost(told.unwrap_or(error)));
        }
        self.stream.read_exact(&mut len).map_err(|error| self.lost(error))?;
        let len_shown = usize::try_from(i32::from_be_bytes(len)).unwrap_or(usize::MAX);
        if len_shown > ANSWER_BYTES_MAX {
            return Err(self.strange(len));
        }
        let mut answer = Vec::new();
        let taken = (&mut self.stream).take(len_shown as u64).read_to_end(&mut answer);
        if taken.map_err(|error| self.lost(error))? < len_shown {
            bail!("the answer from {:?} was cut", self.address);
        }
        Ok(Bytes::from(answer))
    }

    /// Says why there is no answer, and what may help.
    fn lost(&self, error: std::io::Error) -> Error {
        let address = &self.address;
        if let (Some(tls), Some(reason)) = (&self.tls, tls::reason(&error)) {
            return anyhow!("no answer from {address:?}: {}", tls.words(reason));
        }
        let has_ended = matches!(
            error.kind(),
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
        );
        if !has_ended {
            return Error::new(error).context(format!("no answer from {address:?}"));
        }
        let cure = match (self.stage, self.tls.is_some()) {
            (Stage::New, false) => {
                "; if it wants TLS: -X security.protocol=SSL, or SASL_SSL where it wants a login too"
            }
            (Stage::New, true) => {
                "; if it wants a certificate of the client: -X ssl.certificate.location=FILE -X ssl.key.location=FILE"
            }
            (Stage::Greeted, false) => {
                "; if it wants a login: -X security.protocol=SASL_PLAINTEXT -X sasl.mechanism=… -X sasl.username=…"
            }
            (Stage::Greeted, true) => {
                "; if it wants a login: -X security.protocol=SASL_SSL -X sasl.mechanism=… -X sasl.username=…"
            }
            (Stage::LoggedIn, _) => "",
        };
        anyhow!("no answer from {address:?}: it has ended the connection{cure}")
    }

    /// Says what an answer that cannot be Kafka's looks like.
    fn strange(&self, start: [u8; 4]) -> Error {
        let address = &self.address;
        match &start {
            [0x15, 0x03, ..] => anyhow!(
                "{address:?} wants TLS: -X security.protocol=SSL, or SASL_SSL where it wants a login too"
            ),
            b"HTTP" => {
                anyhow!("{address:?} speaks HTTP; Kafka clients have a port of their own, 9092 as a rule")
            }
            _ => anyhow!(
                "the answer from {address:?} is none of Kafka's, or longer than {ANSWER_BYTES_MAX} bytes"
            ),
        }
    }
}

/// Makes an error of a code that is one.
pub fn check(code: i16, what: impl FnOnce() -> String) -> Result<()> {
    match ResponseError::try_from_code(code) {
        None => Ok(()),
        Some(error) => bail!("{}: {}", what(), words(error)),
    }
}

/// Says what a broker's answer means, and what may help.
pub fn words(error: ResponseError) -> String {
    let words = match error {
        ResponseError::UnknownTopicOrPartition => "there is none, or the user may not see it",
        ResponseError::InvalidTopicException => "this cannot be a topic's name",
        ResponseError::TopicAuthorizationFailed => "the user may not; an ACL for the topic would allow it",
        ResponseError::GroupAuthorizationFailed => "the user may not; an ACL for the group would allow it",
        ResponseError::ClusterAuthorizationFailed => {
            "the user may not; an ACL for the cluster would allow it"
        }
        ResponseError::GroupSubscribedToTopic => "the group reads the topic; stop its members first",
        ResponseError::NonEmptyGroup
        | ResponseError::RebalanceInProgress
        | ResponseError::UnknownMemberId => "the group has members; stop them first",
        ResponseError::GroupIdNotFound => "the group does not exist",
        ResponseError::NotCoordinator => {
            "another broker of the cluster is in charge of it, or none yet; --bootstrap-server with that one's address reaches it"
        }
        ResponseError::NotLeaderOrFollower => {
            "another broker of the cluster leads it; --bootstrap-server with that one's address reaches it"
        }
        ResponseError::CoordinatorNotAvailable | ResponseError::CoordinatorLoadInProgress => {
            "the broker is not ready for it yet; try again"
        }
        other => return format!("the broker answers {other:?}"),
    };
    words.to_owned()
}
