//! The commands of `tripline`. One command, one file.

mod config;
mod demo;
#[cfg(test)]
mod documented;
mod group;
mod replay;
mod scenario_door;
mod server;
mod settings;
mod sql;
mod test;
mod topic;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

/// Security events in, answers out: a durable log and continuous SQL in one program.
#[derive(Parser)]
#[command(name = "tripline", version, propagate_version = true)]
pub struct CommandLine {
    /// Log level: error, warn, info, debug, trace, or per module (environment: TRIPLINE_LOG).
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server: the log, the queries on it, and HTTP.
    Server(server::Arguments),
    /// Shows the settings that would be in force, and where each was set.
    Config(config::Arguments),
    /// Opens the SQL shell, or runs statements.
    Sql(sql::Arguments),
    /// Sends the events of files to a topic.
    Replay(replay::Arguments),
    /// Lists, describes, creates, changes, deletes, writes and reads topics.
    Topic(topic::Arguments),
    /// Lists, describes, moves and deletes consumer groups.
    Group(group::Arguments),
    /// Shows what Tripline does with an attack on a small office, in ten seconds.
    Demo(demo::Arguments),
    /// Runs scenario files.
    Test(test::Arguments),
}

impl CommandLine {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        let level = if matches!(self.command, Command::Server(_)) { "info" } else { "warn" };
        crate::log::start(self.log.as_deref(), level)?;
        match self.command {
            Command::Server(arguments) => arguments.run(),
            Command::Config(arguments) => arguments.run(),
            Command::Sql(arguments) => arguments.run(),
            Command::Replay(arguments) => arguments.run(),
            Command::Topic(arguments) => arguments.run(),
            Command::Group(arguments) => arguments.run(),
            Command::Demo(arguments) => arguments.run(),
            Command::Test(arguments) => arguments.run(),
        }
    }
}

/// Makes the runtime of a client.
fn client_runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        super::CommandLine::command().debug_assert();
    }
}
