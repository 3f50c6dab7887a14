//! Where the shell prints: the screen, and the spool file with the same text.

use std::{
    fs::File,
    io::{BufWriter, Write},
    str::FromStr,
};

use anyhow::{Context, Result};
use serde_json::json;

use crate::{
    entity,
    http::ServerError,
    terminal::{WIDTH_DEFAULT, neutralise_lines},
};

/// How results are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As tables.
    #[default]
    Tabular,
    /// As JSON.
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_uppercase().as_str() {
            "TABULAR" => Ok(Self::Tabular),
            "JSON" => Ok(Self::Json),
            _ => Err(format!("output format is TABULAR or JSON, not {text:?}")),
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tabular => "TABULAR",
            Self::Json => "JSON",
        })
    }
}

/// The shell's output and how it is laid out.
pub struct Output {
    out: Box<dyn Write>,
    errors: Box<dyn Write>,
    spool: Option<BufWriter<File>>,
    /// TABULAR or JSON.
    pub format: Format,
    /// Whether long cells go on in the next line.
    pub is_wrapped: bool,
    /// Width of every column; 0 shares the terminal's out.
    pub column_width: usize,
    /// Width of the terminal.
    pub width: usize,
    /// Whether `out` is a terminal.
    pub is_terminal: bool,
}

impl Output {
    /// Takes where results and errors go.
    pub fn new(out: Box<dyn Write>, errors: Box<dyn Write>) -> Self {
        Self {
            out,
            errors,
            spool: None,
            format: Format::Tabular,
            is_wrapped: true,
            column_width: 0,
            width: WIDTH_DEFAULT,
            is_terminal: false,
        }
    }

    /// Prints text that is already neutralised.
    pub fn print(&mut self, text: &str) -> Result<()> {
        self.out.write_all(text.as_bytes()).context("cannot print")?;
        if let Some(spool) = &mut self.spool {
            spool.write_all(text.as_bytes()).context("cannot write to the spool file")?;
        }
        Ok(())
    }

    /// Prints text that may hold anything.
    pub fn say(&mut self, text: &str) -> Result<()> {
        self.print(&neutralise_lines(text))
    }

    /// Makes visible what was printed.
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush().context("cannot print")?;
        if let Some(spool) = &mut self.spool {
            spool.flush().context("cannot write to the spool file")?;
        }
        Ok(())
    }

    /// Notes a typed line in the spool file; on the screen it is already.
    pub fn echo(&mut self, prompt: &str, line: &str) -> Result<()> {
        if let Some(spool) = &mut self.spool {
            writeln!(spool, "{prompt}{}", neutralise_lines(line))
                .context("cannot write to the spool file")?;
        }
        Ok(())
    }

    /// Prints an error with its causes.
    pub fn error(&mut self, error: &anyhow::Error) -> Result<()> {
        let text = match (self.format, error.downcast_ref::<ServerError>()) {
            (Format::Json, Some(told)) => entity::json(
                &json!({"@type": "statement_error", "error_code": told.code, "message": told.message}),
            ),
            _ => format!("{}\n", neutralise_lines(&format!("{error:#}"))),
        };
        self.out.flush().context("cannot print")?;
        self.errors.write_all(text.as_bytes()).and_then(|()| self.errors.flush()).context("cannot print")?;
        if let Some(spool) = &mut self.spool {
            spool.write_all(text.as_bytes()).context("cannot write to the spool file")?;
        }
        Ok(())
    }

    /// Empties the screen.
    pub fn clear(&mut self) -> Result<()> {
        if self.is_terminal {
            self.out.write_all(b"\x1b[2J\x1b[H").context("cannot print")?;
        }
        Ok(())
    }

    /// Starts to write everything into a file as well.
    pub fn start_spool(&mut self, file: &str) -> Result<()> {
        let opened = File::options().create(true).append(true).open(file);
        self.spool =
            Some(BufWriter::new(opened.with_context(|| format!("cannot open spool file {file:?}"))?));
        Ok(())
    }

    /// Ends that; false if there was none.
    pub fn end_spool(&mut self) -> Result<bool> {
        match self.spool.take() {
            Some(mut spool) => spool.flush().context("cannot write to the spool file").map(|()| true),
            None => Ok(false),
        }
    }
}
