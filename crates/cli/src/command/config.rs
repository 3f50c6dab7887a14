//! `tripline config`: the settings in force and where each was set.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::Result;
use engine::Engine;
use kafka::KafkaConfig;

use super::settings::{Settings, is_engines};
use crate::table::ListTable;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Leaves out what is at its default.
    #[arg(long)]
    changed: bool,
}

impl Arguments {
    pub fn run(self) -> Result<ExitCode> {
        let given = self.settings.read()?;
        let mut table = ListTable::new(["Setting", "Value", "From", "Meaning"]);
        let kafka = KafkaConfig::from_settings(&given)?;
        let engines: Vec<_> = given.into_iter().filter(|(name, ..)| is_engines(name)).collect();
        let in_force =
            Engine::describe_settings(&engines).map_err(|error| anyhow::anyhow!(error.render()))?;
        let mut shown = BTreeMap::new();
        for property in in_force {
            shown.insert(property.name.clone(), property.value.clone());
            if !self.changed || property.origin != "default" {
                table.row([&property.name, &property.value, &property.origin, property.description]);
            }
        }
        for (name, value, origin, description) in kafka.describe() {
            // One setting for both sides, which may have different defaults.
            let full = format!("kafka.{name}");
            let is_told = is_engines(&full) && shown.get(name).is_some_and(|told| told == value);
            if !is_told && (!self.changed || origin.is_some()) {
                table.row([&full, value, origin.unwrap_or("default"), description]);
            }
        }
        crate::stdout::print(&table.render())?;
        Ok(ExitCode::SUCCESS)
    }
}
