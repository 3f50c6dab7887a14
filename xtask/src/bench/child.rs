//! The real server as a process of its own, and just enough HTTP to speak with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::process::{peak_mb_of, rss_mb_of};

/// An answer that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program as released, built if need be.
pub(crate) fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let dir = own.parent().context("the program lies in no directory")?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let built = Command::new(cargo).args(["build", "--quiet", "--release", "--package", "cli"]).status()?;
    ensure!(built.success(), "tripline cannot be built");
    let program = dir.join("tripline");
    ensure!(program.is_file(), "{} is not there; run this as cargo xtask bench", program.display());
    Ok(program)
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts it on a data directory and returns when it listens.
    pub(crate) fn start(program: &Path, data: &Path, settings: &[&str]) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("server").arg("--data").arg(data).args([
            "--listen",
            "127.0.0.1:0",
            "--kafka-listen",
            "none",
        ]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let out = process.stdout.take().context("the server has no output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let mut server = Self { process, address: String::new() };
        let address =
            line.trim_end().rsplit_once("http://").context("the server did not say where it listens")?;
        server.address = address.1.to_owned();
        Ok(server)
    }

    /// Sends statements, or a query, and returns the whole answer.
    pub(crate) fn post(&self, path: &str, sql: &str) -> Result<String> {
        let body = serde_json::json!({
            "ksql": sql,
            "streamsProperties": { "auto.offset.reset": "earliest" },
        });
        let body = body.to_string();
        self.exchange(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    pub(crate) fn get(&self, path: &str) -> Result<String> {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    }

    fn exchange(&self, request: &str) -> Result<String> {
        let mut connection = TcpStream::connect(&self.address)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_nodelay(true)?;
        connection.write_all(request.as_bytes())?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        if !answer.starts_with("HTTP/1.1 200") {
            bail!("the server answered {answer}");
        }
        Ok(answer)
    }

    /// The sum of a metric over all its labels.
    pub(crate) fn metric(&self, name: &str) -> Result<u64> {
        let answer = self.get("/metrics")?;
        let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let values = answer.lines().filter(of_name).filter_map(|line| line.rsplit(' ').next());
        Ok(values.filter_map(|value| value.parse::<f64>().ok()).sum::<f64>() as u64)
    }

    /// Memory in use in MB.
    pub(crate) fn rss_mb(&self) -> f64 {
        rss_mb_of(self.process.id())
    }

    /// The most memory it ever had in use, in MB.
    pub(crate) fn peak_mb(&self) -> f64 {
        peak_mb_of(self.process.id())
    }

    /// Ends it as SIGTERM does, and waits.
    pub(crate) fn stop(mut self) -> Result<()> {
        Command::new("kill").arg(self.process.id().to_string()).status()?;
        self.process.wait()?;
        Ok(())
    }

    /// Ends it at once.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already where it was stopped.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
