//! Who may log in: users of the settings (PLAIN) and users kept in the store (SCRAM, and PLAIN too).

use std::collections::BTreeMap;
use std::sync::{Mutex, RwLock};

use commitlog::LogError;

use super::scram::{Credential, Hash, same};
use crate::jaas;
use crate::store::Store;

const KEY_PREFIX: &[u8] = b"scram\0";

/// All users that can log in.
pub(crate) struct Credentials {
    plain: BTreeMap<String, String>,
    scram: RwLock<BTreeMap<(String, Hash), Credential>>,
    /// Held over a change, so that what is stored and what counts stay the same.
    changing: Mutex<()>,
}

impl Credentials {
    /// Takes the users of Kafka's `sasl.jaas.config` and those that are stored.
    pub(crate) fn open(store: &Store, jaas_config: &str) -> Credentials {
        let mut scram = BTreeMap::new();
        for key in store.keys() {
            let Some((number, user)) = key.strip_prefix(KEY_PREFIX).and_then(|rest| rest.split_first())
            else {
                continue;
            };
            let found = store.get(&key).and_then(|value| Credential::decode(&value));
            if let (Some(hash), Ok(user), Some(credential)) =
                (Hash::from_number(*number as i8), std::str::from_utf8(user), found)
            {
                scram.insert((user.to_owned(), hash), credential);
            }
        }
        Credentials {
            // The settings were checked before.
            plain: jaas_users(jaas_config).unwrap_or_default(),
            scram: RwLock::new(scram),
            changing: Mutex::new(()),
        }
    }

    /// Checks a name and a password.
    pub(crate) fn fits(&self, user: &str, password: &str) -> bool {
        if let Some(known) = self.plain.get(user) {
            return same(known.as_bytes(), password.as_bytes());
        }
        [Hash::Sha512, Hash::Sha256]
            .into_iter()
            .any(|hash| self.find(user, hash).is_some_and(|credential| credential.fits(hash, password)))
    }

    pub(crate) fn find(&self, user: &str, hash: Hash) -> Option<Credential> {
        self.scram.read().expect("no holder panics").get(&(user.to_owned(), hash)).cloned()
    }

    /// Returns the users with their kinds of credential and iterations.
    pub(crate) fn users(&self) -> BTreeMap<String, Vec<(Hash, u32)>> {
        let mut users: BTreeMap<String, Vec<(Hash, u32)>> = BTreeMap::new();
        for ((user, hash), credential) in self.scram.read().expect("no holder panics").iter() {
            users.entry(user.clone()).or_default().push((*hash, credential.iterations));
        }
        users
    }

    /// Sets (`Some`) or removes a user's credential; durable when it returns.
    pub(crate) fn set(
        &self,
        store: &Store,
        user: &str,
        hash: Hash,
        credential: Option<Credential>,
        now_ms: i64,
    ) -> Result<(), LogError> {
        let mut key = KEY_PREFIX.to_vec();
        key.push(hash as u8);
        key.extend_from_slice(user.as_bytes());
        let _changing = self.changing.lock().expect("no holder panics");
        store.put(&[(key, credential.as_ref().map(Credential::encode))], now_ms)?;
        let mut scram = self.scram.write().expect("no holder panics");
        match credential {
            Some(credential) => scram.insert((user.to_owned(), hash), credential),
            None => scram.remove(&(user.to_owned(), hash)),
        };
        Ok(())
    }
}

/// Returns the users of `… user_NAME="PASSWORD" …`; errors never show the text.
pub(crate) fn jaas_users(config: &str) -> Result<BTreeMap<String, String>, String> {
    let jaas = jaas::parse(config).map_err(|error| error.to_string())?;
    let users: BTreeMap<String, String> = jaas
        .options
        .into_iter()
        .filter_map(|(name, password)| Some((name.strip_prefix("user_")?.to_owned(), password)))
        .collect();
    match users.is_empty() && !config.trim().is_empty() {
        true => Err("has no user: user_NAME=\"PASSWORD\" is one".to_owned()),
        false => Ok(users),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_a_jaas_config() {
        let check = |config: &str, expected: &[(&str, &str)]| {
            let users = jaas_users(config).unwrap();
            let told: Vec<_> =
                users.iter().map(|(name, password)| (name.as_str(), password.as_str())).collect();
            assert_eq!(told, expected, "{config}");
        };
        let module = "org.apache.kafka.common.security.plain.PlainLoginModule required";
        check(
            &format!("{module} username=\"b\" password=\"x\" user_alice=\"secret\" user_b_c=\"d e\";"),
            &[("alice", "secret"), ("b_c", "d e")],
        );
        check(
            r#"username="user_a" user_q="a\"b\\c" user_d = 'no' user_e="";"#,
            &[("d", "no"), ("e", ""), ("q", "a\"b\\c")],
        );
        check(" ", &[]);
    }

    #[test]
    fn text_without_users_is_refused_and_not_shown() {
        for text in ["user_a=\"secret", "alice=\"secret\"", "secret", "user_secret"] {
            let told = jaas_users(text).unwrap_err();
            assert!(!told.contains("secret"), "{told}");
        }
    }
}
