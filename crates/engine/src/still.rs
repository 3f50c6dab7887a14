//! Whether all that was to do is done; and topics as they are, record by record. For scenario files.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use commitlog::{Isolation, UNPACKED_BATCH_BYTES_MAX, batches};

use crate::core::Inner;
use crate::error::{EngineError, Result};
use crate::query::log_error;
use crate::worker::Command;

/// How long to wait before asking the workers again, when nothing happens meanwhile.
const ASK_AGAIN: Duration = Duration::from_millis(1);
/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;

/// A committed record of a topic, byte by byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRecord {
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: i64,
    /// Record time, ms.
    pub timestamp: i64,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
}

/// Waits until no persistent query has anything left to read, compute or commit.
///
/// A worker that had nothing to do may get something from another one meanwhile; so the answers count only
/// if no topic has grown between the first question and the last answer.
pub(crate) fn wait(inner: &Arc<Inner>, timeout: Duration) -> Result<bool> {
    let deadline = Instant::now() + timeout;
    loop {
        let before = visible(inner);
        let restarts = inner.stalled.restarts();
        let (sender, answers) = channel();
        for worker in 0..inner.workers.len() {
            inner.send(worker, Command::IsStill(sender.clone()))?;
        }
        drop(sender);
        let seen = inner.log.notifier().generation();
        let mut is_still = true;
        for _ in 0..inner.workers.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            match answers.recv_timeout(left) {
                Ok(answer) => is_still &= answer,
                Err(_) => return Ok(false),
            }
        }
        // What was still may have been about to begin again.
        let has_restarted = restarts.is_none() || inner.stalled.restarts() != restarts;
        if is_still && !has_restarted && visible(inner) == before {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        inner.log.notifier().wait(seen, ASK_AGAIN);
    }
}

/// How far all topics can be read: a sum that only grows while topics are neither made nor deleted.
fn visible(inner: &Inner) -> (usize, i64) {
    let topics = inner.log.topics();
    let ends = topics.iter().flat_map(|topic| {
        (0..topic.partitions)
            .filter_map(|p| inner.log.partition(&topic.name, p).ok())
            .map(|partition| partition.offsets().last_stable)
    });
    (topics.len(), ends.sum())
}

/// Committed records of all partitions from the given offsets on (missing ones are 0), partition by partition.
pub(crate) fn records(inner: &Inner, topic: &str, from: &[i64]) -> Result<Vec<TopicRecord>> {
    let count = inner.log.describe_topic(topic).map_err(log_error)?.partitions;
    let mut found = Vec::new();
    let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
    let damaged = |e: &dyn std::fmt::Display| {
        EngineError::new(types::ErrorKind::External, "log_damaged", format!("reading topic \"{topic}\": {e}"))
    };
    for p in 0..count {
        let partition = inner.log.partition(topic, p).map_err(log_error)?;
        let start = from.get(p as usize).copied().unwrap_or(0).max(partition.offsets().log_start);
        let mut reader = partition.reader(start, Isolation::ReadCommitted);
        while reader.has_more() {
            let before = reader.offset();
            reader.read(READ_BYTES, &mut bytes).map_err(log_error)?;
            for batch in batches(&bytes) {
                let batch = batch.map_err(|e| damaged(&e))?;
                if batch.is_control() {
                    continue;
                }
                let records =
                    batch.records(&mut scratch, UNPACKED_BATCH_BYTES_MAX).map_err(|e| damaged(&e))?;
                for record in records {
                    let record = record.map_err(|e| damaged(&e))?;
                    if record.offset >= start {
                        found.push(TopicRecord {
                            partition: p,
                            offset: record.offset,
                            timestamp: record.timestamp,
                            key: record.key.map(<[u8]>::to_vec),
                            value: record.value.map(<[u8]>::to_vec),
                        });
                    }
                }
            }
            if reader.offset() == before {
                break;
            }
        }
    }
    Ok(found)
}
