//! The same work as a plain `serde_json` loop, for comparison.
//!
//! It is a program of its own (`xtask/baseline`): in this one `serde_json` has features that make it several times slower.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::load::Lines;

/// What the loop does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// Filters and writes 17 columns.
    Inbound,
    /// Counts by source and window and writes each new count.
    Count,
    /// Filters nested events and writes three columns.
    SocPrime,
}

/// Returns records per CPU second.
pub(crate) fn measure(work: Work, lines: Lines, records: u64) -> Result<f64> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("lines");
    let mut out = BufWriter::new(File::create(&file)?);
    lines.for_each(records, |time, line| {
        write!(out, "{time}\t")?;
        out.write_all(line)?;
        Ok(out.write_all(b"\n")?)
    })?;
    out.flush()?;
    let name = match work {
        Work::Inbound => "inbound",
        Work::Count => "count",
        Work::SocPrime => "soc-prime",
    };
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline/Cargo.toml");
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--release", "--manifest-path", manifest, "--", name])
        .arg(&file)
        .stderr(Stdio::inherit())
        .output()
        .context("running the comparison")?;
    ensure!(output.status.success(), "the comparison failed");
    String::from_utf8_lossy(&output.stdout).trim().parse().context("reading the comparison's figure")
}
