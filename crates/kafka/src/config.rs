//! The broker's settings, by Kafka's own names.
//!
//! A new setting is one line in `SETTINGS`. In a file of settings they stand in a table `[kafka]` (`kafka.NAME`); names
//! that mean nothing else in Tripline are taken without it too.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kafka_protocol::protocol::StrBytes;

use crate::security::credentials::jaas_users;
use crate::security::principal::Mapping;
use crate::security::tls::{ClientAuth, TlsFiles};

/// A setting is malformed.
#[derive(Debug, thiserror::Error)]
#[error("setting \"{name}\" ({origin}) {reason}")]
pub struct ConfigError {
    /// The setting.
    pub name: String,
    /// Where it was given.
    pub origin: String,
    /// What is wrong.
    pub reason: String,
}

/// What values a setting takes; the numbers are those of Kafka's DescribeConfigs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean = 1,
    Text = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
    Password = 9,
}

/// A known setting.
pub(crate) struct Setting {
    pub name: &'static str,
    pub default: &'static str,
    pub kind: Kind,
    pub description: &'static str,
}

const fn s(name: &'static str, default: &'static str, kind: Kind, description: &'static str) -> Setting {
    Setting { name, default, kind, description }
}

/// Kafka's port.
const PORT_DEFAULT: u16 = 9092;
/// Listeners one broker may have.
const LISTENERS_MAX: usize = 16;
/// Settings that mean something else without `kafka.` before them.
const AMBIGUOUS: &[&str] = &["listeners"];

