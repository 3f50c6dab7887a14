//! Times and sizes that are to stay below a bound: start, idle memory, large state, restart, latency.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use engine::{Engine, RowEvent};

use super::Options;
use super::load::{earliest, execute, metric, open, wait_committed};
use super::process::rss_mb;

/// Runs the ones wanted.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.wants("cold start") {
        cold_start()?;
    }
    if options.wants("latency") {
        latency()?;
    }
    if options.wants("large state") {
        large_state(10_000_000)?;
    }
    Ok(())
}

fn cold_start() -> Result<()> {
    let before_mb = rss_mb();
    let dir = tempfile::tempdir()?;
    let start = Instant::now();
    let engine = open(dir.path(), &[])?;
    execute(&engine, "CREATE STREAM s (a INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")?;
    engine.produce("s", None, &[(None, None, Some(b"{\"a\":1}".to_vec()))])?;
    first_row(&engine, "SELECT * FROM s EMIT CHANGES LIMIT 1;")?;
    println!("cold start to the first row    {:>8.0} ms   asked < 200 ms", millis(start.elapsed()));
    std::thread::sleep(Duration::from_millis(1500));
    println!(
        "cold start idle memory         {:>8.0} MB   asked < 40 MB (before the start {before_mb:.0} MB)",
        rss_mb()
    );
    engine.close();
    Ok(())
}

fn first_row(engine: &Engine, sql: &str) -> Result<()> {
    let mut query = engine.query(sql, &earliest())?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        match query.rows.next(Duration::from_millis(100)) {
            Some(RowEvent::Rows(_)) => return Ok(()),
            Some(RowEvent::Failed(error)) => bail!("{error}"),
            _ => {}
        }
    }
    bail!("no row came")
}

/// Records written at a steady pace, each with its time in it; how old it is when its row arrives.
fn latency() -> Result<()> {
    const RATE: u64 = 100_000;
    const SECONDS: u64 = 5;
    let dir = tempfile::tempdir()?;
    let engine = open(dir.path(), &[])?;
    execute(
        &engine,
        "CREATE STREAM s (sent BIGINT, n BIGINT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);",
    )?;
    let mut query = engine.query("SELECT sent FROM s EMIT CHANGES;", &earliest())?;
    let start = Instant::now();
    let mut latencies: Vec<i64> = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        let sender = scope.spawn(|| -> Result<()> {
            let per_turn = RATE / 500;
            for turn in 0..SECONDS * 500 {
                let due = start + Duration::from_millis(2 * turn);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let sent = start.elapsed().as_micros();
                let records: Vec<_> = (0..per_turn)
                    .map(|n| (None, None, Some(format!("{{\"sent\":{sent},\"n\":{n}}}").into_bytes())))
                    .collect();
                engine.produce("s", Some(0), &records)?;
            }
            Ok(())
        });
        while latencies.len() < (RATE * SECONDS) as usize && start.elapsed() < Duration::from_secs(60) {
            if let Some(RowEvent::Rows(rows)) = query.rows.next(Duration::from_millis(100)) {
                let now = start.elapsed().as_micros() as i64;
                latencies.extend(rows.iter().filter_map(|row| row.values[0].as_i64()).map(|sent| now - sent));
            }
        }
        sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))?
    })?;
    latencies.sort_unstable();
    let at = |share: f64| {
        latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or(0) as f64 / 1e3
    };
    println!(
        "push-query latency at 100 k/s  p50 {:.1} ms  p99 {:.1} ms  max {:.1} ms   asked p99 < 20 ms ({} rows)",
        at(0.5),
        at(0.99),
        at(0.999_999),
        latencies.len()
    );
    engine.close();
    Ok(())
}

/// A windowed count of so many different keys, and a restart with it.
fn large_state(keys: u64) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let engine = open(dir.path(), &[])?;
    execute(
        &engine,
        "CREATE STREAM s (host STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);
         CREATE TABLE t AS SELECT host, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 1 DAY) GROUP BY host;",
    )?;
    let start = Instant::now();
    let mut records = Vec::new();
    for key in 0..keys {
        let line = format!("{{\"host\":\"host-{key:08}\"}}");
        records.push((Some(1_600_000_000_000), None, Some(line.into_bytes())));
        if records.len() == 8192 {
            engine.produce("s", Some(0), &records)?;
            records.clear();
        }
    }
    engine.produce("s", Some(0), &records)?;
    drop(records);
    wait_committed(&engine, keys)?;
    println!(
        "large state of {keys} keys: {:.1} s, state {:.0} MB, RSS {:.0} MB   asked < 1000 MB",
        start.elapsed().as_secs_f64(),
        metric(&engine, "tripline_query_state_bytes") as f64 / 1e6,
        rss_mb()
    );
    // Time for a snapshot on its way.
    std::thread::sleep(Duration::from_secs(5));
    engine.close();
    drop(engine);
    let start = Instant::now();
    let engine = open(dir.path(), &[])?;
    let opened = start.elapsed();
    first_pulled(&engine)?;
    println!(
        "large state restart: {:.2} s to open, {:.2} s to the first answer   asked < 5 s",
        opened.as_secs_f64(),
        start.elapsed().as_secs_f64()
    );
    engine.close();
    Ok(())
}

fn first_pulled(engine: &Engine) -> Result<()> {
    first_row(engine, "SELECT host, n FROM t WHERE host = 'host-00000042';")
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
