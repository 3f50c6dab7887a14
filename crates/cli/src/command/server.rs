//! `tripline server`: the engine, its HTTP side and its Kafka side, until SIGINT or SIGTERM.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use engine::{Engine, EngineConfig};
use kafka::{Clock, KafkaConfig, KafkaServer};
use server::{Running, Server, ServerConfig, Setting};
use tokio::signal::unix::{SignalKind, signal};

use super::client_runtime;
use super::settings::{Settings, is_engines};

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
        let (mut interrupt, mut terminate, mut hang_up) = runtime.block_on(async {
            let of = |kind: SignalKind| signal(kind);
            anyhow::Ok((
                of(SignalKind::interrupt())?,
                of(SignalKind::terminate())?,
                of(SignalKind::hangup())?,
            ))
        })?;
        let kafka = KafkaConfig::from_settings(&settings)?;
        let serving = Serving::start(self.data, settings, Some(kafka))?;
        for address in &serving.running.addresses {
            println!("tripline: listening on http://{address}");
        }
        for address in serving.kafka.iter().flat_map(|kafka| &kafka.addresses) {
            println!("tripline: listening for Kafka clients on {address}");
        }
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => break tracing::info!("interrupted, stopping"),
                    _ = terminate.recv() => break tracing::info!("told to end, stopping"),
                    _ = hang_up.recv() => {
                        if let Some(kafka) = &serving.kafka {
                            kafka.reload_certificates();
                        }
                    }
                }
            }
        });
        serving.stop();
        Ok(ExitCode::SUCCESS)
    }
}

/// What the engine does not let Kafka clients take away or write.
struct Held(Engine);

impl kafka::Owner for Held {
    fn holds_topic(&self, topic: &str) -> Option<String> {
        self.0.holds_topic(topic)
    }

    fn holds_group(&self, group: &str) -> Option<String> {
        self.0.holds_group(group)
    }

    fn reserves_topic(&self, topic: &str) -> bool {
        self.0.reserves_topic(topic)
    }

    fn reserves_group(&self, group: &str) -> bool {
        self.0.reserves_group(group)
    }

    fn reserves_transaction(&self, transactional_id: &str) -> bool {
        self.0.reserves_transaction(transactional_id)
    }
}

/// An engine, its HTTP side and, if wanted, its Kafka side.
pub struct Serving {
    engine: Engine,
    running: Running,
    kafka: Option<kafka::Running>,
}

impl Serving {
    /// Starts all of it.
    pub fn start(data_dir: PathBuf, settings: Vec<Setting>, kafka: Option<KafkaConfig>) -> Result<Self> {
        let config = ServerConfig::from_settings(&settings)?;
        let shown = data_dir.display().to_string();
        std::fs::create_dir_all(&data_dir)
            .with_context(|| format!("cannot make data directory {shown:?}"))?;
        let properties = settings.into_iter().filter(|(name, ..)| is_engines(name)).collect();
        let engine = Engine::open(EngineConfig { data_dir, properties })
            .map_err(|error| anyhow::anyhow!(error.render()))
            .with_context(|| format!("cannot open data directory {shown:?}"))?;
        let started =
            Server::start(engine.clone(), config).map_err(anyhow::Error::from).and_then(|running| {
                let listening = kafka.filter(|kafka| !kafka.listeners.is_empty());
                let kafka = listening.map(|config| {
                    KafkaServer::start(engine.log(), config, Clock::System, Held(engine.clone()))
                });
                Ok((running, kafka.transpose()?))
            });
        match started {
            Ok((running, kafka)) => Ok(Self { engine, running, kafka }),
            Err(error) => {
                engine.close();
                Err(error)
            }
        }
    }

    /// Returns the first address as a URL.
    pub fn url(&self) -> String {
        self.running.addresses.first().map_or_else(String::new, |address| format!("http://{address}"))
    }

    /// Stops all of it, in 5 s at most.
    pub fn stop(self) {
        let (done_tx, done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            if let Some(kafka) = self.kafka {
                kafka.shutdown();
            }
            self.running.shutdown();
            self.engine.close();
            let _ = done_tx.send(());
        });
        if done.recv_timeout(STOP_TIMEOUT).is_err() {
            tracing::warn!("not everything ended in time");
        }
    }
}
