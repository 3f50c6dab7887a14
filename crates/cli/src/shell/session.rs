//! What SET and DEFINE have set; it lives in the shell and is sent with every request.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

/// Settings and variables of one shell.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// SET: ksqlDB's `streamsProperties`.
    pub properties: BTreeMap<String, String>,
    /// DEFINE: `${name}` in statements.
    pub variables: BTreeMap<String, String>,
    /// How many scripts are running, one inside of the other.
    pub(super) script_depth: usize,
}

impl Session {
    /// Returns a request's body; the statement goes under `member`.
    pub fn request(&self, member: &str, statement: &str) -> Value {
        let properties = if member == "sql" { "properties" } else { "streamsProperties" };
        let mut text = statement.trim().to_owned();
        if !text.ends_with(';') {
            text.push(';');
        }
        json!({member: text, properties: self.properties, "sessionVariables": self.variables})
    }

    /// Returns a value with the variables in it replaced.
    pub fn substituted(&self, value: &str) -> Result<String> {
        if !value.contains("${") {
            return Ok(value.to_owned());
        }
        // As a text in quotes, so that a variable is replaced as it is in statements.
        let quoted = format!("'{}'", value.replace('\'', "''"));
        let replaced = sql::substitute(&quoted, &self.variables)
            .map_err(|error| anyhow::anyhow!(error.render(&quoted)))?;
        Ok(replaced[1..replaced.len() - 1].replace("''", "'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_carries_properties_and_variables() {
        let mut session = Session::default();
        session.properties.insert("auto.offset.reset".into(), "earliest".into());
        session.variables.insert("t".into(), "it's".into());
        assert_eq!(
            session.request("ksql", "SHOW TOPICS").to_string(),
            r#"{"ksql":"SHOW TOPICS;","streamsProperties":{"auto.offset.reset":"earliest"},"sessionVariables":{"t":"it's"}}"#
        );
        assert_eq!(session.request("sql", "SELECT 1")["properties"]["auto.offset.reset"], "earliest");
        assert_eq!(session.substituted("a ${t}").unwrap(), "a it's");
    }
}
