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
                if client.stream.is_tls() { "SSL" } else { "PLAINTEXT" }
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
