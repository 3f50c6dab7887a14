//! SCRAM (RFC 5802, RFC 7677): the client's side of the conversation. The server must prove that it knows the password's
//! keys too; without its signature a login has failed.
//!
//! ```text
//! client  n,,n=USER,r=NONCE
//! server  r=NONCE+MORE,s=SALT,i=ITERATIONS
//! client  c=biws,r=NONCE+MORE,p=PROOF
//! server  v=SIGNATURE
//! ```

use std::num::NonZeroU32;

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use ring::{digest, hmac, pbkdf2, rand::SecureRandom};

/// Fewer would make the password easy to guess for who pretends to be the server; it is Kafka's bound too.
const ITERATIONS_MIN: u32 = 4096;
/// More would keep the client busy; Kafka's servers have 16384 at most.
const ITERATIONS_MAX: u32 = 1_000_000;
/// Longest message of a server taken.
const MESSAGE_LEN_MAX: usize = 4096;
const NONCE_LEN: usize = 24;

/// A kind of SCRAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        hmac::sign(&self.key(key), message).as_ref().to_vec()
    }

    fn key(self, key: &[u8]) -> hmac::Key {
        let algorithm = match self {
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::Key::new(algorithm, key)
    }

    fn digest(self, message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, message).as_ref().to_vec()
    }

    fn salted(self, password: &str, salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
        let (algorithm, len) = match self {
            Hash::Sha256 => (pbkdf2::PBKDF2_HMAC_SHA256, digest::SHA256_OUTPUT_LEN),
            Hash::Sha512 => (pbkdf2::PBKDF2_HMAC_SHA512, digest::SHA512_OUTPUT_LEN),
        };
        let mut salted = vec![0; len];
        pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), &mut salted);
        salted
    }
}

/// Returns a nonce that nobody can guess.
pub fn nonce() -> Result<String> {
    let mut bytes = [0; NONCE_LEN];
    let filled = ring::rand::SystemRandom::new().fill(&mut bytes);
    filled.ok().context("the system gives no random bytes")?;
    Ok(BASE64_STANDARD.encode(bytes))
}

/// A conversation that waits for the server's first message.
pub struct Conversation {
    hash: Hash,
    nonce: String,
    first_bare: String,
}

impl Conversation {
    /// Begins; returns the client's first message too.
    pub fn begin(hash: Hash, user: &str, nonce: String) -> (Conversation, String) {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={user},r={nonce}");
        let message = format!("n,,{first_bare}");
        (Conversation { hash, nonce, first_bare }, message)
    }

    /// Takes the server's first message; returns the proof for it, and what the server must answer.
    pub fn prove(self, message: &[u8], password: &str) -> Result<(String, Expected)> {
        let text = text(message)?;
        let mut fields = text.split(',');
        let mut field = |name: &str| {
            let found = fields.next().and_then(|field| field.strip_prefix(name));
            found.with_context(|| format!("the server's message has no {name:?} where it belongs"))
        };
        let nonce = field("r=")?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            bail!("the server does not answer what was sent");
        }
        let salt = BASE64_STANDARD.decode(field("s=")?).context("the server's salt is malformed")?;
        let iterations: u32 = field("i=")?.parse().context("the server's iterations are malformed")?;
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
            bail!("the server wants {iterations} iterations: {ITERATIONS_MIN} to {ITERATIONS_MAX} are taken");
        }
        let iterations = NonZeroU32::new(iterations).expect("it is above a bound");
        let salted = self.hash.salted(password, &salt, iterations);
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{text},{without_proof}", self.first_bare);
        let client_key = self.hash.hmac(&salted, b"Client Key");
        let signature = self.hash.hmac(&self.hash.digest(&client_key), signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(left, right)| left ^ right).collect();
        let server_key = self.hash.key(&self.hash.hmac(&salted, b"Server Key"));
        let message = format!("{without_proof},p={}", BASE64_STANDARD.encode(proof));
        Ok((message, Expected { server_key, signed }))
    }
}

/// What the server must prove.
pub struct Expected {
    server_key: hmac::Key,
    signed: String,
}

impl Expected {
    /// Takes the server's last message.
    pub fn check(&self, message: &[u8]) -> Result<()> {
        let text = text(message)?;
        if let Some(error) = text.strip_prefix("e=") {
            bail!("the server answers {error:?}");
        }
        let signature = text.strip_prefix("v=").and_then(|rest| rest.split(',').next());
        let signature = signature.and_then(|text| BASE64_STANDARD.decode(text).ok());
        let signature = signature.context("the server's signature is missing")?;
        let verified = hmac::verify(&self.server_key, self.signed.as_bytes(), &signature);
        verified
            .ok()
            .context("the server does not know the user's password: it is not the one it claims to be")
    }
}

fn text(message: &[u8]) -> Result<&str> {
    if message.len() > MESSAGE_LEN_MAX {
        bail!("the server's message is longer than {MESSAGE_LEN_MAX} bytes");
    }
    std::str::from_utf8(message).context("the server's message is not text")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn begun(user: &str) -> (Conversation, String) {
        Conversation::begin(Hash::Sha256, user, NONCE.to_owned())
    }

    #[test]
    fn conversation_of_rfc_7677_is_led() {
        let (conversation, first) = begun("user");
        assert_eq!(first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (last, expected) = conversation.prove(SERVER_FIRST.as_bytes(), "pencil").unwrap();
        let proof = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                     p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(last, proof);
        expected.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
        for wrong in ["v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", "v=", "", "v=AAAA", "e=other-error"] {
            assert!(expected.check(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn name_is_written_so_that_it_ends_where_it_ends() {
        assert_eq!(begun("a=b,c").1, "n,,n=a=3Db=2Cc,r=rOprNGfwEbeRWgbNEkqO");
    }

    #[test]
    fn server_that_is_none_is_refused() {
        for message in [
            "",
            "r=other,s=AAAA,i=4096",
            "r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=?,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1",
            "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4294967295",
            "m=x,r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096",
        ] {
            assert!(begun("u").0.prove(message.as_bytes(), "p").is_err(), "{message}");
        }
    }

    proptest! {
        #[test]
        fn bytes_of_a_server_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = begun("u").0.prove(&bytes, "p");
            let (_, expected) = begun("u").0.prove(SERVER_FIRST.as_bytes(), "p").unwrap();
            prop_assert!(expected.check(&bytes).is_err());
        }
    }
}
