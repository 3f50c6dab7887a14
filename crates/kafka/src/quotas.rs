//! Limits of clients, as Kafka names them: set, kept and told. They are not enforced.
//!
//! A limit belongs to an entity: a user, a client id, both, or an address; each by name or for all that have none of
//! their own. In the store: `quota\0`, number of parts, per part its type and its name (a length before each, 0xffff for
//! "all others"), the limit's name; the value as text.

use std::collections::BTreeMap;
use std::sync::{Mutex, RwLock};

use commitlog::LogError;

use crate::store::Store;

const KEY_PREFIX: &[u8] = b"quota\0";
/// Entities with limits kept at most.
const ENTITIES_MAX: usize = 10_000;
/// Longest name of a user, client or address.
const NAME_BYTES_MAX: usize = 4096;
/// In place of a length: no name.
const NO_NAME: u16 = u16::MAX;

pub(crate) const TYPE_USER: &str = "user";
pub(crate) const TYPE_CLIENT: &str = "client-id";
pub(crate) const TYPE_ADDRESS: &str = "ip";

/// Limits of users and clients, and whether they are whole numbers.
const CLIENT_LIMITS: &[(&str, bool)] = &[
    ("producer_byte_rate", true),
    ("consumer_byte_rate", true),
    ("request_percentage", false),
    ("controller_mutation_rate", false),
];
/// Limits of addresses.
const ADDRESS_LIMITS: &[(&str, bool)] = &[("connection_creation_rate", true)];

/// Type → name, `None` for all that have no limit of their own.
pub(crate) type Entity = BTreeMap<String, Option<String>>;
/// A limit's name → value.
pub(crate) type Limits = BTreeMap<String, f64>;

/// All limits.
pub(crate) struct Quotas {
    limits: RwLock<BTreeMap<Entity, Limits>>,
    /// Held over a change, so that what is stored and what counts stay the same; readers do not wait for the disk.
    changing: Mutex<()>,
}

/// Why limits are not taken.
#[derive(Debug)]
pub(crate) enum QuotaError {
    Invalid(String),
    Log(LogError),
}

impl Quotas {
    /// Brings back what was stored.
    pub(crate) fn open(store: &Store) -> Quotas {
        let mut limits: BTreeMap<Entity, Limits> = BTreeMap::new();
        for key in store.keys() {
            let Some((entity, limit)) = from_key(&key) else { continue };
            let text = store.get(&key).and_then(|value| String::from_utf8(value.to_vec()).ok());
            if let Some(value) = text.and_then(|text| text.parse().ok()) {
                limits.entry(entity).or_default().insert(limit, value);
            }
        }
        Quotas { limits: RwLock::new(limits), changing: Mutex::new(()) }
    }

    /// Returns the entities with limits that a filter takes.
    pub(crate) fn find(&self, takes: impl Fn(&Entity) -> bool) -> Vec<(Entity, Limits)> {
        let limits = self.limits.read().expect("no holder panics");
        limits.iter().filter(|(entity, _)| takes(entity)).map(|(e, l)| (e.clone(), l.clone())).collect()
    }

    /// Sets (`Some`) and removes limits of an entity; durable when it returns.
    pub(crate) fn change(
        &self,
        store: &Store,
        entity: &Entity,
        changes: &[(String, Option<f64>)],
        validate_only: bool,
        now_ms: i64,
    ) -> Result<(), QuotaError> {
        check_entity(entity)?;
        for (name, value) in changes {
            check_limit(entity, name, *value)?;
        }
        if validate_only {
            return Ok(());
        }
        let _changing = self.changing.lock().expect("no holder panics");
        let is_full =
            |limits: &BTreeMap<Entity, Limits>| limits.len() >= ENTITIES_MAX && !limits.contains_key(entity);
        if is_full(&self.limits.read().expect("no holder panics")) {
            let message = format!("there are {ENTITIES_MAX} entities with limits already");
            return Err(QuotaError::Invalid(message));
        }
        let values: Vec<_> = changes
            .iter()
            .map(|(name, value)| (key(entity, name), value.map(|value| value.to_string().into_bytes())))
            .collect();
        store.put(&values, now_ms).map_err(QuotaError::Log)?;
        let mut limits = self.limits.write().expect("no holder panics");
        let of_entity = limits.entry(entity.clone()).or_default();
        for (name, value) in changes {
            match value {
                Some(value) => of_entity.insert(name.clone(), *value),
                None => of_entity.remove(name),
            };
        }
        if of_entity.is_empty() {
            limits.remove(entity);
        }
        Ok(())
    }
}

