//! `tripline demo`: a server of its own, an attack on a small office, and what is found of it.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use connect::Story;
use serde_json::json;
use tokio::sync::mpsc;

use super::{client_runtime, server::Serving};
use crate::{
    demo::{Findings, Line, SCRIPTS, WATCHED, create_topics, feed, watch},
    http::{Client, Endpoint},
};

/// How long finding everything may take.
const FIND_TIMEOUT: Duration = Duration::from_secs(20);
/// The story begins at a multiple of this, so that it lies in one window of each size.
const ALIGN_MS: i64 = 300_000;
/// Rows waiting to be shown.
const ROWS_WAITING_MAX: usize = 1024;

#[derive(clap::Args)]
pub struct Arguments {
    /// Ends when everything was found; exit code 1 if something was not.
    #[arg(long)]
    once: bool,
    /// Which story is told.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keeps the data directory.
    #[arg(long)]
    keep: bool,
}

impl Arguments {
    pub fn run(self) -> Result<ExitCode> {
        let folder =
            tempfile::Builder::new().prefix("tripline-demo-").tempdir().context("cannot make a directory")?;
        let (data, folder): (PathBuf, _) = match self.keep {
            true => (folder.keep(), None),
            false => (folder.path().to_owned(), Some(folder)),
        };
        let settings = [("listeners", "http://127.0.0.1:0")];
        let settings =
            settings.map(|(name, value)| (name.to_owned(), value.to_owned(), "demo".to_owned())).to_vec();
        let serving = Serving::start(data.clone(), settings, None)?;
        let url = serving.url();
        println!("tripline demo: a minute in an office of twelve computers, told in four seconds ({url})\n");
        let runtime = client_runtime()?;
        let done = runtime.block_on(self.tell(&url));
        if self.keep {
            println!("data kept in {}", data.display());
        }
        // Queries first: nobody reads them any more.
        drop(runtime);
        serving.stop();
        drop(folder);
        done
    }

    async fn tell(&self, url: &str) -> Result<ExitCode> {
        let endpoint = Endpoint::parse(url)?;
        let mut client = Client::new(endpoint.clone());
        create_topics(&mut client).await?;
        for (name, text) in SCRIPTS {
            let body = json!({"ksql": text, "streamsProperties": {"auto.offset.reset": "earliest"}});
            client
                .post_json("/ksql", &body)
                .await?
                .checked()
                .await
                .with_context(|| format!("demo/{name}"))?
                .text()
                .await?;
        }
        let (tx, mut seen) = mpsc::channel(ROWS_WAITING_MAX);
        let (failed_tx, mut failed) = mpsc::channel(WATCHED.len());
        for (name, sql) in WATCHED {
            let (endpoint, tx, failed_tx) = (endpoint.clone(), tx.clone(), failed_tx.clone());
            tokio::spawn(async move {
                if let Err(error) = watch(endpoint, name, sql, tx).await {
                    let _ = failed_tx.send(error).await;
                }
            });
        }
        let start_ms = story_start_ms();
        let story = Story::starting_at(self.seed, start_ms);
        let expect = story.expectations().clone();
        let feeding = tokio::spawn(async move { feed(&mut client, story, start_ms).await });
        let mut feeding = Some(feeding);
        let mut findings = Findings::default();
        let mut timeout = std::pin::pin!(tokio::time::sleep(FIND_TIMEOUT));
        let is_coloured = io::stdout().is_terminal();
        let mut is_told = false;
        loop {
            tokio::select! {
                Some(row) = seen.recv() => {
                    for line in findings.take(&row, &expect) {
                        show(&line, is_coloured);
                    }
                }
                Some(error) = failed.recv() => return Err(error),
                fed = async { feeding.as_mut().expect("polled only while it is there").await }, if feeding.is_some() => {
                    feeding = None;
                    let records = fed.context("feeding ended unexpectedly")??;
                    println!("\n{records} records were written.");
                }
                () = &mut timeout, if !is_told => {
                    let missing = findings.missing(&expect);
                    println!("\nNot found in {} s:", FIND_TIMEOUT.as_secs());
                    missing.iter().for_each(|line| println!("  {line}"));
                    if self.once {
                        return Ok(ExitCode::FAILURE);
                    }
                    is_told = true;
                    invite(url);
                }
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted.context("cannot wait for Ctrl-C")?;
                    return Ok(ExitCode::SUCCESS);
                }
            }
            if !is_told && feeding.is_none() && findings.missing(&expect).is_empty() {
                println!("\nEverything hidden in the story was found.");
                if self.once {
                    return Ok(ExitCode::SUCCESS);
                }
                is_told = true;
                invite(url);
            }
        }
    }
}

/// Returns the newest five minutes that are over.
fn story_start_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    now_ms - now_ms % ALIGN_MS - ALIGN_MS
}

fn show(line: &Line, is_coloured: bool) {
    match line {
        Line::Event(text) => println!("  {text}"),
        Line::Alert(text) if is_coloured => println!("\x1b[1;31m! {text}\x1b[0m"),
        Line::Alert(text) => println!("! {text}"),
    }
}

fn invite(url: &str) {
    println!("\nThe server goes on at {url}. In another terminal:\n");
    println!("  tripline sql {url}");
    println!("  ksql> SHOW STREAMS;");
    println!("  ksql> PRINT 'conn' FROM BEGINNING LIMIT 3;");
    println!("  ksql> SET 'auto.offset.reset'='earliest';");
    println!(
        "  ksql> SELECT * FROM sysmon_join WHERE parent_process_path LIKE '%WINWORD.EXE' EMIT CHANGES;\n"
    );
    println!("Ctrl-C ends it.");
}
