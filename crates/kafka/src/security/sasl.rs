//! Logging in: which mechanism, which message is due.

use super::credentials::Credentials;
use super::scram::{self, Conversation, Hash};

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Plain,
    Scram(Hash),
}

/// All mechanisms there are.
const MECHANISMS: [Mechanism; 3] =
    [Mechanism::Plain, Mechanism::Scram(Hash::Sha256), Mechanism::Scram(Hash::Sha512)];

impl Mechanism {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Scram(hash) => hash.mechanism(),
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Mechanism> {
        MECHANISMS.into_iter().find(|mechanism| mechanism.name() == name)
    }
}

/// How far a connection's login is.
pub(crate) enum Login {
    /// The listener wants none.
    NotWanted,
    /// The client must choose a mechanism.
    Expected,
    Chosen(Mechanism),
    Conversing(Box<Conversation>),
    Done,
    /// It cannot be made good on this connection.
    Failed,
}

/// What a message of the client has led to.
pub(crate) enum Step {
    /// Answer and wait for the next message.
    Answer(Vec<u8>),
    /// The client is who it says.
    Done(Vec<u8>, String),
}

impl Login {
    pub(crate) fn is_missing(&self) -> bool {
        !matches!(self, Login::NotWanted | Login::Done)
    }

    /// Takes a message of the client.
    pub(crate) fn take(&mut self, message: &[u8], credentials: &Credentials) -> Result<Step, &'static str> {
        match std::mem::replace(self, Login::Expected) {
            Login::Chosen(Mechanism::Plain) => {
                let user = plain(message, credentials)?;
                *self = Login::Done;
                Ok(Step::Done(Vec::new(), user))
            }
            Login::Chosen(Mechanism::Scram(hash)) => {
                let more_nonce = format!("{:032x}", crate::group::classic::random());
                let (conversation, answer) =
                    scram::begin(hash, message, &more_nonce, |user| credentials.find(user, hash))?;
                *self = Login::Conversing(Box::new(conversation));
                Ok(Step::Answer(answer.into_bytes()))
            }
            Login::Conversing(conversation) => {
                let answer = conversation.finish(message)?;
                *self = Login::Done;
                Ok(Step::Done(answer.into_bytes(), conversation.user))
            }
            Login::NotWanted | Login::Expected | Login::Done | Login::Failed => Err("no login is under way"),
        }
    }
}

/// `[authzid] NUL user NUL password`, RFC 4616.
fn plain(message: &[u8], credentials: &Credentials) -> Result<String, &'static str> {
    let text = std::str::from_utf8(message).map_err(|_| "the message is not text")?;
    let parts: Vec<&str> = text.split('\0').collect();
    let [acts_as, user, password] = parts.as_slice() else {
        return Err("the message must have three parts");
    };
    if user.is_empty() || password.is_empty() {
        return Err("user and password must be given");
    }
    if !acts_as.is_empty() && acts_as != user {
        return Err("a client may not act as another");
    }
    if !credentials.fits(user, password) {
        return Err("user or password is wrong");
    }
    Ok((*user).to_owned())
}
