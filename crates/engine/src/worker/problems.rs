//! The processing log: what could not be decoded, computed or written, as records that SQL can read.
//!
//! The shape is ksqlDB's, with topic, partition and offset of the record added.

use std::sync::Arc;

use commitlog::{BatchBuilder, EpochTx, LogError, Partition};
use serde_json::{Value, json};

use super::batches::{TooLarge, append_divided};
use super::output::{Problem, Problems};

/// Characters of a message that are kept.
const MESSAGE_MAX: usize = 2000;

/// Columns of the stream over the processing log.
pub(crate) const STREAM_COLUMNS: &str = "logger VARCHAR, level VARCHAR, time BIGINT, message STRUCT<\
    type INT, \
    deserializationError STRUCT<target VARCHAR, errorMessage VARCHAR, recordB64 VARCHAR, cause ARRAY<VARCHAR>, \
    `topic` VARCHAR, `partition` INT, `offset` BIGINT>, \
    recordProcessingError STRUCT<errorMessage VARCHAR, record VARCHAR, cause ARRAY<VARCHAR>, \
    `topic` VARCHAR, `partition` INT, `offset` BIGINT>, \
    productionError STRUCT<errorMessage VARCHAR>, \
    serializationError STRUCT<target VARCHAR, errorMessage VARCHAR, record VARCHAR, cause ARRAY<VARCHAR>, \
    `topic` VARCHAR, `partition` INT, `offset` BIGINT>>";

/// Writes the sample of this epoch, and how many more there were.
pub(super) fn write(
    problems: &mut Problems,
    partition: &Arc<Partition>,
    tx: &mut EpochTx,
    now_ms: i64,
) -> Result<(), LogError> {
    let more = problems.dropped;
    let sample = problems.take();
    let Some(last) = sample.last().cloned() else { return Ok(()) };
    let mut builder = BatchBuilder::new();
    for problem in &sample {
        builder.append(now_ms, None, Some(record(problem, now_ms).to_string().as_bytes()), &[]);
    }
    if more > 0 {
        let summary =
            Problem { message: format!("{more} further errors in the same moment"), offset: -1, ..last };
        builder.append(now_ms, None, Some(record(&summary, now_ms).to_string().as_bytes()), &[]);
    }
    let mut lost = |TooLarge { size, max }| {
        tracing::warn!(topic = partition.topic(), size, max, "entry of the processing log is too large");
    };
    append_divided(tx, partition, builder.finish(), now_ms, &mut lost)?;
    Ok(())
}

fn record(problem: &Problem, now_ms: i64) -> Value {
    let mut message: String = problem.message.chars().take(MESSAGE_MAX).collect();
    if message.len() < problem.message.len() {
        message.push('…');
    }
    let place = json!({
        "target": "value",
        "errorMessage": message,
        "cause": [],
        "topic": &*problem.topic,
        "partition": problem.partition,
        "offset": problem.offset,
    });
    let field = match problem.kind {
        0 => "deserializationError",
        1 => "recordProcessingError",
        2 => "productionError",
        _ => "serializationError",
    };
    json!({
        "level": "ERROR",
        "logger": format!("processing.{}.{}", problem.query_id, problem.step),
        "time": now_ms,
        "message": { "type": problem.kind, field: place },
    })
}
