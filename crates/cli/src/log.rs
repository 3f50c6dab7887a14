//! The program's own log: to standard error, one line an event, values neutralised.

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::terminal::neutralise_lines;

/// Turns logging on; `level` wins over `TRIPLINE_LOG`, which wins over `info`.
pub fn start(level: Option<&str>, default: &str) -> Result<()> {
    let set = std::env::var("TRIPLINE_LOG").ok().filter(|level| !level.trim().is_empty());
    let level = level.map(str::to_owned).or(set).unwrap_or_else(|| default.to_owned());
    let filter =
        EnvFilter::try_new(&level).with_context(|| format!("log level {level:?} is not understood"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_target(io::stderr().is_terminal())
        .with_writer(Neutral)
        .try_init()
        .map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

/// Makes writers that neutralise.
struct Neutral;

/// Writes one event.
struct NeutralLine;

impl<'a> MakeWriter<'a> for Neutral {
    type Writer = NeutralLine;

    fn make_writer(&'a self) -> NeutralLine {
        NeutralLine
    }
}

impl Write for NeutralLine {
    /// The subscriber hands over an event as a whole, which ends with the only line feed that is its own.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(line(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn line(text: &str) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    format!("{}\n", neutralise_lines(text).replace('\n', "\\x0a"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn event_stays_on_its_line() {
        assert_eq!(super::line("topic=\x1b[2J\nERROR faked\n"), "topic=\\x1b[2J\\x0aERROR faked\n");
    }
}
