//! PRINT: a topic's records as text, whatever is in them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use commitlog::{Isolation, PartitionReader, UNPACKED_BATCH_BYTES_MAX, batches};
use sql::Statement;

use crate::core::Inner;
use crate::error::{EngineError, Result};
use crate::query::log_error;
use crate::session::Session;

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;
/// Records handed over at a time.
const RECORDS_MAX: usize = 1000;

/// A record as PRINT shows it.
#[derive(Clone, Debug)]
pub struct PrintedRecord {
    /// Record time, ms.
    pub timestamp: i64,
    /// The key as text, as far as its format could be guessed; raw, not neutralised.
    pub key: Option<String>,
    /// The value as text; raw, not neutralised.
    pub value: Option<String>,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: i64,
}

/// A PRINT in progress. Dropping it ends it.
pub struct Printing {
    inner: Arc<Inner>,
    readers: Vec<PartitionReader>,
    waiting: std::collections::VecDeque<PrintedRecord>,
    interval: u64,
    seen: u64,
    left: Option<u64>,
    formats: (String, String),
}

/// Starts the one PRINT of a text.
pub(crate) fn start(inner: &Arc<Inner>, text: &str, session: &Session) -> Result<Printing> {
    let text = crate::statement::substituted(inner, text, session)?;
    let parsed = sql::parse_one(&text).map_err(|e| crate::statement::from_sql(&e, &text))?;
    let Statement::Print(print) = &parsed.statement else {
        return Err(EngineError::user("not_print", "the statement is not PRINT"));
    };
    let topics = inner.log.topics();
    let Some(topic) = topics.iter().find(|t| t.name == print.topic) else {
        let error = EngineError::user("unknown_topic", format!("topic \"{}\" does not exist", print.topic));
        return Err(match sql::nearest(&print.topic, topics.iter().map(|t| t.name.as_str())) {
            Some(near) => error.hint(format!("did you mean '{near}'? Names of topics keep their case")),
            None => error.hint("SHOW TOPICS lists what there is"),
        });
    };
    let settings = inner.settings.with(&session.properties)?;
    let from_start =
        print.from_beginning || settings.text("auto.offset.reset").eq_ignore_ascii_case("earliest");
    let readers = (0..topic.partitions)
        .map(|p| {
            let partition = inner.log.partition(&topic.name, p).map_err(log_error)?;
            let offsets = partition.offsets();
            Ok(partition.reader(
                if from_start { offsets.log_start } else { offsets.last_stable },
                Isolation::ReadCommitted,
            ))
        })
        .collect::<Result<_>>()?;
    Ok(Printing {
        inner: inner.clone(),
        readers,
        waiting: Default::default(),
        interval: print.interval.map_or(1, |n| n.max(1) as u64),
        seen: 0,
        left: print.limit.map(|n| n.max(0) as u64),
        formats: (String::new(), String::new()),
    })
}

impl Printing {
    /// As `Rows::next`: some records; `Ok(None)`: nothing yet; `Err`: it failed; an empty list: it has ended
    /// (LIMIT).
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Vec<PrintedRecord>>> {
        if self.left == Some(0) {
            return Ok(Some(vec![]));
        }
        let deadline = Instant::now() + timeout;
        loop {
            let seen = self.inner.log.notifier().generation();
            if self.waiting.is_empty() {
                self.read()?;
            }
            if !self.waiting.is_empty() {
                let count = self.waiting.len().min(RECORDS_MAX);
                let count = self.left.map_or(count, |left| count.min(left as usize));
                if let Some(left) = &mut self.left {
                    *left -= count as u64;
                }
                return Ok(Some(self.waiting.drain(..count).collect()));
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(None);
            }
            self.inner.log.notifier().wait(seen, rest.min(Duration::from_millis(200)));
        }
    }

    /// The guessed formats of key and value, for PRINT's first lines; known after the first records.
    pub fn formats(&self) -> (String, String) {
        self.formats.clone()
    }

    fn read(&mut self) -> Result<()> {
        let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
        for reader in &mut self.readers {
            if !reader.has_more() {
                continue;
            }
            reader.read(READ_BYTES, &mut bytes).map_err(log_error)?;
            let partition = reader.partition().partition();
            for batch in batches(&bytes).flatten() {
                if batch.is_control() {
                    continue;
                }
                let Ok(records) = batch.records(&mut scratch, UNPACKED_BATCH_BYTES_MAX) else { continue };
                for record in records.flatten() {
                    self.seen += 1;
                    if !(self.seen - 1).is_multiple_of(self.interval) {
                        continue;
                    }
                    if self.formats.1.is_empty() {
                        self.formats = (guess(record.key), guess(record.value));
                    }
                    self.waiting.push_back(PrintedRecord {
                        timestamp: record.timestamp,
                        key: record.key.map(text),
                        value: record.value.map(text),
                        partition,
                        offset: record.offset,
                    });
                }
            }
        }
        Ok(())
    }
}

fn guess(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "¯\\_(ツ)_/¯ - no data processed",
        Some(bytes)
            if formats::json::scan_value(bytes).is_ok() && matches!(bytes.first(), Some(b'{' | b'[')) =>
        {
            "JSON or KAFKA_STRING"
        }
        Some(bytes) if std::str::from_utf8(bytes).is_ok() => "KAFKA_STRING",
        Some(bytes) if bytes.len() == 8 => "KAFKA_BIGINT or KAFKA_DOUBLE",
        Some(bytes) if bytes.len() == 4 => "KAFKA_INT",
        Some(_) => "KAFKA_BYTES",
    }
    .to_owned()
}

/// Text as it is; a number of Kafka's primitive serializers as number; else hexadecimal.
pub fn text(bytes: &[u8]) -> String {
    let printable = |t: &&str| !t.chars().any(|c| c.is_control() && !c.is_whitespace());
    if let Some(text) = std::str::from_utf8(bytes).ok().filter(printable) {
        return text.to_owned();
    }
    if let Ok(number) = bytes.try_into().map(i64::from_be_bytes) {
        return number.to_string();
    }
    if let Ok(number) = bytes.try_into().map(i32::from_be_bytes) {
        return number.to_string();
    }
    String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| bytes.iter().map(|b| format!("{b:02x}")).collect())
}
