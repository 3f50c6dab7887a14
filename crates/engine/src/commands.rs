//! The command log: every statement that changed something, in order, in a topic of its own.
//!
//! At start the statements are planned again, one after the other, so that plans have no on-disk format. A
//! command is a JSON object; what a later version does not know it leaves alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use commitlog::{BatchBuilder, Isolation, Log, UNPACKED_BATCH_BYTES_MAX, batches};
use serde::{Deserialize, Serialize};
use types::ErrorKind;

use crate::error::{EngineError, Result};
use crate::query::log_error;

/// A statement as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Command {
    /// `stream/NAME/create` and the like.
    pub id: String,
    /// The statement's text, variables replaced.
    pub statement: String,
    /// Settings that were overridden.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// The query it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_id: Option<String>,
    /// Where that query begins: topic, partition, offset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<(String, u32, i64)>,
    /// The id of the topic it deletes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletes: Option<String>,
}

/// The command log's topic.
pub(crate) struct CommandLog {
    log: Arc<Log>,
    topic: String,
}

/// Returns the name of the topic that holds the statements.
pub(crate) fn topic_name(service_id: &str) -> String {
    format!("_confluent-ksql-{service_id}_command_topic")
}

impl CommandLog {
    pub fn open(log: Arc<Log>, service_id: &str, now_ms: i64) -> Result<Self> {
        let topic = topic_name(service_id);
        if log.describe_topic(&topic).is_err() {
            let settings =
                [("retention.ms", "-1"), ("cleanup.policy", "delete"), ("max.message.bytes", "16777216")];
            let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            log.create_topic(&topic, 1, &settings, now_ms).map_err(log_error)?;
        }
        Ok(Self { log, topic })
    }

    /// Appends a command; durable when it returns. Answers its sequence number.
    pub fn append(&self, command: &Command, now_ms: i64) -> Result<i64> {
        let text = serde_json::to_vec(command)
            .map_err(|e| EngineError::new(ErrorKind::Internal, "command_failed", e.to_string()))?;
        let mut builder = BatchBuilder::new();
        builder.append(now_ms, Some(command.id.as_bytes()), Some(&text), &[]);
        let (info, ticket) =
            self.log.append_durable(&self.topic, 0, builder.finish(), now_ms).map_err(log_error)?;
        ticket.wait().map_err(log_error)?;
        Ok(info.base_offset)
    }

    /// All commands in order, with their sequence numbers. What is none is left out, so that it keeps nobody from starting.
    pub fn read(&self) -> Result<Vec<(i64, Command)>> {
        let mut commands = Vec::new();
        let offsets = self.log.offsets(&self.topic, 0).map_err(log_error)?;
        if offsets.log_start > 0 {
            let (topic, first) = (&*self.topic, offsets.log_start);
            tracing::error!(topic, first, "statements before this offset are gone, records were deleted");
        }
        let mut reader = self
            .log
            .reader(&self.topic, 0, offsets.log_start, Isolation::ReadCommitted)
            .map_err(log_error)?;
        let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
        while reader.has_more() {
            reader.read(1 << 20, &mut bytes).map_err(log_error)?;
            for batch in batches(&bytes) {
                let batch = batch.map_err(|e| damaged(&e.to_string()))?;
                let records = batch
                    .records(&mut scratch, UNPACKED_BATCH_BYTES_MAX)
                    .map_err(|e| damaged(&e.to_string()))?;
                for record in records {
                    let record = record.map_err(|e| damaged(&e.to_string()))?;
                    let Some(value) = record.value else { continue };
                    match serde_json::from_slice(value) {
                        Ok(command) => commands.push((record.offset, command)),
                        Err(error) => {
                            let (topic, offset) = (&*self.topic, record.offset);
                            tracing::error!(topic, offset, %error, "record is not a statement, left out");
                        }
                    }
                }
            }
        }
        Ok(commands)
    }
}

fn damaged(reason: &str) -> EngineError {
    EngineError::new(ErrorKind::External, "command_log_damaged", format!("reading the command log: {reason}"))
}
