//! `cargo xtask ci`: what the build server does, here. The steps are in `.ci/run` and nowhere else.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// Runs the named steps, or all.
pub fn run(steps: impl Iterator<Item = String>) -> Result<ExitCode> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/run");
    let status =
        Command::new("bash").arg(script).args(steps).status().with_context(|| format!("running {script}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
