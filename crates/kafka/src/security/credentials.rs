//! Who may log in: users of the settings (PLAIN) and users kept in the store (SCRAM, and PLAIN too).

use std::collections::BTreeMap;
use std::sync::{Mutex, RwLock};

use commitlog::LogError;

use super::scram::{Credential, Hash, same};
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
        Credentials { plain: jaas_users(jaas_config), scram: RwLock::new(scram), changing: Mutex::new(()) }
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

/// Reads `… user_NAME="PASSWORD" …`, with the escapes that Java knows in a quoted value.
fn jaas_users(config: &str) -> BTreeMap<String, String> {
    let mut users = BTreeMap::new();
    let mut chars = config.chars().peekable();
    let mut word = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                quoted(&mut chars);
                word.clear();
            }
            '=' => {
                let name = std::mem::take(&mut word);
                let Some(_) = chars.next_if_eq(&'"') else { continue };
                let Some(password) = quoted(&mut chars) else { break };
                if let Some(user) = name.strip_prefix("user_") {
                    users.insert(user.to_owned(), password);
                }
            }
            c if c.is_whitespace() => word.clear(),
            c => word.push(c),
        }
    }
    users
}

/// Reads the rest of a quoted value; nothing if it does not end.
fn quoted(chars: &mut impl Iterator<Item = char>) -> Option<String> {
    let mut value = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(value),
            '\\' => value.push(match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            }),
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_a_jaas_config() {
        let config = "org.apache.kafka.common.security.plain.PlainLoginModule required \
                      username=\"b\" password=\"x\" user_alice=\"secret\" user_b_c=\"d e\";";
        let users = jaas_users(config);
        assert_eq!(users.get("alice").map(String::as_str), Some("secret"));
        assert_eq!(users.get("b_c").map(String::as_str), Some("d e"));
        assert_eq!(users.len(), 2);
        assert!(jaas_users("user_x user_y=\"").is_empty());
        let config = r#"x username="user_a" user_q="a\"b\\c" user_d = "no" user_e="";"#;
        let users = jaas_users(config);
        let told: Vec<_> = users.iter().map(|(name, password)| (name.as_str(), password.as_str())).collect();
        assert_eq!(told, [("e", ""), ("q", "a\"b\\c")]);
    }
}
