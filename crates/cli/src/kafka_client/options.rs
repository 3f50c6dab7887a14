//! Where a server is and how to log in there, from the command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{
    KafkaClient,
    properties::{Key, Properties},
    security::Security,
};

const SERVER_DEFAULT: &str = "localhost:9092";
/// The password where neither the command line nor a file has one.
const PASSWORD_VARIABLE: &str = "TRIPLINE_KAFKA_PASSWORD";

/// Options of commands that speak Kafka's protocol.
#[derive(Args)]
#[command(next_help_heading = "Connection")]
pub struct Options {
    /// Where the server listens for Kafka clients [default: localhost:9092].
    #[arg(long, alias = "brokers", value_name = "HOST:PORT", global = true)]
    bootstrap_server: Option<String>,
    /// File of properties, as of kcat or of Kafka's tools: TLS, user, password.
    #[arg(short = 'F', long, value_name = "FILE", global = true)]
    command_config: Option<PathBuf>,
    /// One property, wins over the file: security.protocol=SSL, ssl.ca.location=ca.pem, ...
    #[arg(short = 'X', long, value_name = "NAME=VALUE", global = true)]
    command_property: Vec<String>,
    /// User, where clients log in; without security.protocol in the clear, with PLAIN.
    #[arg(long, global = true)]
    user: Option<String>,
    /// Its password; others may see it here. Environment: TRIPLINE_KAFKA_PASSWORD.
    #[arg(long, global = true)]
    password: Option<String>,
}

impl Options {
    /// Connects, and logs in where that is wanted.
    pub fn connect(self) -> Result<KafkaClient> {
        let environment = std::env::var(PASSWORD_VARIABLE).ok();
        let properties = self.properties()?;
        let addresses = match &self.bootstrap_server {
            Some(addresses) => addresses,
            None => properties.get(Key::Servers).unwrap_or(SERVER_DEFAULT),
        };
        KafkaClient::connect(addresses, &Security::of(&properties, environment)?)
    }

    fn properties(&self) -> Result<Properties> {
        let mut properties = Properties::default();
        if let Some(path) = &self.command_config {
            properties.take_file(path)?;
        }
        for text in &self.command_property {
            properties.take_override(text)?;
        }
        if let Some(user) = &self.user {
            properties.take_override(&format!("sasl.username={user}"))?;
            if properties.get(Key::Protocol).is_none() && properties.one_of_tls().is_none() {
                properties.take_override("security.protocol=SASL_PLAINTEXT")?;
            }
        }
        if let Some(password) = &self.password {
            properties.take_override(&format!("sasl.password={password}"))?;
        }
        Ok(properties)
    }
}
