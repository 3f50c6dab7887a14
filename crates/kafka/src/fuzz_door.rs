//! A broker without sockets: frames go through the decoding and the handlers that a connection's go through. For fuzzing.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use commitlog::{Log, LogError};
use kafka_protocol::messages::ApiKey;

use crate::broker::Broker;
use crate::clock::Clock;
use crate::config::KafkaConfig;
use crate::connection::ConnectionState;
use crate::dispatch::{Answer, Call, SERVED, dispatch};
use crate::frame::Asked;
use crate::legacy;
use crate::owner::NoOwner;
use crate::store::Store;

/// How long an answer may take that waits for somebody else.
const ANSWER_PAUSE: Duration = Duration::from_millis(2);

/// A broker without sockets.
#[doc(hidden)]
pub struct Offline {
    broker: Arc<Broker>,
    runtime: tokio::runtime::Runtime,
}

impl Offline {
    /// Opens a broker over a log.
    pub fn open(log: Arc<Log>, settings: &[(&str, &str)]) -> Result<Offline, LogError> {
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| (format!("kafka.{name}"), (*value).to_owned(), "fuzz".to_owned()))
            .collect();
        let config = KafkaConfig::from_settings(&settings).expect("the fuzz target's settings are right");
        let clock = Clock::manual(1_000_000);
        let store = Store::open(&log, clock.now_ms())?;
        let endpoints = vec![("localhost".to_owned(), 9092)];
        let broker = Broker::new(log, config, clock, store, Box::new(NoOwner), "fuzz".to_owned(), endpoints);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .expect("a runtime of one thread can be made");
        Ok(Offline { broker, runtime })
    }

    /// Carries out a request without its header; returns the answer's frame, `None` when it cannot be decoded, waits
    /// for somebody, or has no answer.
    pub fn ask(&self, api_key: i16, version: i16, body: &[u8]) -> Option<Bytes> {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let call = Call {
            broker: self.broker.clone(),
            connection: Arc::new(ConnectionState::new(0, peer, true, false)),
            asked: Asked { api_key, version, correlation_id: 1, client_id: None },
        };
        let body = Bytes::copy_from_slice(body);
        self.runtime.block_on(async {
            let answered = async {
                match dispatch(call, body).await.ok()? {
                    Answer::Now(answer) => Some(answer),
                    Answer::Pieces(pieces, _) => Some(Bytes::from(pieces.concat())),
                    Answer::Later(later) => later.await.ok(),
                    Answer::Nothing | Answer::Close => None,
                }
            };
            tokio::time::timeout(ANSWER_PAUSE, answered).await.ok().flatten()
        })
    }

    /// Lets deadlines pass.
    pub fn tick(&self, ms: i64) {
        self.broker.clock.advance(ms);
        self.broker.tick();
        self.broker.abort_expired();
    }

    /// Returns a served API and one of its versions, chosen by two bytes.
    pub fn chosen(api: u8, version: u8) -> (i16, i16) {
        let served = &SERVED[api as usize % SERVED.len()];
        let min = legacy::first_version(served.api_key).unwrap_or(served.min);
        (served.api_key, min + i16::from(version) % (served.max - min + 1))
    }

    /// Returns whether a request could make very many partitions.
    pub fn is_costly(api_key: i16) -> bool {
        [ApiKey::CreateTopics, ApiKey::CreatePartitions].iter().any(|key| *key as i16 == api_key)
    }
}

/// Reads a request's body as the broker would; for fuzzing.
#[doc(hidden)]
pub fn check_body(api_key: i16, version: i16, body: &[u8]) -> bool {
    let asked = Asked { api_key, version, correlation_id: 1, client_id: None };
    crate::dispatch::check(&asked, Bytes::copy_from_slice(body))
}