#[rustfmt::skip]
pub(crate) const SETTINGS: &[Setting] = &[
    s("acks.all.may.be.lost.in.power.failure", "false", Kind::Boolean, "answers acks=all before the sync, as Kafka does on one node: a power failure takes what was acknowledged in the last half minute"),
    s("advertised.listeners", "", Kind::List, "addresses told to clients, one for each listener"),
    s("allow.everyone.if.no.acl.found", "true", Kind::Boolean, "whether what no rule speaks of is allowed"),
    s("auto.create.topics.enable", "true", Kind::Boolean, "whether a topic is made when it is asked for"),
    s("compression.type", "producer", Kind::Text, "codec of topics that name none"),
    s("connections.max.idle.ms", "600000", Kind::Long, "a connection silent for so long is closed"),
    s("default.replication.factor", "1", Kind::Int, "there is one node"),
    s("delete.topic.enable", "true", Kind::Boolean, "whether clients may delete topics"),
    s("fetch.max.bytes", "57671680", Kind::Int, "most bytes of one answer to a fetch"),
    s("group.consumer.heartbeat.interval.ms", "5000", Kind::Int, "heartbeat interval of the consumer protocol"),
    s("group.consumer.assignors", "uniform,range", Kind::List, "how the broker shares partitions out; always both"),
    s("group.consumer.max.heartbeat.interval.ms", "15000", Kind::Int, "longest heartbeat interval a group may set"),
    s("group.consumer.max.session.timeout.ms", "60000", Kind::Int, "longest session timeout a group may set"),
    s("group.consumer.max.size", "2147483647", Kind::Int, "most members of a group of the consumer protocol"),
    s("group.consumer.migration.policy", "disabled", Kind::Text, "only disabled: a group changes its protocol when it is empty"),
    s("group.consumer.min.heartbeat.interval.ms", "5000", Kind::Int, "shortest heartbeat interval a group may set"),
    s("group.consumer.min.session.timeout.ms", "45000", Kind::Int, "shortest session timeout a group may set"),
    s("group.consumer.session.timeout.ms", "45000", Kind::Int, "session timeout of the consumer protocol"),
    s("group.initial.rebalance.delay.ms", "0", Kind::Int, "how long an empty group waits for more members"),
    s("group.max.session.timeout.ms", "1800000", Kind::Int, "longest session timeout"),
    s("group.max.size", "2147483647", Kind::Int, "most members of a group"),
    s("group.min.session.timeout.ms", "6000", Kind::Int, "shortest session timeout"),
    s("listeners", "127.0.0.1:9092", Kind::List, "where Kafka clients connect; \"none\" for nowhere"),
    s("log.retention.bytes", "-1", Kind::Long, "bytes a partition keeps"),
    s("log.retention.hours", "168", Kind::Int, "hours a partition keeps, where neither minutes nor milliseconds are given"),
    s("log.retention.minutes", "", Kind::Int, "minutes a partition keeps, where no milliseconds are given"),
    s("log.retention.ms", "", Kind::Long, "milliseconds a partition keeps; -1 for ever"),
    s("log.segment.bytes", "1073741824", Kind::Int, "size of a segment"),
    s("max.connections", "10000", Kind::Int, "open connections; more are closed at once"),
    s("max.connections.per.ip", "2147483647", Kind::Int, "open connections from one address; more are closed at once"),
    s("max.incremental.fetch.session.cache.slots", "1000", Kind::Int, "fetch sessions kept"),
    s("message.max.bytes", "1048588", Kind::Int, "largest record batch"),
    s("min.insync.replicas", "1", Kind::Int, "there is one node"),
    s("node.id", "1", Kind::Int, "the node's number"),
    s("num.partitions", "1", Kind::Int, "partitions of a topic made without a number"),
    s("offset.metadata.max.bytes", "4096", Kind::Int, "longest metadata with a committed offset"),
    s("offsets.retention.check.interval.ms", "600000", Kind::Long, "how often offsets are looked at that have expired"),
    s("offsets.retention.minutes", "10080", Kind::Int, "how long a group without members keeps its offsets; -1 for ever"),
    s("plain.sasl.jaas.config", "", Kind::Password, "users of PLAIN: user_NAME=\"PASSWORD\" ..."),
    s("queued.max.answer.bytes", "268435456", Kind::Long, "bytes of answers that wait for their clients to read; when there are more, fetches give little"),
    s("queued.max.request.bytes", "268435456", Kind::Long, "bytes of requests that all connections hold together"),
    s("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512", Kind::List, "how clients log in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
    s("sasl.server.max.receive.size", "524288", Kind::Int, "largest request before the login; never more than 65536"),
    s("socket.request.max.bytes", "104857600", Kind::Int, "largest request"),
    s("ssl.client.auth", "none", Kind::Text, "certificates of clients of SSL listeners: none, requested, required"),
    s("ssl.keystore.location", "", Kind::Text, "PEM file with the key and its certificates"),
    s("ssl.keystore.type", "PEM", Kind::Text, "only PEM"),
    s("ssl.principal.mapping.rules", "DEFAULT", Kind::Text, "what makes a principal of a certificate's subject: RULE:PATTERN/REPLACEMENT/[LU], DEFAULT"),
    s("ssl.truststore.location", "", Kind::Text, "PEM file of those to believe about clients"),
    s("ssl.truststore.type", "PEM", Kind::Text, "only PEM"),
    s("super.users", "", Kind::Text, "principals that may do everything, separated by \";\""),
    s("transaction.max.timeout.ms", "900000", Kind::Int, "longest transaction"),
    s("transaction.remove.expired.transaction.cleanup.interval.ms", "3600000", Kind::Int, "how often transactional ids are looked at that nobody uses"),
    s("transactional.id.expiration.ms", "604800000", Kind::Int, "a transactional id unused for so long is forgotten"),
];

/// Where clients connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The address to bind, `HOST:PORT`; port 0 is a free port.
    pub address: String,
    /// What clients are told: host and port; `None` is what was bound.
    pub advertised: Option<(String, u16)>,
    /// Clients speak TLS.
    pub tls: bool,
    /// Clients log in.
    pub sasl: bool,
}

/// What the broker is started with.
#[derive(Clone)]
pub struct KafkaConfig {
    /// Where clients connect; none for nowhere.
    pub listeners: Vec<Listener>,
    /// Name → value and where it was given.
    values: BTreeMap<&'static str, (String, String)>,
}

