//! `tripline test`: scenario files.

use std::io::stdout;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use scenario::{Runner, ServerDoor, Ways};

use super::scenario_door::HttpDoor;

#[derive(clap::Args)]
pub struct Arguments {
    /// Scenario files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Ways to run them: one, many, restore, server.
    #[arg(long, value_name = "WAYS", default_value = "all")]
    ways: String,
}

impl Arguments {
    pub fn run(self) -> Result<ExitCode> {
        let ways = Ways::parse(&self.ways)
            .map_err(|name| anyhow!("there is no way {name:?}; there are one, many, restore, server, all"))?;
        let server: ServerDoor = Arc::new(|engine| HttpDoor::open(engine).map_err(|e| format!("{e:#}")));
        let summary =
            Runner { ways, server: Some(server), settings: vec![] }.run_files(&self.files, &mut stdout())?;
        Ok(if summary.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
