//! The settings of a server from its command line: file, then `--set`, then the options.

use std::path::PathBuf;

use anyhow::{Result, bail};
use engine::Engine;
use kafka::KafkaConfig;
use server::{ServerConfig, Setting};

/// Where settings are given.
#[derive(clap::Args)]
pub struct Settings {
    /// File of settings: .properties as ksqlDB's, or .toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting; wins over the file.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where HTTP is answered, for example 127.0.0.1:8088.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where Kafka clients connect, repeatable; "none" for nowhere [default: 127.0.0.1:9092].
    #[arg(long, value_name = "ADDR")]
    kafka_listen: Vec<String>,
    /// Statements run at start; over HTTP there are then none.
    #[arg(long, value_name = "FILE")]
    queries_file: Option<PathBuf>,
}

impl Settings {
    /// Returns all settings that were given; an unknown name is an error.
    pub fn read(&self) -> Result<Vec<Setting>> {
        let mut settings = Vec::new();
        if let Some(file) = &self.config {
            settings.extend(server::read_settings(file)?);
        }
        for text in &self.set {
            settings.push(server::parse_override(text)?);
        }
        let mut push = |name: &str, value: String| {
            settings.push((name.to_owned(), value, "command line".to_owned()));
        };
        if let Some(address) = &self.listen {
            push("listeners", address.clone());
        }
        if !self.kafka_listen.is_empty() {
            push("kafka.listeners", self.kafka_listen.join(","));
        }
        if let Some(file) = &self.queries_file {
            push("ksql.queries.file", file.display().to_string());
        }
        for (name, value, origin) in &settings {
            if ServerConfig::SETTINGS.contains(&name.as_str()) || KafkaConfig::knows(name) {
                continue;
            }
            if let Err(error) = Engine::check_property(name, value) {
                bail!("{} ({origin})", error.render());
            }
        }
        ServerConfig::from_settings(&settings)?;
        KafkaConfig::from_settings(&settings)?;
        Ok(settings)
    }
}

/// Returns whether a setting is the engine's; what neither knows is, so that the engine tells.
pub fn is_engines(name: &str) -> bool {
    !KafkaConfig::knows(name) || Engine::knows_setting(name) && !KafkaConfig::is_own(name)
}