impl std::fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not as they are: some are secret.
        f.debug_map().entries(self.describe().map(|(name, value, ..)| (name, value))).finish()
    }
}

impl Default for KafkaConfig {
    fn default() -> Self {
        KafkaConfig::from_settings(&[]).expect("the defaults are well formed")
    }
}

impl KafkaConfig {
    /// Returns whether a name is one of the broker's settings.
    pub fn knows(name: &str) -> bool {
        find(name).is_some()
    }

    /// Returns whether a name is one of the broker's and means something else without `kafka.` before it.
    pub fn is_own(name: &str) -> bool {
        name.strip_prefix("kafka.").is_some_and(|plain| AMBIGUOUS.contains(&plain))
    }

    /// Takes the broker's settings out of all settings (name, value, origin); the last one of a name counts.
    pub fn from_settings(settings: &[(String, String, String)]) -> Result<KafkaConfig, ConfigError> {
        let mut values = BTreeMap::new();
        for (name, value, origin) in settings {
            let Some(setting) = find(name) else { continue };
            check(setting, value.trim()).map_err(|reason| ConfigError {
                name: name.clone(),
                origin: origin.clone(),
                reason,
            })?;
            values.insert(setting.name, (value.trim().to_owned(), origin.clone()));
        }
        let mut config = KafkaConfig { listeners: Vec::new(), values };
        let mut listeners = parse_listeners(config.text("listeners"))
            .map_err(|reason| config.invalid("listeners", reason))?;
        let advertised = parse_advertised(config.text("advertised.listeners"))
            .map_err(|reason| config.invalid("advertised.listeners", reason))?;
        if !advertised.is_empty() && advertised.len() != listeners.len() {
            let reason = format!("has {} addresses for {} listeners", advertised.len(), listeners.len());
            return Err(config.invalid("advertised.listeners", reason));
        }
        for (listener, told) in listeners.iter_mut().zip(advertised) {
            listener.advertised = Some(told);
        }
        config.listeners = listeners;
        for name in ["ssl.keystore.type", "ssl.truststore.type"] {
            if !config.text(name).eq_ignore_ascii_case("PEM") {
                return Err(config.invalid(name, "must be \"PEM\"".to_owned()));
            }
        }
        if let Err(reason) = config.principal_mapping() {
            return Err(config.invalid("ssl.principal.mapping.rules", reason));
        }
        if let Err(reason) = jaas_users(config.text("plain.sasl.jaas.config")) {
            return Err(config.invalid("plain.sasl.jaas.config", reason));
        }
        if config.text("group.consumer.migration.policy") != "disabled" {
            let reason = "must be \"disabled\"".to_owned();
            return Err(config.invalid("group.consumer.migration.policy", reason));
        }
        if !matches!(config.text("ssl.client.auth"), "none" | "requested" | "required") {
            let reason = "must be \"none\", \"requested\" or \"required\"".to_owned();
            return Err(config.invalid("ssl.client.auth", reason));
        }
        if config.listeners.iter().any(|listener| listener.tls)
            && config.text("ssl.keystore.location").is_empty()
        {
            let reason = "must be given for a listener with TLS".to_owned();
            return Err(config.invalid("ssl.keystore.location", reason));
        }
        Ok(config)
    }

    fn invalid(&self, name: &str, reason: String) -> ConfigError {
        let origin = self.values.get(name).map_or("default", |(_, origin)| origin);
        ConfigError { name: name.to_owned(), origin: origin.to_owned(), reason }
    }

    /// Returns every setting: name, value, where it was given (`None`: it is the default), meaning.
    pub fn describe(&self) -> impl Iterator<Item = (&'static str, &str, Option<&str>, &'static str)> {
        SETTINGS.iter().map(|setting| {
            let origin = self.values.get(setting.name).map(|(_, origin)| origin.as_str());
            // Secrets are not shown.
            let is_hidden = setting.kind == Kind::Password && origin.is_some();
            let value = if is_hidden { "[hidden]" } else { self.text(setting.name) };
            (setting.name, value, origin, setting.description)
        })
    }

