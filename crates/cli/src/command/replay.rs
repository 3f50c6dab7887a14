//! `tripline replay`: files to topics, as fast as they can be read or at the pace they were recorded.

use std::{process::ExitCode, sync::mpsc, time::Instant};

use anyhow::{Context, Result};
use connect::{FileOptions, FileReader, Pace, Speed, TimeField};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::client_runtime;
use crate::{
    http::{Client, Endpoint, path_segment},
    replay::{Limits, Outcome, Plan, RECORDS_MAX, Read, Sender, parse_offset_ms, read},
    terminal::neutralise,
};

/// Batches read ahead of the sender.
const READ_AHEAD_MAX: usize = 4;
/// Fields that hold the time in Zeek's and Beats' records.
const TIME_FIELDS: [&str; 2] = ["ts", "@timestamp"];

#[derive(clap::Args)]
pub struct Arguments {
    /// Files: JSON lines, JSON arrays, Zeek logs; plain, .gz, .zst or .zip.
    #[arg(required = true)]
    files: Vec<String>,
    /// The topic; Zeek logs need none, theirs is the log's name.
    #[arg(long)]
    topic: Option<String>,
    /// How many times the recorded speed, or max.
    #[arg(long, default_value = "max", value_name = "N")]
    speed: Speed,
    /// The field with an event's time [default: ts, else @timestamp, else now].
    #[arg(long, value_name = "NAME")]
    time_field: Option<String>,
    /// Added to every time, such as -2h, for a recorder whose clock was wrong.
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    clock_offset: Option<String>,
    /// The field that becomes the key.
    #[arg(long, value_name = "FIELD")]
    key: Option<String>,
    /// The server.
    #[arg(long, default_value = "http://localhost:8088", value_name = "URL")]
    server: String,
    /// Writes to this partition only.
    #[arg(long)]
    partition: Option<u32>,
    /// Creates the topic with so many partitions if it is not there.
    #[arg(long, value_name = "N", requires = "topic")]
    create_partitions: Option<u32>,
    /// Records sent together at most.
    #[arg(long, value_name = "N", default_value_t = RECORDS_MAX, value_parser = clap::value_parser!(u64).range(1..=RECORDS_MAX))]
    batch_records: u64,
}

impl Arguments {
    pub fn run(self) -> Result<ExitCode> {
        let endpoint = Endpoint::parse(&self.server)?;
        let offset_ms = self.clock_offset.as_deref().map_or(Ok(0), parse_offset_ms)?;
        let names = match &self.time_field {
            Some(name) => vec![name.as_str()],
            None => TIME_FIELDS.to_vec(),
        };
        let times = names.iter().map(|name| TimeField::new(*name).with_clock_offset_ms(offset_ms)).collect();
        let mut reader = FileReader::open(&self.files, FileOptions::default())?;
        if let (Some(topic), Some(partitions)) = (&self.topic, self.create_partitions) {
            client_runtime()?.block_on(create_topic(&endpoint, topic, partitions))?;
        }
        let limits = Limits::of(Some(endpoint.clone()));
        let mut plan = Plan {
            topic: self.topic,
            times,
            key: self.key,
            pace: Pace::new(self.speed),
            limits,
            batch_records: self.batch_records,
        };
        let mut sender = Sender::new(endpoint, self.partition);
        let bar = progress_bar(reader.progress().total_bytes);
        let started = Instant::now();
        let (tx, rx) = mpsc::sync_channel::<Read>(READ_AHEAD_MAX);
        let (sent, outcome) = std::thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let tx = tx;
                read(&mut reader, &mut plan, &tx)
            });
            let sent = send_all(&mut sender, &rx, &bar);
            drop(rx);
            (sent, reading.join())
        });
        bar.finish_and_clear();
        let outcome = outcome.map_err(|_| anyhow::anyhow!("reading ended unexpectedly"))?;
        report(&sender, &outcome, started);
        sent?;
        Ok(if outcome.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn send_all(sender: &mut Sender, reads: &mpsc::Receiver<Read>, bar: &ProgressBar) -> Result<()> {
    loop {
        let read = match reads.try_recv() {
            Ok(read) => read,
            Err(mpsc::TryRecvError::Disconnected) => break,
            Err(mpsc::TryRecvError::Empty) => {
                // The pace leaves time: what was sent is answered before the pause.
                sender.finish()?;
                match reads.recv() {
                    Ok(read) => read,
                    Err(_) => break,
                }
            }
        };
        sender.send(read.batch)?;
        bar.set_position(read.read_bytes);
        bar.set_message(format!("{} events", sender.acknowledged));
    }
    sender.finish()
}

async fn create_topic(endpoint: &Endpoint, topic: &str, partitions: u32) -> Result<()> {
    let mut client = Client::new(endpoint.clone());
    let there = client.get(&format!("/api/v1/topics/{}", path_segment(topic))).await?;
    if there.status() == 200 {
        there.text().await?;
        return Ok(());
    }
    there.text().await?;
    let body = json!({"name": topic, "partitions": partitions});
    let created = client.post_json("/api/v1/topics", &body).await?.checked().await;
    created.with_context(|| format!("cannot create topic {topic:?}"))?.text().await?;
    Ok(())
}

/// Drawn only when standard error is a terminal.
fn progress_bar(total_bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(total_bytes);
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg} {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

fn report(sender: &Sender, outcome: &Outcome, started: Instant) {
    let seconds = started.elapsed().as_secs_f64().max(1e-6);
    let (events, refused) = (sender.acknowledged, outcome.refused);
    println!(
        "{events} events, {} bytes, {refused} refused, {seconds:.1} s, {:.0} events/s",
        outcome.bytes,
        events as f64 / seconds
    );
    for fault in &outcome.faults {
        eprintln!("{}: {}", neutralise(&fault.place), neutralise(&fault.message));
    }
    if refused > outcome.faults.len() as u64 {
        eprintln!("and {} more", refused - outcome.faults.len() as u64);
    }
    if outcome.without_time > 0 {
        eprintln!("{} events have no time of their own and got the server's", outcome.without_time);
    }
    if outcome.not_objects > 0 {
        eprintln!("{} events are no JSON objects; they were sent as they are", outcome.not_objects);
    }
    if sender.losses > 0 {
        eprintln!("the connection was lost {} times; every event was written once", sender.losses);
    }
}
