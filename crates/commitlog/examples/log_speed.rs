//! Prints how fast this machine appends, reads and commits.
//!
//! `cargo run --release -p commitlog --example log_speed [DIRECTORY]`

use std::sync::Arc;
use std::time::{Duration, Instant};

use commitlog::*;

const VALUE_LEN: usize = 377;
const RECORDS: usize = 1_000_000;

fn rate(what: &str, records: usize, bytes: usize, since: Instant) {
    let seconds = since.elapsed().as_secs_f64();
    println!(
        "{what:<48}{:>8.2} M/s {:>8.0} MB/s",
        records as f64 / seconds / 1e6,
        bytes as f64 / seconds / 1e6
    );
}

fn latencies(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!("{what:<48} p50 {:>9.1?}   p99 {:>9.1?}", at(0.5), at(0.99));
}

fn fill(builder: &mut BatchBuilder, value: &[u8], records: usize) {
    for i in 0..records {
        builder.append(1_700_000_000_000 + i as i64, None, Some(value), &[]);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let given = std::env::args().nth(1);
    let dir = given
        .map_or_else(|| std::env::temp_dir().join(format!("log-speed-{}", std::process::id())), Into::into);
    let value = vec![b'x'; VALUE_LEN];
    let mut builder = BatchBuilder::new();
    let total = RECORDS * VALUE_LEN;

    fill(&mut builder, &value, 500);
    builder.finish();
    let start = Instant::now();
    for _ in 0..RECORDS / 500 {
        fill(&mut builder, &value, 500);
        std::hint::black_box(builder.finish());
    }
    rate("encode, 500 a batch", RECORDS, total, start);

    let mut one = BatchBuilder::new();
    fill(&mut one, &value, 500);
    let mut bytes = one.finish().to_vec();
    let mut scratch = Vec::new();
    let start = Instant::now();
    let mut sum = 0;
    for _ in 0..RECORDS / 50 {
        for record in Batch::parse(&bytes)?.records(&mut scratch, 0)? {
            sum += record?.value.map_or(0, <[u8]>::len);
        }
    }
    rate("iterate, in cache", RECORDS * 10, sum, start);
    let start = Instant::now();
    for _ in 0..RECORDS / 50 {
        Batch::parse(std::hint::black_box(&bytes))?.validate()?;
    }
    rate("check CRC, in cache", RECORDS * 10, sum, start);

    let log = Log::open(Arc::new(RealDisk), &dir, LogConfig::default())?;
    log.create_topic("speed", 1, &TopicSettings::new(), 0)?;
    log.create_topic("other", 1, &TopicSettings::new(), 0)?;
    let start = Instant::now();
    for _ in 0..RECORDS / 500 {
        log.append("speed", 0, &mut bytes, 0)?;
    }
    rate("append, 500 a batch, not synced", RECORDS, total, start);
    log.flush("speed", 0)?.wait()?;
    rate("  with one sync at the end", RECORDS, total, start);

    let mut reader = log.reader("speed", 0, 0, Isolation::ReadCommitted)?;
    let mut out = Vec::new();
    for pass in ["read 1 MB at a time + CRC + iterate, first", "read 1 MB at a time + CRC + iterate, again"] {
        reader.seek(0);
        let start = Instant::now();
        let mut records = 0;
        while reader.has_more() {
            reader.read(1 << 20, &mut out)?;
            for batch in batches(&out) {
                for record in batch?.records(&mut scratch, 0)? {
                    records += usize::from(record?.value.is_some());
                }
            }
        }
        rate(pass, records, records * VALUE_LEN, start);
    }

    let mut small = BatchBuilder::new();
    let mut times = Vec::new();
    for _ in 0..2000 {
        fill(&mut small, &value, 1);
        let start = Instant::now();
        log.append_durable("other", 0, small.finish(), 0)?.1.wait()?;
        times.push(start.elapsed());
    }
    latencies("append_durable, 1 record", times);

    let mut tx = log.transaction("speed", 0)?;
    for records in [1, 10, 100, 500, 5000] {
        let mut times = Vec::new();
        for round in 0..500 {
            let start = Instant::now();
            fill(&mut small, &value, records.min(2000));
            let batch = small.finish();
            for _ in 0..records.div_ceil(2000) {
                tx.append("other", 0, batch, 0)?;
            }
            tx.set_offset("speed", "speed", 0, round, 0)?;
            tx.commit(0)?.wait()?;
            times.push(start.elapsed());
        }
        latencies(&format!("transaction of {records} records, waited for"), times);
    }
    let start = Instant::now();
    let mut last = None;
    for round in 0..2000 {
        fill(&mut small, &value, 500);
        tx.append("other", 0, small.finish(), 0)?;
        tx.set_offset("speed", "speed", 0, round, 0)?;
        last = Some(tx.commit(0)?);
    }
    last.map(|ticket| ticket.wait()).transpose()?;
    rate("transactions of 500 records, pipelined", 2000 * 500, 2000 * 500 * VALUE_LEN, start);
    println!("{:<48}{:>8.0} /s", "  commits", 2000.0 / start.elapsed().as_secs_f64());

    let start = Instant::now();
    log.close(0)?;
    println!("{:<48}{:>11.1?}", "clean stop", start.elapsed());
    drop((tx, reader, log));
    let start = Instant::now();
    let log = Log::open(Arc::new(RealDisk), &dir, LogConfig::default())?;
    println!("{:<48}{:>11.1?}", "start after it", start.elapsed());
    drop(log);
    let start = Instant::now();
    let log = Log::open(Arc::new(RealDisk), &dir, LogConfig::default())?;
    println!("{:<48}{:>11.1?}", "start after a stop that was not clean", start.elapsed());
    drop(log);
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
