//! `tripline sql`: the shell at a terminal, or statements from `-e`, `-f` or a pipe.

use std::{
    io::{self, BufWriter, IsTerminal, Read},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::client_runtime;
use crate::{
    http::Endpoint,
    shell::{Format, Interrupt, Output, QueryBounds, Shell, history_path, interact, read_script},
    terminal,
};

/// As ksqlDB's shell: −1.
const FAILED: u8 = 255;
/// Largest text read from a pipe.
const PIPE_BYTES_MAX: u64 = 64 << 20;

#[derive(clap::Args)]
pub struct Arguments {
    /// The server.
    #[arg(default_value = "http://localhost:8088", value_name = "URL")]
    server: String,
    /// Runs statements and ends.
    #[arg(short, long, value_name = "SQL", conflicts_with = "file")]
    execute: Option<String>,
    /// Runs the statements of a file and ends.
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
    /// Sets a variable, used as ${name}.
    #[arg(short, long, value_name = "NAME=VALUE")]
    define: Vec<String>,
    /// User for basic authentication.
    #[arg(short, long, requires = "password")]
    user: Option<String>,
    /// Its password.
    #[arg(short, long, requires = "user")]
    password: Option<String>,
    /// TABULAR or JSON.
    #[arg(long, default_value = "TABULAR", value_parser = |text: &str| text.parse::<Format>())]
    output: Format,
    /// Most rows a query shows.
    #[arg(long, value_name = "ROWS")]
    query_row_limit: Option<u64>,
    /// Longest time a query runs.
    #[arg(long, value_name = "MS")]
    query_timeout: Option<u64>,
    /// File of what was typed.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
}

impl Arguments {
    pub fn run(self) -> Result<ExitCode> {
        let mut endpoint = Endpoint::parse(&self.server)?;
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            endpoint = endpoint.with_login(user, password);
        }
        let mut output = Output::new(Box::new(BufWriter::new(io::stdout())), Box::new(io::stderr()));
        output.format = self.output;
        output.is_terminal = io::stdout().is_terminal();
        output.width = terminal::columns();
        let mut shell = Shell::new(endpoint, output, Interrupt::Keyboard);
        shell.bounds = QueryBounds {
            rows_max: self.query_row_limit,
            timeout: self.query_timeout.map(Duration::from_millis),
            ..QueryBounds::default()
        };
        for text in &self.define {
            let Some((name, value)) = text.split_once('=') else {
                bail!("variable {text:?} is not NAME=VALUE")
            };
            shell
                .session
                .variables
                .insert(name.trim().to_owned(), value.trim().trim_matches('\'').to_owned());
        }
        let runtime = client_runtime()?;
        let text = match (&self.execute, &self.file) {
            (Some(text), _) => text.clone(),
            (None, Some(file)) => read_script(file)?,
            (None, None) if io::stdin().is_terminal() => {
                interact(&mut shell, &runtime, self.history.or_else(history_path))?;
                shell.output.flush()?;
                return Ok(ExitCode::SUCCESS);
            }
            (None, None) => read_pipe()?,
        };
        let done = runtime.block_on(shell.run_text(&text));
        shell.output.flush()?;
        match done {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => {
                shell.output.error(&error)?;
                Ok(ExitCode::from(FAILED))
            }
        }
    }
}

fn read_pipe() -> Result<String> {
    let mut text = String::new();
    let read = io::stdin().take(PIPE_BYTES_MAX).read_to_string(&mut text);
    read.context("cannot read statements from standard input")?;
    Ok(text)
}
