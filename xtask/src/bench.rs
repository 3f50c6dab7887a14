//! Speed of the whole way, measured in this process: records in a topic, a query over them, results in a topic.
//!
//! Everything is on: validation, log, epochs, sync. One worker thread. Beside each case the same work is done by a
//! plain `serde_json` loop in memory. Rates are given twice: by the clock on the wall, and by the CPU time of the
//! worker's thread, which says what is possible when nobody else uses the machine.

mod baseline;
mod cases;
mod child;
mod latency;
mod limits;
mod load;
mod process;

use anyhow::{Context, Result, bail};

pub(crate) const USAGE: &str = "usage: cargo xtask bench [--filter NAME] [--records N] [--runs N]";

/// What is measured.
pub(crate) struct Options {
    /// Only cases with this in their name.
    filter: Option<String>,
    /// Records of a case.
    records: u64,
    /// Runs of a case, of which the best counts.
    runs: u32,
}

/// Runs the command.
pub(crate) fn run(mut args: impl Iterator<Item = String>) -> Result<()> {
    let mut options = Options { filter: None, records: 2_000_000, runs: 1 };
    while let Some(flag) = args.next() {
        let mut value = || args.next().with_context(|| format!("{flag} needs a value\n{USAGE}"));
        match flag.as_str() {
            "--filter" => options.filter = Some(value()?),
            "--records" => options.records = value()?.parse().context("--records takes a number")?,
            "--runs" => options.runs = value()?.parse().context("--runs takes a number")?,
            _ => bail!("unknown flag {flag}\n{USAGE}"),
        }
    }
    // The limits first: the cases leave memory behind.
    limits::run(&options)?;
    latency::run(&options)?;
    cases::run(&options)
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()))
    }
}
