//! Access rules (Kafka's ACLs) and how they decide.
//!
//! A rule allows or denies a principal, from a host, an operation on a resource. A deny wins; with rules for a resource
//! what none of them allows is denied; without any the setting `allow.everyone.if.no.acl.found` decides.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};

use commitlog::LogError;

use crate::store::Store;

/// The name of the one resource of type cluster.
pub(crate) const CLUSTER_NAME: &str = "kafka-cluster";
/// Rules kept at most.
const RULES_MAX: usize = 100_000;
const KEY_PREFIX: &[u8] = b"acl\0";
const EVERYBODY: &str = "User:*";
const ANYTHING: &str = "*";

/// Any value of a field, in a filter.
pub(crate) const ANY: i8 = 1;
pub(crate) const DENY: i8 = 2;
pub(crate) const ALLOW: i8 = 3;
/// All patterns that a name fits, in a filter.
pub(crate) const PATTERN_MATCH: i8 = 2;
pub(crate) const PATTERN_LITERAL: i8 = 3;
pub(crate) const PATTERN_PREFIXED: i8 = 4;

/// What can be done, with Kafka's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    All = 2,
    Read = 3,
    Write = 4,
    Create = 5,
    Delete = 6,
    Alter = 7,
    Describe = 8,
    ClusterAction = 9,
    DescribeConfigs = 10,
    AlterConfigs = 11,
    IdempotentWrite = 12,
}

/// The last operation there is in Kafka.
pub(crate) const OPERATION_LAST: i8 = 14;

/// What something is done to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Resource<'a> {
    Topic(&'a str),
    Group(&'a str),
    Cluster,
    Transaction(&'a str),
}

pub(crate) const TYPE_TOPIC: i8 = 2;
pub(crate) const TYPE_GROUP: i8 = 3;
pub(crate) const TYPE_CLUSTER: i8 = 4;
pub(crate) const TYPE_TRANSACTION: i8 = 5;
/// The last type of resource there is in Kafka.
pub(crate) const TYPE_LAST: i8 = 7;

impl Resource<'_> {
    fn kind(&self) -> i8 {
        match self {
            Resource::Topic(_) => TYPE_TOPIC,
            Resource::Group(_) => TYPE_GROUP,
            Resource::Cluster => TYPE_CLUSTER,
            Resource::Transaction(_) => TYPE_TRANSACTION,
        }
    }

    /// Returns what can be done to it.
    pub(crate) fn operations(&self) -> &'static [Operation] {
        use Operation::*;
        match self {
            Resource::Topic(_) => {
                &[Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs]
            }
            Resource::Group(_) => &[Read, Delete, Describe, DescribeConfigs, AlterConfigs],
            Resource::Cluster => {
                &[Create, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite]
            }
            Resource::Transaction(_) => &[Write, Describe],
        }
    }

    fn name(&self) -> &str {
        match self {
            Resource::Topic(name) | Resource::Group(name) | Resource::Transaction(name) => name,
            Resource::Cluster => CLUSTER_NAME,
        }
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    pub resource_type: i8,
    pub resource_name: String,
    pub pattern_type: i8,
    pub principal: String,
    pub host: String,
    pub operation: i8,
    pub permission: i8,
}

impl Rule {
    fn concerns(&self, resource: &Resource<'_>) -> bool {
        self.resource_type == resource.kind() && self.fits_name(resource.name())
    }

    fn fits_name(&self, name: &str) -> bool {
        match self.pattern_type {
            PATTERN_LITERAL => self.resource_name == name || self.resource_name == ANYTHING,
            PATTERN_PREFIXED => name.starts_with(&self.resource_name),
            _ => false,
        }
    }

    fn is_for(&self, principal: &str, host: &str) -> bool {
        (self.principal == principal || self.principal == EVERYBODY)
            && (self.host == host || self.host == ANYTHING || is_same_address(&self.host, host))
    }

    fn covers(&self, operation: Operation) -> bool {
        let same = self.operation == operation as i8 || self.operation == Operation::All as i8;
        // Who may do it may also see it.
        let implied = self.permission == ALLOW
            && match operation {
                Operation::Describe => {
                    [Operation::Read, Operation::Write, Operation::Delete, Operation::Alter]
                        .iter()
                        .any(|stronger| self.operation == *stronger as i8)
                }
                Operation::DescribeConfigs => self.operation == Operation::AlterConfigs as i8,
                _ => false,
            };
        same || implied
    }

    fn key(&self) -> Vec<u8> {
        let mut key = KEY_PREFIX.to_vec();
        for number in [self.resource_type, self.pattern_type, self.operation, self.permission] {
            key.push(number as u8);
        }
        for text in [&self.resource_name, &self.principal, &self.host] {
            key.extend_from_slice(text.as_bytes());
            key.push(0);
        }
        key
    }

    fn from_key(key: &[u8]) -> Option<Rule> {
        let rest = key.strip_prefix(KEY_PREFIX)?;
        let (numbers, texts) = rest.split_first_chunk::<4>()?;
        let mut texts = texts.split(|byte| *byte == 0).map(|text| String::from_utf8(text.to_vec()).ok());
        Some(Rule {
            resource_type: numbers[0] as i8,
            pattern_type: numbers[1] as i8,
            operation: numbers[2] as i8,
            permission: numbers[3] as i8,
            resource_name: texts.next()??,
            principal: texts.next()??,
            host: texts.next()??,
        })
    }
}

/// Which rules are meant; `ANY` and `None` are all.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub resource_type: i8,
    pub resource_name: Option<String>,
    pub pattern_type: i8,
    pub principal: Option<String>,
    pub host: Option<String>,
    pub operation: i8,
    pub permission: i8,
}

