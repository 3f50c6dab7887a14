//! From append to row: records come in at a fixed rate, a push query shows them.
//!
//! Each record's time is the moment just before it is appended (µs since the start), so a row says itself how long it
//! took.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use engine::{Engine, RowEvent};
use types::Value;

use super::Options;
use super::cases::CONN;
use super::load::{Lines, earliest, execute, open};

/// Records appended a second.
const RATE: u64 = 100_000;
/// How long records come.
const TIME: Duration = Duration::from_secs(5);
/// Rows of the first time are not counted: caches are cold.
const WARM_UP: Duration = Duration::from_millis(500);
/// Different lines appended in turn.
const LINES: u64 = 10_000;
/// No row for so long means that all have come.
const QUIET: Duration = Duration::from_secs(2);

struct Case {
    name: &'static str,
    statements: &'static str,
    query: &'static str,
    /// Whether every record becomes a row.
    has_all: bool,
}

const CASES: [Case; 2] = [
    Case {
        name: "latency push query",
        statements: "",
        query: "SELECT ROWTIME AS appended, * FROM conn_stream EMIT CHANGES;",
        has_all: true,
    },
    Case {
        name: "latency push query on a filter",
        statements: "CREATE STREAM inbound_stream AS SELECT * FROM conn_stream \
            WHERE LOCAL_ORIG != true AND \"id.resp_h\" LIKE '192.168.1%';",
        query: "SELECT ROWTIME AS appended, * FROM inbound_stream EMIT CHANGES;",
        has_all: false,
    },
];

/// Runs the cases wanted.
pub(crate) fn run(options: &Options) -> Result<()> {
    for case in CASES.iter().filter(|case| options.wants(case.name)) {
        run_case(case)?;
    }
    Ok(())
}

fn run_case(case: &Case) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let engine = Arc::new(open(dir.path(), &[])?);
    execute(&engine, CONN)?;
    execute(&engine, case.statements)?;
    let query = engine.query(case.query, &earliest());
    let mut rows = query.map_err(|error| anyhow::anyhow!("{}", error.render()))?.rows;
    let start = Instant::now();
    let done = Arc::new(AtomicBool::new(false));
    let producer = {
        let (engine, done) = (engine.clone(), done.clone());
        std::thread::Builder::new().name("producer".into()).spawn(move || {
            let produced = produce(&engine, start);
            done.store(true, Ordering::Release);
            produced
        })?
    };
    let mut latencies: Vec<u32> = Vec::new();
    let (mut seen, mut last) = (0, Instant::now());
    loop {
        match rows.next(Duration::from_millis(10)) {
            None if done.load(Ordering::Acquire) && last.elapsed() > QUIET => break,
            None => {}
            Some(RowEvent::Rows(batch)) => {
                last = Instant::now();
                let now = start.elapsed().as_micros() as i64;
                seen += batch.len() as u64;
                for row in &batch {
                    let Some(Value::BigInt(appended)) = row.values.first() else {
                        bail!("a row without time")
                    };
                    if *appended >= WARM_UP.as_micros() as i64 {
                        latencies.push((now - appended) as u32);
                    }
                }
            }
            Some(event) => bail!("the query ended: {event:?}"),
        }
    }
    let (appended, time) = producer.join().map_err(|_| anyhow::anyhow!("the producer panicked"))??;
    drop(rows);
    engine.close();
    if case.has_all && seen != appended || latencies.is_empty() {
        bail!("{seen} rows of {appended} records");
    }
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
    println!(
        "{}: {:.0} records/s appended, {} rows; p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, longest {:.1} ms{}",
        case.name,
        appended as f64 / time.as_secs_f64(),
        seen,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        if case.has_all { "   asked p99 < 20 ms" } else { "" },
    );
    Ok(())
}

/// Appends records at the rate; returns how many and in what time.
fn produce(engine: &Engine, start: Instant) -> Result<(u64, Duration)> {
    let mut lines = Vec::new();
    Lines::Conn { inbound_percent: 15, sources: 1000 }.for_each(LINES, |_, line| {
        lines.push(line.to_vec());
        Ok(())
    })?;
    let (begin, mut appended) = (Instant::now(), 0);
    let mut records = Vec::new();
    while begin.elapsed() < TIME {
        let due = begin.elapsed().as_micros() as u64 * RATE / 1_000_000;
        if due < appended + RATE / 1000 {
            std::thread::sleep(Duration::from_micros(200));
            continue;
        }
        let now = start.elapsed().as_micros() as i64;
        records.clear();
        while appended < due {
            let line = lines[(appended % LINES) as usize].clone();
            records.push((Some(now), None, Some(line)));
            appended += 1;
        }
        engine.produce("conn", Some(0), &records)?;
    }
    Ok((appended, begin.elapsed()))
}