    /// Returns where the certificates are, if a listener wants some.
    pub(crate) fn tls_files(&self) -> Option<TlsFiles> {
        let path = |name| Some(self.text(name)).filter(|path| !path.is_empty()).map(PathBuf::from);
        self.listeners.iter().any(|listener| listener.tls).then(|| TlsFiles {
            key_store: path("ssl.keystore.location").unwrap_or_default(),
            trust_store: path("ssl.truststore.location"),
            client_auth: match self.text("ssl.client.auth") {
                "required" => ClientAuth::Required,
                "requested" => ClientAuth::Requested,
                _ => ClientAuth::None,
            },
        })
    }

    /// Returns what makes a principal of a certificate's subject.
    pub(crate) fn principal_mapping(&self) -> Result<Mapping, String> {
        Mapping::parse(self.text("ssl.principal.mapping.rules"))
    }

    /// Returns how long records are kept, if that was given: the finest of Kafka's three settings counts.
    pub(crate) fn retention_ms(&self) -> Option<i64> {
        let given = |name: &'static str, unit_ms: i64| {
            let (value, _) = self.values.get(name).filter(|(value, _)| !value.is_empty())?;
            let number: i64 = value.parse().ok()?;
            Some(if number < 0 { -1 } else { number.saturating_mul(unit_ms) })
        };
        given("log.retention.ms", 1)
            .or_else(|| given("log.retention.minutes", 60_000))
            .or_else(|| given("log.retention.hours", 3_600_000))
    }

    pub(crate) fn text(&self, name: &'static str) -> &str {
        match self.values.get(name) {
            Some((value, _)) => value,
            None => find_exact(name).map_or("", |setting| setting.default),
        }
    }

    pub(crate) fn integer(&self, name: &'static str) -> i64 {
        self.text(name).parse().unwrap_or(0)
    }

    pub(crate) fn boolean(&self, name: &'static str) -> bool {
        self.text(name) == "true"
    }
}

fn find_exact(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

fn find(name: &str) -> Option<&'static Setting> {
    match name.strip_prefix("kafka.") {
        Some(plain) => find_exact(plain),
        None if AMBIGUOUS.contains(&name) => None,
        None => find_exact(name),
    }
}

fn check(setting: &Setting, value: &str) -> Result<(), String> {
    let range = |min: i64, max: i64| match value.parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(()),
        Ok(_) => Err(format!("must be from {min} to {max}")),
        Err(_) => Err("is not a whole number".to_owned()),
    };
    match setting.kind {
        Kind::Boolean if value != "true" && value != "false" => {
            Err("must be \"true\" or \"false\"".to_owned())
        }
        Kind::Int | Kind::Long if value.is_empty() && setting.default.is_empty() => Ok(()),
        Kind::Int if setting.name == "num.partitions" => range(1, commitlog::PARTITIONS_MAX as i64),
        Kind::Int => range(-1, i32::MAX as i64),
        Kind::Long => range(-1, i64::MAX),
        Kind::Double if value.parse::<f64>().is_err() => Err("is not a number".to_owned()),
        _ => Ok(()),
    }
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// `[PLAINTEXT://]HOST[:PORT], …`; no host is all addresses.
fn parse_listeners(value: &str) -> Result<Vec<Listener>, String> {
    if value == "none" {
        return Ok(Vec::new());
    }
    let listeners = list(value)
        .map(|item| {
            let (protocol, host, port) = parse_address(item)?;
            let host = if host.is_empty() { "0.0.0.0" } else { host };
            let protocol = protocol.to_ascii_uppercase();
            let (tls, sasl) = match protocol.as_str() {
                "PLAINTEXT" => (false, false),
                "SSL" => (true, false),
                "SASL_PLAINTEXT" => (false, true),
                "SASL_SSL" => (true, true),
                _ => {
                    return Err(format!(
                        "has protocol \"{protocol}\", which is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"
                    ));
                }
            };
            Ok(Listener { address: format!("{host}:{port}"), advertised: None, tls, sasl })
        })
        .collect::<Result<Vec<_>, String>>()?;
    match listeners.len() {
        0 => Err("has no listener".to_owned()),
        1..=LISTENERS_MAX => Ok(listeners),
        _ => Err(format!("has more than {LISTENERS_MAX} listeners")),
    }
}

