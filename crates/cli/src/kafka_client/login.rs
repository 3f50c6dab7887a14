//! Logging in: which mechanism, with whose password.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use kafka_protocol::{
    ResponseError,
    messages::{SaslAuthenticateRequest, SaslHandshakeRequest},
    protocol::StrBytes,
};

use super::{
    KafkaClient, check,
    scram::{self, Conversation, Hash},
};

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    Scram(Hash),
}

/// All mechanisms, with Kafka's names.
pub const MECHANISMS: [(&str, Mechanism); 3] = [
    ("PLAIN", Mechanism::Plain),
    ("SCRAM-SHA-256", Mechanism::Scram(Hash::Sha256)),
    ("SCRAM-SHA-512", Mechanism::Scram(Hash::Sha512)),
];

impl Mechanism {
    /// Returns Kafka's name.
    pub fn name(self) -> &'static str {
        let found = MECHANISMS.into_iter().find(|(_, mechanism)| *mechanism == self);
        found.expect("all are in the table").0
    }
}

/// Who logs in. It cannot be printed, so that its password never is.
pub struct Login {
    pub mechanism: Mechanism,
    pub user: String,
    pub password: String,
}

impl Login {
    /// Logs in.
    pub fn run(&self, client: &mut KafkaClient) -> Result<()> {
        self.choose(client)?;
        let carried_out = match self.mechanism {
            Mechanism::Plain => self.plain(client),
            Mechanism::Scram(hash) => self.scram(client, hash),
        };
        carried_out
            .with_context(|| format!("cannot log in as {:?} with {}", self.user, self.mechanism.name()))
    }

    fn choose(&self, client: &mut KafkaClient) -> Result<()> {
        let name = self.mechanism.name();
        let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(name));
        let answer = client.ask(1, &request)?;
        match ResponseError::try_from_code(answer.error_code) {
            Some(ResponseError::UnsupportedSaslMechanism) => {
                let others: Vec<&str> = answer.mechanisms.iter().map(|name| &**name).collect();
                bail!(
                    "{:?} does not take logins with {name}, it takes {}: -X sasl.mechanism=…",
                    client.address,
                    others.join(", ")
                )
            }
            Some(ResponseError::IllegalSaslState) => bail!(
                "{:?} wants no login: -X security.protocol={}, without user and password",
                client.address,
                if client.tls.is_some() { "SSL" } else { "PLAINTEXT" }
            ),
            _ => check(answer.error_code, || format!("choosing {name} to log in")),
        }
    }

    fn plain(&self, client: &mut KafkaClient) -> Result<()> {
        let Login { user, password, .. } = self;
        if user.contains('\0') || password.contains('\0') {
            bail!("user and password cannot hold a NUL");
        }
        send(client, format!("\0{user}\0{password}")).map(drop)
    }

    fn scram(&self, client: &mut KafkaClient, hash: Hash) -> Result<()> {
        let (conversation, first) = Conversation::begin(hash, &self.user, scram::nonce()?);
        let answer = send(client, first)?;
        let (proof, expected) = conversation.prove(&answer, &self.password)?;
        let answer = send(client, proof)?;
        expected.check(&answer)
    }
}

/// Sends a message of the login and returns the answer to it.
fn send(client: &mut KafkaClient, message: String) -> Result<Bytes> {
    let answer = client.ask(1, &SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message)))?;
    if answer.error_code == ResponseError::SaslAuthenticationFailed.code() {
        match answer.error_message {
            Some(told) => {
                bail!("user or password is wrong for this mechanism (the server says {:?})", &*told)
            }
            None => bail!("user or password is wrong for this mechanism"),
        }
    }
    check(answer.error_code, || "sending the login".to_owned())?;
    Ok(answer.auth_bytes)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use bytes::{BufMut, BytesMut};
    use kafka_protocol::{
        messages::{
            ApiKey, ApiVersionsResponse, RequestHeader, SaslAuthenticateResponse, SaslHandshakeResponse,
            api_versions_response::ApiVersion,
        },
        protocol::{Decodable, Encodable},
    };

    use super::*;
    use crate::kafka_client::security::Security;

    /// Logs in to a server that takes every login and ends with a message of its own, whatever the proof was.
    fn logged_in(last: &'static str) -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut is_proof = false;
            let mut len = [0; 4];
            while socket.read_exact(&mut len).is_ok() {
                let mut frame = vec![0; u32::from_be_bytes(len) as usize];
                socket.read_exact(&mut frame).unwrap();
                let mut frame = Bytes::from(frame);
                let header = RequestHeader::decode(&mut frame, 1).unwrap();
                let mut answer = BytesMut::new();
                answer.put_i32(header.correlation_id);
                match ApiKey::try_from(header.request_api_key).unwrap() {
                    ApiKey::ApiVersions => {
                        let served = [ApiKey::SaslHandshake, ApiKey::SaslAuthenticate]
                            .map(|key| ApiVersion::default().with_api_key(key as i16).with_max_version(1));
                        ApiVersionsResponse::default()
                            .with_api_keys(served.into())
                            .encode(&mut answer, 0)
                            .unwrap();
                    }
                    ApiKey::SaslHandshake => {
                        SaslHandshakeResponse::default().encode(&mut answer, 1).unwrap();
                    }
                    _ => {
                        let request = SaslAuthenticateRequest::decode(&mut frame, 1).unwrap();
                        let first = String::from_utf8(request.auth_bytes.to_vec()).unwrap();
                        let nonce = first.rsplit_once("r=").unwrap().1;
                        let told =
                            if is_proof { last.to_owned() } else { format!("r={nonce}x,s=AAAA,i=4096") };
                        is_proof = true;
                        let told = SaslAuthenticateResponse::default().with_auth_bytes(Bytes::from(told));
                        told.encode(&mut answer, 1).unwrap();
                    }
                }
                socket.write_all(&(answer.len() as u32).to_be_bytes()).unwrap();
                socket.write_all(&answer).unwrap();
            }
        });
        let mechanism = Mechanism::Scram(Hash::Sha256);
        let login = Login { mechanism, user: "u".to_owned(), password: "secret".to_owned() };
        let connected = KafkaClient::connect(&address, &Security { tls: None, login: Some(login) }).map(drop);
        server.join().unwrap();
        connected
    }

    #[test]
    fn server_must_prove_that_it_knows_the_password() {
        for last in ["", "v=", "v=AAAA", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "e=other-error"] {
            let told = format!("{:#}", logged_in(last).unwrap_err());
            assert!(told.contains("cannot log in as \"u\" with SCRAM-SHA-256"), "{told}");
        }
        let told = format!("{:#}", logged_in("v=AAAA").unwrap_err());
        assert!(told.contains("does not know the user's password"), "{told}");
    }
}
