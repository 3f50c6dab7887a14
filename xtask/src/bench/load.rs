//! Generated records into topics, and waiting for what queries make of them.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use connect::generate;
use engine::{Engine, EngineConfig, Session};

/// About so many bytes are appended at a time.
const APPEND_BYTES: usize = 256 << 10;

/// A query that makes no progress for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Kinds of generated lines.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lines {
    /// Zeek conn; so many percent inbound, so many sources.
    Conn { inbound_percent: u64, sources: u64 },
    /// Zeek conn, 15 % inbound, of which one in so many is cut in the middle.
    DamagedConn { one_in: u64 },
    /// Zeek dns.
    Dns,
    /// Winlogbeat.
    Winlogbeat,
}

const SEED: u64 = 7;

impl Lines {
    /// Gives the lines with their times one after the other.
    pub(crate) fn for_each(self, count: u64, mut take: impl FnMut(i64, &[u8]) -> Result<()>) -> Result<()> {
        let mut line = Vec::new();
        let mut give = |write: &mut dyn FnMut(&mut Vec<u8>) -> Option<i64>| -> Result<()> {
            loop {
                line.clear();
                let Some(time) = write(&mut line) else { return Ok(()) };
                take(time, &line)?;
            }
        };
        match self {
            Lines::Conn { inbound_percent, sources } => {
                let lines = generate::conn_lines(SEED, count);
                let mut lines = lines.with_inbound_percent(inbound_percent).with_sources(sources);
                give(&mut |out| lines.write_next(out))
            }
            Lines::DamagedConn { one_in } => {
                let mut lines =
                    generate::conn_lines(SEED, count).with_inbound_percent(15).with_sources(10_000);
                let mut n = 0;
                give(&mut |out| {
                    let time = lines.write_next(out)?;
                    n += 1;
                    if n % one_in == 0 {
                        out.truncate(out.len() / 2);
                    }
                    Some(time)
                })
            }
            Lines::Dns => {
                let mut lines = generate::dns_lines(SEED, count);
                give(&mut |out| lines.write_next(out))
            }
            Lines::Winlogbeat => {
                let mut lines = generate::winlogbeat_lines(SEED, count);
                give(&mut |out| lines.write_next(out))
            }
        }
    }
}

/// Opens an engine with one worker.
pub(crate) fn open(dir: &std::path::Path, settings: &[(&str, &str)]) -> Result<Engine> {
    let own = [("num.stream.threads", "1"), ("log.retention.ms", "-1"), ("num.partitions", "1")];
    let properties = own
        .iter()
        .chain(settings)
        .map(|(name, value)| ((*name).into(), (*value).into(), "bench".into()))
        .collect();
    Ok(Engine::open(EngineConfig { data_dir: dir.to_owned(), properties })?)
}

/// Writes lines to a topic; returns how many bytes they have.
pub(crate) fn fill(engine: &Engine, topic: &str, lines: Lines, count: u64) -> Result<u64> {
    let (mut records, mut pending, mut bytes) = (Vec::new(), 0, 0);
    lines.for_each(count, |time, line| {
        pending += line.len();
        bytes += line.len() as u64;
        records.push((Some(time), None, Some(line.to_vec())));
        if pending >= APPEND_BYTES {
            engine.produce(topic, Some(0), &records)?;
            records.clear();
            pending = 0;
        }
        Ok(())
    })?;
    engine.produce(topic, Some(0), &records)?;
    Ok(bytes)
}

/// Executes statements; new queries read from the beginning.
pub(crate) fn execute(engine: &Engine, sql: &str) -> Result<()> {
    let mut session = earliest();
    if let Err(error) = engine.execute(sql, &mut session, &mut Vec::new()) {
        bail!("{}", error.render());
    }
    Ok(())
}

/// A session whose queries read from the beginning.
pub(crate) fn earliest() -> Session {
    let mut session = Session::default();
    session.properties.insert("auto.offset.reset".into(), "earliest".into());
    session
}

/// The sum of a metric over all its labels.
pub(crate) fn metric(engine: &Engine, name: &str) -> u64 {
    engine.metrics().iter().filter(|m| m.name == name).map(|m| m.value as u64).sum()
}

/// Waits until all queries together have committed so many records.
pub(crate) fn wait_committed(engine: &Engine, records: u64) -> Result<()> {
    let mut last = (0, Instant::now());
    loop {
        let committed = metric(engine, "tripline_query_records_committed_total");
        if committed >= records {
            return Ok(());
        }
        if committed != last.0 {
            last = (committed, Instant::now());
        }
        if last.1.elapsed() > PATIENCE {
            bail!("queries stand still at {committed} of {records} records");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