fn parse_advertised(value: &str) -> Result<Vec<(String, u16)>, String> {
    list(value)
        .map(|item| {
            let (_, host, port) = parse_address(item)?;
            if host.is_empty() || port == 0 {
                return Err(format!("has \"{item}\", which names no host and port"));
            }
            Ok((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port))
        })
        .collect()
}

/// Returns protocol, host and port.
fn parse_address(item: &str) -> Result<(&str, &str, u16), String> {
    let (protocol, address) = item.split_once("://").unwrap_or(("PLAINTEXT", item));
    match address.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let port = port.parse().map_err(|_| format!("has \"{item}\", whose port is no number"))?;
            Ok((protocol, host, port))
        }
        _ => Ok((protocol, address, PORT_DEFAULT)),
    }
}

/// Returns text for an answer.
pub(crate) fn str_bytes(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<KafkaConfig, ConfigError> {
        let settings: Vec<_> = pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned(), "command line".to_owned()))
            .collect();
        KafkaConfig::from_settings(&settings)
    }

    #[test]
    fn listeners_are_read_as_kafka_writes_them() {
        let config = from(&[
            ("kafka.listeners", "PLAINTEXT://127.0.0.1:9000, :9001, [::1]"),
            ("advertised.listeners", "PLAINTEXT://a:1,b:2,[::1]:3"),
        ])
        .unwrap();
        let addresses: Vec<_> = config.listeners.iter().map(|l| l.address.as_str()).collect();
        assert_eq!(addresses, ["127.0.0.1:9000", "0.0.0.0:9001", "[::1]:9092"]);
        assert_eq!(config.listeners[2].advertised, Some(("::1".to_owned(), 3)));
        assert!(from(&[("kafka.listeners", "none")]).unwrap().listeners.is_empty());
    }

    #[test]
    fn the_http_servers_listeners_are_not_kafkas() {
        assert!(!KafkaConfig::knows("listeners"));
        assert!(KafkaConfig::knows("kafka.listeners") && KafkaConfig::knows("num.partitions"));
    }

    #[test]
    fn finest_of_the_retention_settings_counts() {
        let kept = |pairs: &[(&str, &str)]| from(pairs).unwrap().retention_ms();
        assert_eq!(kept(&[]), None);
        assert_eq!(kept(&[("log.retention.hours", "2")]), Some(7_200_000));
        assert_eq!(kept(&[("log.retention.minutes", "3"), ("log.retention.hours", "2")]), Some(180_000));
        assert_eq!(kept(&[("kafka.log.retention.ms", "-1"), ("log.retention.minutes", "3")]), Some(-1));
        assert_eq!(kept(&[("log.retention.ms", ""), ("log.retention.hours", "-1")]), Some(-1));
    }

    #[test]
    fn malformed_settings_are_told_with_their_origin() {
        let error = from(&[("num.partitions", "0")]).unwrap_err().to_string();
        assert_eq!(error, "setting \"num.partitions\" (command line) must be from 1 to 10000");
        assert!(from(&[("kafka.listeners", "SSL://127.0.0.1:1")]).is_err());
        assert!(from(&[("kafka.listeners", "HTTP://127.0.0.1:1")]).is_err());
        assert!(from(&[("kafka.ssl.keystore.type", "JKS")]).is_err());
        assert!(from(&[("advertised.listeners", "a:1,b:2")]).is_err());
        let error = from(&[("plain.sasl.jaas.config", "user_a=\"secret")]).unwrap_err().to_string();
        assert!(
            error.ends_with("has a value without its closing quote") && !error.contains("secret"),
            "{error}"
        );
    }
}
