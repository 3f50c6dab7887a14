//! `tripline server`: the engine and its HTTP side, until SIGINT or SIGTERM.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use engine::{Engine, EngineConfig};
use server::{Running, Server, ServerConfig, Setting};
use tokio::signal::unix::{SignalKind, signal};

use super::{client_runtime, settings::Settings};

/// How long stopping may take before the process ends anyway; what was acknowledged is on disk.
const STOP_TIMEOUT: Duration = Duration::from_millis(4500);

#[derive(clap::Args)]
pub struct Arguments {
    /// Directory of the log, the state and the statements; made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "tripline-data")]
    data: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

impl Arguments {
    pub fn run(self) -> Result<ExitCode> {
        let settings = self.settings.read()?;
        let runtime = client_runtime()?;
        // Taken before anything is started: a signal in between is not lost.
        let (mut interrupt, mut terminate) = runtime.block_on(async {
            anyhow::Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
        })?;
        let serving = Serving::start(self.data, settings)?;
        for address in &serving.running.addresses {
            println!("tripline: listening on http://{address}");
        }
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => tracing::info!("interrupted, stopping"),
                _ = terminate.recv() => tracing::info!("told to end, stopping"),
            }
        });
        serving.stop();
        Ok(ExitCode::SUCCESS)
    }
}

/// An engine and its HTTP side.
pub struct Serving {
    engine: Engine,
    running: Running,
}

impl Serving {
    /// Starts both.
    pub fn start(data_dir: PathBuf, settings: Vec<Setting>) -> Result<Self> {
        let config = ServerConfig::from_settings(&settings)?;
        let shown = data_dir.display().to_string();
        std::fs::create_dir_all(&data_dir)
            .with_context(|| format!("cannot make data directory {shown:?}"))?;
        let engine = Engine::open(EngineConfig { data_dir, properties: settings })
            .map_err(|error| anyhow::anyhow!(error.render()))
            .with_context(|| format!("cannot open data directory {shown:?}"))?;
        match Server::start(engine.clone(), config) {
            Ok(running) => Ok(Self { engine, running }),
            Err(error) => {
                engine.close();
                Err(error.into())
            }
        }
    }

    /// Returns the first address as a URL.
    pub fn url(&self) -> String {
        self.running.addresses.first().map_or_else(String::new, |address| format!("http://{address}"))
    }

    /// Stops both, in 5 s at most.
    pub fn stop(self) {
        let (done_tx, done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            self.running.shutdown();
            self.engine.close();
            let _ = done_tx.send(());
        });
        if done.recv_timeout(STOP_TIMEOUT).is_err() {
            tracing::warn!("not everything ended in time");
        }
    }
}