fn check_entity(entity: &Entity) -> Result<(), QuotaError> {
    let invalid = |message: &str| Err(QuotaError::Invalid(message.to_owned()));
    if entity.is_empty() {
        return invalid("Invalid empty client quota entity");
    }
    for (kind, name) in entity {
        if ![TYPE_USER, TYPE_CLIENT, TYPE_ADDRESS].contains(&kind.as_str()) {
            return Err(QuotaError::Invalid(format!("Unhandled client quota entity type: {kind}")));
        }
        match name {
            Some(name) if name.is_empty() => return invalid("Empty client quota entity name"),
            Some(name) if name.len() > NAME_BYTES_MAX => {
                return invalid("The name of a client quota entity is too long");
            }
            Some(name) if kind == TYPE_ADDRESS && name.parse::<std::net::IpAddr>().is_err() => {
                return Err(QuotaError::Invalid(format!("{name} is not a valid IP or resolvable host.")));
            }
            _ => {}
        }
    }
    if entity.contains_key(TYPE_ADDRESS) && entity.len() > 1 {
        return invalid(
            "Invalid quota entity combination, IP entity should not be combined with User or ClientId",
        );
    }
    Ok(())
}

fn check_limit(entity: &Entity, name: &str, value: Option<f64>) -> Result<(), QuotaError> {
    let known = if entity.contains_key(TYPE_ADDRESS) { ADDRESS_LIMITS } else { CLIENT_LIMITS };
    let Some((_, is_whole)) = known.iter().find(|(known, _)| *known == name) else {
        return Err(QuotaError::Invalid(format!("Invalid configuration key {name}")));
    };
    match value {
        Some(value) if !value.is_finite() || value <= 0.0 => {
            Err(QuotaError::Invalid(format!("Quota {name} must be greater than 0")))
        }
        Some(value) if *is_whole && value.fract() > 1e-6 => {
            Err(QuotaError::Invalid(format!("Quota {name} must be a whole number")))
        }
        _ => Ok(()),
    }
}

fn key(entity: &Entity, limit: &str) -> Vec<u8> {
    let mut key = KEY_PREFIX.to_vec();
    key.push(entity.len() as u8);
    let mut put = |text: Option<&str>| {
        let len = text.map_or(NO_NAME, |text| text.len() as u16);
        key.extend_from_slice(&len.to_be_bytes());
        key.extend_from_slice(text.unwrap_or("").as_bytes());
    };
    for (kind, name) in entity {
        put(Some(kind));
        put(name.as_deref());
    }
    put(Some(limit));
    key
}

fn from_key(key: &[u8]) -> Option<(Entity, String)> {
    let (parts, mut rest) = key.strip_prefix(KEY_PREFIX)?.split_first()?;
    let mut take = || -> Option<Option<String>> {
        let (len, after) = rest.split_first_chunk::<2>()?;
        let len = u16::from_be_bytes(*len);
        if len == NO_NAME {
            rest = after;
            return Some(None);
        }
        let (text, after) = after.split_at_checked(len as usize)?;
        rest = after;
        Some(Some(std::str::from_utf8(text).ok()?.to_owned()))
    };
    let mut entity = Entity::new();
    for _ in 0..*parts {
        let kind = take()??;
        let name = take()?;
        entity.insert(kind, name);
    }
    let limit = take()??;
    Some((entity, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(parts: &[(&str, Option<&str>)]) -> Entity {
        parts.iter().map(|(kind, name)| ((*kind).to_owned(), name.map(str::to_owned))).collect()
    }

    #[test]
    fn keys_are_read_back() {
        for parts in [&[("user", Some("a\0b")), ("client-id", None)][..], &[("ip", Some("::1"))], &[]] {
            let entity = entity(parts);
            let read = from_key(&key(&entity, "producer_byte_rate"));
            assert_eq!(read, Some((entity, "producer_byte_rate".to_owned())));
        }
        assert_eq!(from_key(b"quota\0\x01\0\x05us"), None);
    }

    #[test]
    fn entities_and_limits_are_checked() {
        let user = entity(&[("user", Some("a"))]);
        assert!(check_entity(&user).is_ok());
        assert!(check_limit(&user, "producer_byte_rate", Some(1024.0)).is_ok());
        assert!(check_limit(&user, "producer_byte_rate", Some(0.0)).is_err());
        assert!(check_limit(&user, "producer_byte_rate", Some(1.5)).is_err());
        assert!(check_limit(&user, "connection_creation_rate", Some(1.0)).is_err());
        assert!(check_entity(&entity(&[])).is_err());
        assert!(check_entity(&entity(&[("dog", None)])).is_err());
        assert!(check_entity(&entity(&[("ip", Some("::1")), ("user", None)])).is_err());
    }
}
