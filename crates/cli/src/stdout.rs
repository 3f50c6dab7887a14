//! Writing what a command says to its standard output. When a pipe's reader has gone (`| head`), nobody wants the rest:
//! the command ends without a word.

use std::io::{self, ErrorKind, Write};

use anyhow::{Error, Result};

/// The reader of the output has gone.
#[derive(Debug)]
pub struct ReaderGone;

impl std::fmt::Display for ReaderGone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nobody reads the output")
    }
}

impl std::error::Error for ReaderGone {}

/// Writes a text.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(failed)
}

/// Says that the output was not written.
pub fn failed(error: io::Error) -> Error {
    if error.kind() == ErrorKind::BrokenPipe {
        return Error::new(ReaderGone);
    }
    Error::new(error).context("cannot print")
}
