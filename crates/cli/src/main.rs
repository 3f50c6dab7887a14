//! `tripline`: one program for the log, the SQL on it, and what an analyst types.

mod command;
mod demo;
mod entity;
mod http;
mod json_text;
mod kafka_client;
mod log;
mod record_format;
mod replay;
mod shell;
mod stdout;
mod table;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let line = command::CommandLine::parse();
    match line.run() {
        Ok(code) => code,
        Err(error) if error.is::<stdout::ReaderGone>() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tripline: {}", terminal::neutralise_lines(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}
