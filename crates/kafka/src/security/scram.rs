//! SCRAM (RFC 5802, RFC 7677): the server's side of the conversation.
//!
//! ```text
//! client  n,,n=USER,r=NONCE
//! server  r=NONCE+MORE,s=SALT,i=ITERATIONS
//! client  c=biws,r=NONCE+MORE,p=PROOF
//! server  v=SIGNATURE
//! ```

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;

/// Kafka's bounds on iterations.
pub(crate) const ITERATIONS_MIN: i32 = 4096;
pub(crate) const ITERATIONS_MAX: i32 = 16_384;
/// Longest message of a client taken.
const MESSAGE_LEN_MAX: usize = 4096;

/// A kind of SCRAM, with Kafka's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hash {
    Sha256 = 1,
    Sha512 = 2,
}

impl Hash {
    pub(crate) fn from_number(number: i8) -> Option<Hash> {
        match number {
            1 => Some(Hash::Sha256),
            2 => Some(Hash::Sha512),
            _ => None,
        }
    }

    pub(crate) fn mechanism(self) -> &'static str {
        match self {
            Hash::Sha256 => "SCRAM-SHA-256",
            Hash::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec()
    }

    fn digest(self, message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, message).as_ref().to_vec()
    }
}

/// What is kept of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    pub salt: Vec<u8>,
    pub iterations: u32,
    pub stored_key: Vec<u8>,
    pub server_key: Vec<u8>,
}

impl Credential {
    /// Makes one from the salted password that an administrator sends.
    pub(crate) fn from_salted(
        hash: Hash,
        salt: &[u8],
        salted_password: &[u8],
        iterations: u32,
    ) -> Credential {
        let client_key = hash.hmac(salted_password, b"Client Key");
        Credential {
            salt: salt.to_vec(),
            iterations,
            stored_key: hash.digest(&client_key),
            server_key: hash.hmac(salted_password, b"Server Key"),
        }
    }

    /// Returns whether this is the credential of a password.
    pub(crate) fn fits(&self, hash: Hash, password: &str) -> bool {
        let algorithm = match hash {
            Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Hash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let Some(iterations) = NonZeroU32::new(self.iterations) else { return false };
        let mut salted = vec![0; self.stored_key.len()];
        pbkdf2::derive(algorithm, iterations, &self.salt, password.as_bytes(), &mut salted);
        let computed = Credential::from_salted(hash, &self.salt, &salted, self.iterations);
        same(&computed.stored_key, &self.stored_key)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = self.iterations.to_be_bytes().to_vec();
        for part in [&self.salt, &self.stored_key, &self.server_key] {
            out.extend_from_slice(&(part.len() as u32).to_be_bytes());
            out.extend_from_slice(part);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Credential> {
        let (iterations, mut rest) = bytes.split_first_chunk::<4>()?;
        let mut part = || {
            let (len, after) = rest.split_first_chunk::<4>()?;
            let (part, after) = after.split_at_checked(u32::from_be_bytes(*len) as usize)?;
            rest = after;
            Some(part.to_vec())
        };
        Some(Credential {
            salt: part()?,
            stored_key: part()?,
            server_key: part()?,
            iterations: u32::from_be_bytes(*iterations),
        })
    }
}

/// Compares without telling by its time where the difference is.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"compare");
    hmac::verify(&key, left, hmac::sign(&key, right).as_ref()).is_ok()
}

/// A conversation that waits for the client's second message.
pub(crate) struct Conversation {
    hash: Hash,
    pub user: String,
    credential: Credential,
    nonce: String,
    /// What both sides sign, without the last message.
    signed: String,
    gs2_header: String,
}

/// Takes the client's first message; `look_up` finds the user's credential. Returns what to answer.
pub(crate) fn begin(
    hash: Hash,
    message: &[u8],
    more_nonce: &str,
    look_up: impl FnOnce(&str) -> Option<Credential>,
) -> Result<(Conversation, String), &'static str> {
    let text = printable(message)?;
    let bare_at = text.match_indices(',').nth(1).ok_or("the first message is malformed")?.0 + 1;
    let (gs2_header, bare) = text.split_at(bare_at);
    if !gs2_header.starts_with("n,") && !gs2_header.starts_with("y,") {
        return Err("channel binding is not supported");
    }
    let mut fields = bare.split(',');
    let user = fields.next().and_then(|field| field.strip_prefix("n=")).ok_or("the user is missing")?;
    let nonce = fields.next().and_then(|field| field.strip_prefix("r=")).ok_or("the nonce is missing")?;
    let user = user.replace("=2C", ",").replace("=3D", "=");
    let credential = look_up(&user).ok_or("user or password is wrong")?;
    let nonce = format!("{nonce}{more_nonce}");
    let answer =
        format!("r={nonce},s={},i={}", BASE64_STANDARD.encode(&credential.salt), credential.iterations);
    let signed = format!("{bare},{answer}");
    Ok((Conversation { hash, user, credential, nonce, signed, gs2_header: gs2_header.to_owned() }, answer))
}

impl Conversation {
    /// Takes the client's second message. Returns what to answer when the client has the password.
    pub(crate) fn finish(&self, message: &[u8]) -> Result<String, &'static str> {
        let text = printable(message)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or("the proof is missing")?;
        let mut fields = without_proof.split(',');
        let binding = fields.next().and_then(|field| field.strip_prefix("c="));
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        // librdkafka before 2.3 repeats its own nonce before the whole one; Kafka looks at the end only, too.
        let follows = nonce.is_some_and(|nonce| nonce.ends_with(&self.nonce));
        if binding != Some(BASE64_STANDARD.encode(&self.gs2_header).as_str()) || !follows {
            return Err("the second message does not follow the first");
        }
        let proof = BASE64_STANDARD.decode(proof).map_err(|_| "the proof is malformed")?;
        let signed = format!("{},{without_proof}", self.signed);
        let signature = self.hash.hmac(&self.credential.stored_key, signed.as_bytes());
        if proof.len() != signature.len() {
            return Err("the proof is malformed");
        }
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(left, right)| left ^ right).collect();
        if !same(&self.hash.digest(&client_key), &self.credential.stored_key) {
            return Err("user or password is wrong");
        }
        let verified = self.hash.hmac(&self.credential.server_key, signed.as_bytes());
        Ok(format!("v={}", BASE64_STANDARD.encode(verified)))
    }
}