impl Filter {
    pub(crate) fn is_valid(&self) -> bool {
        (ANY..=TYPE_LAST).contains(&self.resource_type)
            && (ANY..=PATTERN_PREFIXED).contains(&self.pattern_type)
            && (ANY..=OPERATION_LAST).contains(&self.operation)
            && (ANY..=ALLOW).contains(&self.permission)
    }

    fn takes(&self, rule: &Rule) -> bool {
        let number = |wanted: i8, value: i8| wanted == ANY || wanted == value;
        let text = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|w| w == value);
        let name = match (self.pattern_type, &self.resource_name) {
            (_, None) => number(self.pattern_type, rule.pattern_type) || self.pattern_type == PATTERN_MATCH,
            (PATTERN_MATCH, Some(name)) => rule.fits_name(name),
            (pattern, Some(name)) => number(pattern, rule.pattern_type) && rule.resource_name == *name,
        };
        name && number(self.resource_type, rule.resource_type)
            && text(&self.principal, &rule.principal)
            && text(&self.host, &rule.host)
            && number(self.operation, rule.operation)
            && number(self.permission, rule.permission)
    }
}

/// All rules.
pub(crate) struct Rules {
    rules: RwLock<BTreeSet<Rule>>,
    /// Held for changes, so that store and memory agree.
    changing: Mutex<()>,
    version: AtomicU64,
    /// Without rules nothing must be looked up.
    is_empty: AtomicBool,
    super_users: Vec<String>,
    default: bool,
}

/// Why a rule is not taken.
#[derive(Debug)]
pub(crate) enum RuleError {
    Invalid(&'static str),
    Full,
    Log(LogError),
}

impl Rules {
    /// Brings back what was stored.
    pub(crate) fn open(store: &Store, super_users: &str, default: bool) -> Rules {
        let rules: BTreeSet<Rule> = store.keys().iter().filter_map(|key| Rule::from_key(key)).collect();
        Rules {
            is_empty: AtomicBool::new(rules.is_empty()),
            rules: RwLock::new(rules),
            changing: Mutex::new(()),
            version: AtomicU64::new(0),
            super_users: super_users.split(';').map(|user| user.trim().to_owned()).collect(),
            default,
        }
    }

    /// Says whether there is nothing to decide.
    pub(crate) fn allow_everything(&self) -> bool {
        self.default && self.is_empty.load(Ordering::Acquire)
    }

