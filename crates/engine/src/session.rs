//! What one client has set: properties and variables.

use std::collections::BTreeMap;

/// Settings and variables of one client; sent with each request by stateless clients.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// SET: overrides by ksqlDB's or Kafka's names, with or without the prefix `ksql.streams.`.
    pub properties: BTreeMap<String, String>,
    /// DEFINE: `${name}` in statements.
    pub variables: BTreeMap<String, String>,
}
