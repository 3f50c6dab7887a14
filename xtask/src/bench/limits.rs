//! Times and sizes that are to stay below a bound: start, idle memory, large state, restart, latency.
//!
//! Start, memory and restart are those of the real `tripline server` in a process of its own, with default settings.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use engine::RowEvent;

use super::Options;
use super::child::{Server, program};
use super::load::{earliest, execute, open};

/// Cold starts measured, each on an empty directory.
const STARTS: usize = 7;
/// How long a server is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(3);
/// A count that makes no progress for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the ones wanted.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.wants("limits binary size") {
        let bytes = std::fs::metadata(program()?)?.len();
        println!("binary {:.1} MB   asked < 60 MB", bytes as f64 / 1e6);
    }
    if options.wants("limits cold start") {
        cold_start(&program()?)?;
    }
    if options.wants("limits latency") {
        latency()?;
    }
    if options.wants("limits large state") {
        large_state(&program()?, 10_000_000, &[])?;
    }
    if options.wants("limits spilled state") {
        large_state(&program()?, 4_000_000, &["tripline.state.memory.bytes=120000000"])?;
    }
    Ok(())
}

/// From the start of the process on an empty directory to an answer, and memory when nothing happens.
fn cold_start(program: &Path) -> Result<()> {
    let (mut statements, mut rows) = (vec![], vec![]);
    let (mut idle_mb, mut used_mb) = (0f64, 0f64);
    for round in 0..STARTS {
        let dir = tempfile::tempdir()?;
        let start = Instant::now();
        let server = Server::start(program, dir.path(), &[])?;
        server.post("/ksql", "SHOW STREAMS;")?;
        statements.push(millis(start.elapsed()));
        if round == 0 {
            std::thread::sleep(IDLE);
            idle_mb = server.rss_mb();
        }
        let start_of_rows = Instant::now();
        server.post(
            "/ksql",
            "CREATE STREAM s (a INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);
             INSERT INTO s (a) VALUES (77);",
        )?;
        let answer = server.post("/query", "SELECT * FROM s;")?;
        ensure!(answer.contains("77"), "no row came: {answer}");
        rows.push(statements[round] + millis(start_of_rows.elapsed()));
        if round == 0 {
            std::thread::sleep(IDLE);
            used_mb = server.rss_mb();
        }
        server.stop()?;
    }
    for (what, times) in
        [("first answered statement", &mut statements), ("first row of a new stream", &mut rows)]
    {
        times.sort_by(f64::total_cmp);
        println!(
            "cold start to the {what}: median {:.0} ms, best {:.0}, worst {:.0} of {STARTS}   asked < 200 ms",
            times[STARTS / 2],
            times[0],
            times[STARTS - 1]
        );
    }
    println!(
        "idle memory: RSS {idle_mb:.1} MB after the start, {used_mb:.1} MB after a query   asked < 40 MB"
    );
    Ok(())
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

/// A windowed count of so many different keys, and restarts with it.
fn large_state(program: &Path, keys: u64, settings: &[&str]) -> Result<()> {
    let dir = tempfile::tempdir()?;
    fill(dir.path(), keys)?;
    let server = Server::start(program, dir.path(), settings)?;
    let start = Instant::now();
    server.post(
        "/ksql",
        "CREATE TABLE t AS SELECT host, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 1 DAY) GROUP BY host;",
    )?;
    let mut last = (0, Instant::now());
    while last.0 < keys {
        std::thread::sleep(Duration::from_millis(50));
        let committed = server.metric("tripline_query_records_committed_total")?;
        if committed != last.0 {
            last = (committed, Instant::now());
        }
        ensure!(last.1.elapsed() < PATIENCE, "the count stands still at {committed} of {keys} records");
    }
    println!(
        "large state of {keys} keys{}: {:.1} s, state {:.0} MB, RSS {:.0} MB, at most {:.0} MB   asked < 1000 MB",
        settings.iter().map(|setting| format!(" with {setting}")).collect::<String>(),
        start.elapsed().as_secs_f64(),
        server.metric("tripline_query_state_bytes")? as f64 / 1e6,
        server.rss_mb(),
        server.peak_mb()
    );
    server.kill()?;
    for how in ["killed at once", "killed again", "stopped"] {
        let start = Instant::now();
        let server = Server::start(program, dir.path(), settings)?;
        let opened = start.elapsed();
        let answer = server.post("/query", "SELECT host, n FROM t WHERE host = 'host-00000042';")?;
        ensure!(answer.contains("host-00000042"), "the row is gone: {answer}");
        println!(
            "large state restart, {how} before: {:.2} s to open, {:.2} s to the first answer, RSS {:.0} MB, at most {:.0} MB   asked < 5 s",
            opened.as_secs_f64(),
            start.elapsed().as_secs_f64(),
            server.rss_mb(),
            server.peak_mb()
        );
        // Time for a snapshot of what was read of the changelog.
        std::thread::sleep(Duration::from_secs(8));
        if how == "killed at once" { server.kill()? } else { server.stop()? }
    }
    Ok(())
}

/// Writes a record for each key to the topic of a stream.
fn fill(dir: &Path, keys: u64) -> Result<()> {
    let engine = open(dir, &[])?;
    execute(
        &engine,
        "CREATE STREAM s (host STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);",
    )?;
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
    engine.close();
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
