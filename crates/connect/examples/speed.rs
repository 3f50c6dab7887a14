//! Measures how many events a second are generated and read: `cargo run --release -p connect --example speed [FILE…]`.

use std::time::Instant;

use connect::{FileOptions, FileReader, TimeField, generate};

const LINES: u64 = 1_000_000;

fn main() {
    let mut conn = generate::conn_lines(1, LINES);
    measure("write conn", |out| conn.write_next(out));
    let mut dns = generate::dns_lines(1, LINES);
    measure("write dns", |out| dns.write_next(out));
    let mut winlogbeat = generate::winlogbeat_lines(1, LINES);
    measure("write winlogbeat", |out| winlogbeat.write_next(out));

    let mut line = Vec::new();
    generate::winlogbeat_lines(1, 1).write_next(&mut line);
    for name in ["@timestamp", "event.created"] {
        let field = TimeField::new(name);
        measure(name, |_| field.time_ms(std::hint::black_box(&line)).ok());
    }

    for file in std::env::args().skip(1) {
        let started = Instant::now();
        let mut reader = match FileReader::open([&file], FileOptions::default()) {
            Ok(reader) => reader,
            Err(error) => return eprintln!("{error}"),
        };
        let mut bytes = 0;
        while let Some(event) = reader.next_event() {
            bytes += event.map_or(0, |event| event.bytes.len() as u64);
        }
        report(&file, reader.counts().events, bytes, started);
    }
}

fn measure(name: &str, mut write_next: impl FnMut(&mut Vec<u8>) -> Option<i64>) {
    let (mut out, mut lines, mut bytes) = (Vec::new(), 0, 0);
    let started = Instant::now();
    while lines < LINES && write_next(&mut out).is_some() {
        bytes += out.len() as u64;
        lines += 1;
        out.clear();
    }
    report(name, lines, bytes, started);
}

fn report(name: &str, events: u64, bytes: u64, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    let (events_s, mib_s) = (events as f64 / seconds, bytes as f64 / 1048576.0 / seconds);
    println!(
        "{name}: {events} events, {events_s:.0}/s, {mib_s:.0} MiB/s, {} bytes each",
        bytes / events.max(1)
    );
}
