//! `tripline test`: scenario files.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};

#[derive(clap::Args)]
pub struct Arguments {
    /// Scenario files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl Arguments {
    pub fn run(self) -> Result<ExitCode> {
        bail!("cannot run {} scenario files: the scenario runner comes with the engine", self.files.len())
    }
}