    /// Returns a number that is another one after every change.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Decides whether a principal may do something.
    pub(crate) fn allows(
        &self,
        principal: &str,
        host: &str,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool {
        if self.super_users.iter().any(|user| user == principal) {
            return true;
        }
        let rules = self.rules.read().expect("no holder panics");
        let (mut some, mut allowed) = (false, false);
        for rule in rules.iter().filter(|rule| rule.concerns(&resource)) {
            some = true;
            if rule.is_for(principal, host) && rule.covers(operation) {
                if rule.permission == DENY {
                    return false;
                }
                allowed = true;
            }
        }
        if some { allowed } else { self.default }
    }

    /// Decides whether a principal may do something to some resource of a type.
    pub(crate) fn allows_some_topic(&self, principal: &str, host: &str, operation: Operation) -> bool {
        let rules = self.rules.read().expect("no holder panics");
        self.default
            || rules.iter().any(|rule| {
                rule.resource_type == TYPE_TOPIC
                    && rule.permission == ALLOW
                    && rule.is_for(principal, host)
                    && rule.covers(operation)
            })
    }

    /// Returns the rules that a filter takes, by resource.
    pub(crate) fn find(&self, filter: &Filter) -> Vec<Rule> {
        self.rules
            .read()
            .expect("no holder panics")
            .iter()
            .filter(|rule| filter.takes(rule))
            .cloned()
            .collect()
    }

    /// Adds a rule; durable when it returns.
    pub(crate) fn add(&self, store: &Store, rule: Rule, now_ms: i64) -> Result<(), RuleError> {
        check(&rule).map_err(RuleError::Invalid)?;
        let _changing = self.changing.lock().expect("no holder panics");
        {
            let rules = self.rules.read().expect("no holder panics");
            if rules.contains(&rule) {
                return Ok(());
            }
            if rules.len() >= RULES_MAX {
                return Err(RuleError::Full);
            }
        }
        store.put(&[(rule.key(), Some(Vec::new()))], now_ms).map_err(RuleError::Log)?;
        self.rules.write().expect("no holder panics").insert(rule);
        self.is_empty.store(false, Ordering::Release);
        self.version.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Removes the rules that a filter takes and returns them; durable when it returns.
    pub(crate) fn remove(&self, store: &Store, filter: &Filter, now_ms: i64) -> Result<Vec<Rule>, LogError> {
        let _changing = self.changing.lock().expect("no holder panics");
        let gone = self.find(filter);
        if gone.is_empty() {
            return Ok(gone);
        }
        let removals: Vec<_> = gone.iter().map(|rule| (rule.key(), None)).collect();
        store.put(&removals, now_ms)?;
        let mut rules = self.rules.write().expect("no holder panics");
        rules.retain(|rule| !gone.contains(rule));
        self.is_empty.store(rules.is_empty(), Ordering::Release);
        self.version.fetch_add(1, Ordering::AcqRel);
        Ok(gone)
    }
}

fn check(rule: &Rule) -> Result<(), &'static str> {
    let texts = [&rule.resource_name, &rule.principal, &rule.host];
    if !(TYPE_TOPIC..=TYPE_LAST).contains(&rule.resource_type) {
        Err("unknown resource type")
    } else if !matches!(rule.pattern_type, PATTERN_LITERAL | PATTERN_PREFIXED) {
        Err("the pattern must be literal or prefixed")
    } else if !(Operation::All as i8..=OPERATION_LAST).contains(&rule.operation) {
        Err("unknown operation")
    } else if !matches!(rule.permission, DENY | ALLOW) {
        Err("the permission must be allow or deny")
    } else if texts.iter().any(|text| text.is_empty() || text.contains('\0')) {
        Err("resource, principal and host must be named")
    } else if !rule.principal.contains(':') {
        Err("the principal must have the form TYPE:NAME")
    } else if rule.resource_type == TYPE_CLUSTER && rule.resource_name != CLUSTER_NAME {
        Err("the only valid name for a CLUSTER is kafka-cluster")
    } else {
        Ok(())
    }
}

/// Decides whether a rule's host is a client's address written in another way, as IPv6 addresses can be.
fn is_same_address(host: &str, address: &str) -> bool {
    // Only these can: of a name or an IPv4 address nothing has to be read.
    let parsed = |text: &str| text.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    host.contains(':') && parsed(host).is_some_and(|host| parsed(address) == Some(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(list: &[(i8, &str, i8, &str, Operation, i8)], default: bool) -> Rules {
        let rules: BTreeSet<Rule> = list
            .iter()
            .map(|(resource_type, name, pattern_type, principal, operation, permission)| Rule {
                resource_type: *resource_type,
                resource_name: (*name).to_owned(),
                pattern_type: *pattern_type,
                principal: (*principal).to_owned(),
                host: "*".to_owned(),
                operation: *operation as i8,
                permission: *permission,
            })
            .collect();
        for rule in &rules {
            assert_eq!(Rule::from_key(&rule.key()).as_ref(), Some(rule));
        }
        Rules {
            is_empty: AtomicBool::new(rules.is_empty()),
            rules: RwLock::new(rules),
            changing: Mutex::new(()),
            version: AtomicU64::new(0),
            super_users: vec!["User:root".to_owned()],
            default,
        }
    }

    #[test]
    fn deny_wins_and_prefixes_reach_further() {
        let rules = rules(
            &[
                (TYPE_TOPIC, "zeek", PATTERN_PREFIXED, "User:a", Operation::Read, ALLOW),
                (TYPE_TOPIC, "zeek.secret", PATTERN_LITERAL, "User:*", Operation::All, DENY),
            ],
            true,
        );
        let may = |user: &str, operation, topic| rules.allows(user, "h", operation, Resource::Topic(topic));
        assert!(may("User:a", Operation::Read, "zeek.conn"));
        assert!(may("User:a", Operation::Describe, "zeek.conn"));
        assert!(!may("User:a", Operation::Write, "zeek.conn"));
        assert!(!may("User:b", Operation::Read, "zeek.conn"));
        assert!(!may("User:a", Operation::Read, "zeek.secret"));
        assert!(may("User:root", Operation::Read, "zeek.secret"));
        assert!(may("User:b", Operation::Write, "other"));
    }

    #[test]
    fn address_in_another_form_is_the_same() {
        for (host, address) in
            [("0:0:0:0:0:0:0:1", "::1"), ("::ffff:10.0.0.5", "10.0.0.5"), ("2001:DB8::5", "2001:db8::5")]
        {
            assert!(is_same_address(host, address), "{host}");
        }
        for (host, address) in [("::2", "::1"), ("10.0.0.6", "10.0.0.5"), ("a:b", "a:b")] {
            assert!(!is_same_address(host, address), "{host}");
        }
    }

    #[test]
    fn without_rules_the_default_decides() {
        for default in [true, false] {
            let rules = rules(&[], default);
            assert_eq!(rules.allows("User:a", "h", Operation::Read, Resource::Cluster), default);
        }
    }
}
