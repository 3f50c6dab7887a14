//! Files run one after the other, and what became of them as text.

use std::io::{self, Write};
use std::path::Path;

use crate::bytes::neutral;
use crate::door::ServerDoor;
use crate::file::Scenario;
use crate::run;
use crate::way::{Way, Ways};

/// What became of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files that passed in all ways asked for.
    pub passed: usize,
    /// Files that failed in some way, or cannot be read.
    pub failed: usize,
    /// Whether the way through a server was left out, as there is no server.
    pub without_server: bool,
}

/// Runs scenario files.
#[derive(Clone)]
pub struct Runner {
    /// The ways to run them.
    pub ways: Ways,
    /// Puts a server before an engine, for [`Way::Server`].
    pub server: Option<ServerDoor>,
    /// Settings of all runs, where a file does not say otherwise.
    pub settings: Vec<(&'static str, String)>,
}

impl Runner {
    /// Runs files and writes a line for each, the differences, and `N passed, N failed` at the end. The error
    /// is that of `out`.
    pub fn run_files<P: AsRef<Path>>(&self, paths: &[P], out: &mut dyn Write) -> io::Result<Summary> {
        let mut summary = Summary::default();
        for path in paths {
            self.one_file(path.as_ref(), &mut summary, out)?;
        }
        if summary.without_server {
            writeln!(out, "way \"server\" skipped: no server")?;
        }
        writeln!(out, "{} passed, {} failed", summary.passed, summary.failed)?;
        Ok(summary)
    }

    fn one_file(&self, path: &Path, summary: &mut Summary, out: &mut dyn Write) -> io::Result<()> {
        let name = neutral(&path.display().to_string());
        let read = std::fs::read_to_string(path);
        let parsed = read.map_err(|e| format!("{name}: {e}")).and_then(|text| {
            Scenario::parse(&text).map_err(|e| format!("{name}:{}: {}", e.line, neutral(&e.message)))
        });
        let scenario = match parsed {
            Ok(scenario) => scenario,
            Err(message) => {
                summary.failed += 1;
                return writeln!(out, "FAIL  {message}");
            }
        };
        let mut passed = Vec::new();
        let mut has_failed = false;
        for way in Way::ALL {
            if !self.ways.and(scenario.ways).has(way) {
                continue;
            }
            if way == Way::Server && self.server.is_none() {
                summary.without_server = true;
                continue;
            }
            match run::run(&scenario, way, self.server.as_ref(), &self.settings) {
                Ok(()) => passed.push(way.name()),
                Err(failure) => {
                    has_failed = true;
                    writeln!(out, "FAIL  {name}:{} (way {}): {}", failure.line, way.name(), failure.message)?;
                }
            }
        }
        if has_failed {
            summary.failed += 1;
            return Ok(());
        }
        summary.passed += 1;
        writeln!(out, "ok    {name} ({})", passed.join(", "))
    }
}

/// Runs one file without a server, as [`Runner::run_files`] does.
pub fn run_file(path: &Path, ways: Ways, out: &mut dyn Write) -> io::Result<Summary> {
    Runner { ways, server: None, settings: vec![] }.run_files(&[path], out)
}
