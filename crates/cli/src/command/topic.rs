//! `tripline topic`: topics without SQL.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};

use super::client_runtime;
use crate::{
    entity,
    http::{Client, Endpoint, path_segment},
    record_format::{Printed, RecordFormat},
    replay::{Batch, RECORDS_MAX, Sender},
    stdout::{self, print},
    table::ListTable,
    terminal::neutralise,
};

/// Records asked for at a time.
const PAGE_RECORDS: u64 = 1000;
/// How often a quiet topic is asked again.
const ASK_INTERVAL: Duration = Duration::from_millis(250);
/// Longest line read from standard input.
const LINE_BYTES_MAX: u64 = 64 << 20;

#[derive(Args)]
pub struct Arguments {
    /// The server.
    #[arg(long, default_value = "http://localhost:8088", value_name = "URL", global = true)]
    server: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Lists topics.
    List,
    /// Shows partitions, offsets and settings of a topic.
    Describe {
        /// The topic.
        name: String,
    },
    /// Creates a topic.
    Create {
        /// The topic.
        name: String,
        /// Its partitions.
        #[arg(long)]
        partitions: Option<u32>,
        /// Settings by Kafka's names, for example retention.ms=86400000.
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// Changes settings of a topic.
    Alter {
        /// The topic.
        name: String,
        /// Settings by Kafka's names, for example retention.ms=86400000.
        #[arg(long = "set", value_name = "KEY=VALUE", required_unless_present = "unset")]
        set: Vec<String>,
        /// Settings that go back to Kafka's defaults.
        #[arg(long = "unset", value_name = "KEY")]
        unset: Vec<String>,
    },
    /// Deletes a topic with its records.
    Delete {
        /// The topic.
        name: String,
    },
    /// Writes the lines of standard input as records.
    Produce(Produce),
    /// Prints records.
    Consume(Consume),
}

#[derive(Args)]
struct Produce {
    /// The topic.
    name: String,
    /// What stands between key and value; without it lines have no key.
    #[arg(short = 'K', long, value_name = "TEXT")]
    key_separator: Option<String>,
    /// Writes to this partition only.
    #[arg(short, long)]
    partition: Option<u32>,
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Beginning,
    End,
    At(i64),
    BeforeEnd(i64),
}

impl std::str::FromStr for Start {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Start, Self::Err> {
        match (text, text.parse::<i64>()) {
            ("beginning", _) => Ok(Start::Beginning),
            ("end", _) => Ok(Start::End),
            (_, Ok(offset)) if offset >= 0 => Ok(Start::At(offset)),
            (_, Ok(offset)) => Ok(Start::BeforeEnd(offset.saturating_neg())),
            _ => Err("no offset; there are \"beginning\", \"end\", 5, and -5 for five before the end"),
        }
    }
}

impl Start {
    /// Returns the offset in a partition.
    fn offset(self, first: i64, end: i64) -> i64 {
        match self {
            Start::Beginning => first,
            Start::End => end,
            Start::At(offset) => offset,
            Start::BeforeEnd(count) => end.saturating_sub(count).max(first),
        }
    }
}

#[derive(Args)]
struct Consume {
    /// The topic.
    name: String,
    /// Begins with the oldest record.
    #[arg(long)]
    from_beginning: bool,
    /// Begins at this offset of each partition, at the "beginning" or "end", or so many offsets before the end (-5).
    #[arg(short, long, conflicts_with = "from_beginning", allow_hyphen_values = true)]
    offset: Option<Start>,
    /// Ends after so many records.
    #[arg(short, long)]
    limit: Option<u64>,
    /// Ends at the end of the topic instead of waiting for more.
    #[arg(short, long)]
    exit: bool,
    /// Reads this partition only.
    #[arg(short, long)]
    partition: Option<u32>,
    /// As kcat: %t topic, %p partition, %o offset, %T time in ms, %k key, %s value, %K and %S their lengths, %R the value's
    /// length as four bytes, %h headers, %%, \n, \r, \t, \xNN.
    #[arg(short, long, default_value = "%s\\n")]
    format: String,
    /// Prints control characters as they are on a terminal too.
    #[arg(long)]
    raw: bool,
}

impl Arguments {
    pub fn run(self) -> Result<ExitCode> {
        let endpoint = Endpoint::parse(&self.server)?;
        let mut client = Client::new(endpoint.clone());
        match self.action {
            Action::Produce(produce) => produce.run(endpoint)?,
            Action::Consume(consume) => client_runtime()?.block_on(consume.run(&mut client))?,
            Action::List => client_runtime()?.block_on(list(&mut client))?,
            Action::Describe { name } => client_runtime()?.block_on(describe(&mut client, &name))?,
            Action::Create { name, partitions, set } => {
                client_runtime()?.block_on(create(&mut client, &name, partitions, &set))?;
            }
            Action::Alter { name, set, unset } => {
                client_runtime()?.block_on(alter(&mut client, &name, &set, &unset))?;
            }
            Action::Delete { name } => {
                let path = topic_path(&name);
                client_runtime()?.block_on(async {
                    client
                        .send(Method::DELETE, &path, "", bytes::Bytes::new())
                        .await?
                        .checked()
                        .await?
                        .text()
                        .await
                })?;
                print(&format!("deleted topic {}\n", neutralise(&name)))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn topic_path(name: &str) -> String {
    format!("/api/v1/topics/{}", path_segment(name))
}

async fn list(client: &mut Client) -> Result<()> {
    let body = json!({"ksql": "SHOW TOPICS;"});
    let answer = client.post_json("/ksql", &body).await?.checked().await?.json().await?;
    print(&answer.as_array().map_or(&[][..], Vec::as_slice).iter().map(entity::render).collect::<String>())
}

async fn described(client: &mut Client, name: &str) -> Result<Value> {
    client.get(&topic_path(name)).await?.checked().await?.json().await
}

async fn describe(client: &mut Client, name: &str) -> Result<()> {
    let topic = described(client, name).await?;
    let mut table = ListTable::new(["Partition", "Start Offset", "End Offset", "Bytes"]);
    for partition in topic["partitions"].as_array().map_or(&[][..], Vec::as_slice) {
        table.row(["partition", "startOffset", "endOffset", "bytes"].map(|name| partition[name].to_string()));
    }
    let mut out = table.render();
    if let Some(settings) = topic["settings"].as_object().filter(|settings| !settings.is_empty()) {
        let mut table = ListTable::new(["Setting", "Value"]);
        for (name, value) in settings {
            table.row([name.as_str(), value.as_str().unwrap_or("")]);
        }
        out.push('\n');
        out.push_str(&table.render());
    }
    print(&out)
}

async fn create(client: &mut Client, name: &str, partitions: Option<u32>, set: &[String]) -> Result<()> {
    let body = json!({"name": name, "partitions": partitions, "settings": settings(set)?});
    client.post_json("/api/v1/topics", &body).await?.checked().await?.text().await?;
    print(&format!("created topic {}\n", neutralise(name)))
}

async fn alter(client: &mut Client, name: &str, set: &[String], unset: &[String]) -> Result<()> {
    let mut settings = settings(set)?;
    for name in unset {
        if settings.insert(name.trim().to_owned(), Value::Null).is_some() {
            bail!("setting {name:?} is both set and unset");
        }
    }
    let body = json!({"settings": settings}).to_string().into();
    let (path, kind) = (topic_path(name), "application/json");
    client.send(Method::PATCH, &path, kind, body).await?.checked().await?.text().await?;
    print(&format!("changed topic {}\n", neutralise(name)))
}

fn settings(set: &[String]) -> Result<Map<String, Value>> {
    let mut settings = Map::new();
    for text in set {
        let Some((name, value)) = text.split_once('=') else { bail!("setting {text:?} is not KEY=VALUE") };
        settings.insert(name.trim().to_owned(), value.trim().into());
    }
    Ok(settings)
}

impl Produce {
    fn run(self, endpoint: Endpoint) -> Result<()> {
        let mut sender = Sender::new(endpoint, self.partition);
        let mut input = io::BufReader::with_capacity(1 << 16, io::stdin().lock());
        let mut batch = Batch::new(&self.name);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = io::Read::take(&mut input, LINE_BYTES_MAX).read_until(b'\n', &mut line);
            if length.context("cannot read standard input")? == 0 {
                break;
            }
            if line.len() as u64 == LINE_BYTES_MAX {
                bail!("a line is longer than {LINE_BYTES_MAX} bytes");
            }
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let (key, value) = split_key(text, self.key_separator.as_deref());
            batch.push(None, key, value);
            // Nothing more at hand: what is typed or piped slowly is not kept back.
            if batch.is_full(RECORDS_MAX) || input.buffer().is_empty() {
                sender.send(std::mem::replace(&mut batch, Batch::new(&self.name)))?;
                if input.buffer().is_empty() {
                    sender.finish()?;
                }
            }
        }
        if batch.records > 0 {
            sender.send(batch)?;
        }
        sender.finish()?;
        if io::stderr().is_terminal() {
            eprintln!("{} records", sender.acknowledged);
        }
        Ok(())
    }
}

fn split_key<'a>(line: &'a [u8], separator: Option<&str>) -> (Option<&'a [u8]>, &'a [u8]) {
    let Some(separator) = separator.map(str::as_bytes).filter(|separator| !separator.is_empty()) else {
        return (None, line);
    };
    match line.windows(separator.len()).position(|part| part == separator) {
        Some(place) => (Some(&line[..place]), &line[place + separator.len()..]),
        None => (None, line),
    }
}

impl Consume {
    async fn run(self, client: &mut Client) -> Result<()> {
        let format = RecordFormat::parse(&self.format)?;
        let topic = described(client, &self.name).await?;
        let mut places: Vec<(u64, i64)> = Vec::new();
        for partition in topic["partitions"].as_array().map_or(&[][..], Vec::as_slice) {
            let number = partition["partition"].as_u64().unwrap_or(0);
            if self.partition.is_none_or(|wanted| u64::from(wanted) == number) {
                let [first, end] =
                    ["startOffset", "endOffset"].map(|name| partition[name].as_i64().unwrap_or(0));
                let default = if self.from_beginning { Start::Beginning } else { Start::End };
                places.push((number, self.offset.unwrap_or(default).offset(first, end)));
            }
        }
        if places.is_empty() {
            bail!("topic {:?} has no such partition", self.name);
        }
        let is_safe = !self.raw && io::stdout().is_terminal();
        let mut line_bytes = Vec::new();
        let mut out = io::BufWriter::new(io::stdout().lock());
        let mut left = self.limit.unwrap_or(u64::MAX);
        loop {
            let mut is_quiet = true;
            for (partition, offset) in &mut places {
                if left == 0 {
                    break;
                }
                let limit = left.min(PAGE_RECORDS);
                let path = format!(
                    "{}/records?partition={partition}&offset={offset}&limit={limit}",
                    topic_path(&self.name)
                );
                let mut records = client.get(&path).await?.checked().await?;
                while let Some(line) = records.next_line().await? {
                    if line.is_empty() {
                        continue;
                    }
                    let record: Value = serde_json::from_str(&line).context("cannot read a record")?;
                    line_bytes.clear();
                    format.push(&mut line_bytes, &printed(&self.name, &record)?, is_safe);
                    out.write_all(&line_bytes).map_err(stdout::failed)?;
                    *offset = record["offset"].as_i64().map_or(*offset, |offset| offset + 1);
                    is_quiet = false;
                    left -= 1;
                }
            }
            out.flush().map_err(stdout::failed)?;
            if left == 0 || (is_quiet && self.exit) {
                return Ok(());
            }
            if is_quiet {
                tokio::time::sleep(ASK_INTERVAL).await;
            }
        }
    }
}

/// Reads a record as the server writes it.
fn printed<'a>(topic: &'a str, record: &Value) -> Result<Printed<'a>> {
    let headers = record["headers"].as_array().map_or(&[][..], Vec::as_slice).iter();
    Ok(Printed {
        topic,
        partition: record["partition"].as_u64().unwrap_or(0),
        offset: record["offset"].as_i64().unwrap_or(0),
        timestamp: record["timestamp"].as_i64().unwrap_or(-1),
        key: bytes(record, "key")?,
        value: bytes(record, "value")?,
        headers: headers
            .map(|header| Ok((header["name"].as_str().unwrap_or("").to_owned(), bytes(header, "value")?)))
            .collect::<Result<_>>()?,
    })
}

/// Returns what a member holds: bytes from Base64 where they are no text.
fn bytes(object: &Value, name: &str) -> Result<Option<Vec<u8>>> {
    if let Some(packed) = object[format!("{name}Base64").as_str()].as_str() {
        return Ok(Some(STANDARD.decode(packed).context("cannot read a record")?));
    }
    Ok(object[name].as_str().map(|text| text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_as_text_or_as_base64() {
        let record = json!({"partition": 1, "offset": 7, "timestamp": 5, "key": null, "value": "4",
            "valueBase64": "AAAABA==", "headers": [{"name": "h", "value": "v"}, {"name": "n", "value": null}]});
        let read = printed("t", &record).unwrap();
        assert_eq!((read.partition, read.offset, read.timestamp, read.key), (1, 7, 5, None));
        assert_eq!(read.value, Some(vec![0, 0, 0, 4]));
        assert_eq!(read.headers, [("h".to_owned(), Some(b"v".to_vec())), ("n".to_owned(), None)]);
    }

    #[test]
    fn reading_begins_where_it_is_said() {
        let check =
            |text: &str, expect| assert_eq!(text.parse::<Start>().unwrap().offset(3, 9), expect, "{text}");
        check("beginning", 3);
        check("end", 9);
        check("5", 5);
        check("-2", 7);
        check("-100", 3);
        check("-9223372036854775808", 3);
        assert!("".parse::<Start>().is_err() && "last".parse::<Start>().is_err());
    }

    #[test]
    fn key_is_what_stands_before_the_first_separator() {
        assert_eq!(split_key(b"k:v:w", Some(":")), (Some(&b"k"[..]), &b"v:w"[..]));
        assert_eq!(split_key(b"kv", Some(":")), (None, &b"kv"[..]));
        assert_eq!(split_key(b"k:v", None), (None, &b"k:v"[..]));
    }
}