fn printable(message: &[u8]) -> Result<&str, &'static str> {
    if message.len() > MESSAGE_LEN_MAX {
        return Err("the message is too long");
    }
    std::str::from_utf8(message).map_err(|_| "the message is not text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential() -> Credential {
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let mut salted = [0; 32];
        let iterations = NonZeroU32::new(4096).unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, b"pencil", &mut salted);
        Credential::from_salted(Hash::Sha256, &salt, &salted, 4096)
    }

    #[test]
    fn conversation_of_rfc_7677_succeeds() {
        let (conversation, answer) = begin(
            Hash::Sha256,
            b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            |user| (user == "user").then(credential),
        )
        .unwrap();
        assert_eq!(
            answer,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let answer = conversation.finish(last.as_bytes()).unwrap();
        assert_eq!(answer, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let wrong = last.replace("dHzb", "dHzc");
        assert_eq!(conversation.finish(wrong.as_bytes()), Err("user or password is wrong"));
        assert!(conversation.finish(b"c=biws,r=other,p=AAAA").is_err());
        let repeated = last.replace("r=", "r=rOprNGfwEbeRWgbNEkqO");
        assert_eq!(conversation.finish(repeated.as_bytes()), Err("user or password is wrong"));
        assert!(conversation.finish(&[0xff]).is_err());
    }

    #[test]
    fn malformed_first_messages_are_refused() {
        for message in ["", "n", "n,,", "n,,n=user", "p=tls,,n=user,r=x", "n,,r=x,n=user", "n,,n=other,r=x"] {
            let result =
                begin(Hash::Sha256, message.as_bytes(), "x", |user| (user == "user").then(credential));
            assert!(result.is_err(), "{message}");
        }
    }

    #[test]
    fn credential_comes_back_and_fits_its_password() {
        let credential = credential();
        assert_eq!(Credential::decode(&credential.encode()), Some(credential.clone()));
        assert!(credential.fits(Hash::Sha256, "pencil"));
        assert!(!credential.fits(Hash::Sha256, "pen"));
    }
}
