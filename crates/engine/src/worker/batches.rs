//! Records on their way to one partition, in batches that it takes.
//!
//! A partition refuses a batch above its topic's `max.message.bytes`, which a client may change at any time. So the
//! limit known here only saves work: a batch that is refused is halved until its parts are taken, and a record that
//! is refused alone is lost.

use std::sync::Arc;

use commitlog::{Batch, BatchBuilder, EpochTx, LogError, Partition};
use runtime::Encoded;

/// A batch is handed to the log before it is larger.
pub(super) const BATCH_BYTES: usize = 256 << 10;
/// Bytes of a record besides its key and value, at most.
const RECORD_OVERHEAD_BYTES: usize = 40;
/// A larger record is not even tried: the length of a batch has 31 bits.
const RECORD_BYTES_MAX: usize = 1 << 30;

/// A record that a partition does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    /// Bytes of a batch with nothing else in it.
    pub size: usize,
    /// What the partition takes.
    pub max: usize,
}

/// The batch that is being filled for a partition.
pub(crate) struct Batches {
    partition: Arc<Partition>,
    builder: BatchBuilder,
    /// A batch is handed over before it is larger; a larger record is alone in its batch.
    bytes_max: usize,
}

impl Batches {
    /// `max_message_bytes`: what the topic takes, as far as is known.
    pub fn new(partition: Arc<Partition>, max_message_bytes: usize) -> Self {
        Self { partition, builder: BatchBuilder::new(), bytes_max: BATCH_BYTES.min(max_message_bytes) }
    }

    pub fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    pub fn is_empty(&self) -> bool {
        self.builder.is_empty()
    }

    pub fn size(&self) -> usize {
        self.builder.size()
    }

    /// Whether what is there must be handed over before a record is appended.
    #[inline]
    pub fn is_full_for(&self, record: &Encoded<'_>) -> bool {
        self.builder.size() + size(record) > self.bytes_max
    }

    /// Whether no partition can take a record, whatever its limit.
    pub fn is_impossible(record: &Encoded<'_>) -> bool {
        size(record) > RECORD_BYTES_MAX
    }

    #[inline]
    pub fn append(&mut self, record: &Encoded<'_>) {
        self.builder.append(record.timestamp, record.key, record.value, &[]);
    }

    /// Forgets what is there.
    pub fn clear(&mut self) {
        self.builder.clear();
    }

    /// Hands what is there to the transaction; returns how many records were taken.
    pub fn hand_over(
        &mut self,
        tx: &mut EpochTx,
        now_ms: i64,
        lost: &mut dyn FnMut(TooLarge),
    ) -> Result<u64, LogError> {
        let mut records = self.builder.record_count() as u64;
        let mut without = |too_large: TooLarge| {
            records -= 1;
            lost(too_large);
        };
        let limit = append_divided(tx, &self.partition, self.builder.finish(), now_ms, &mut without);
        self.builder.clear();
        if let Some(max) = limit? {
            self.bytes_max = BATCH_BYTES.min(max);
        }
        Ok(records)
    }
}

#[inline]
fn size(record: &Encoded<'_>) -> usize {
    RECORD_OVERHEAD_BYTES + record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len)
}

/// Appends a finished batch of records without headers, or the parts of it that the partition takes; returns the
/// partition's limit if it was met.
pub(super) fn append_divided(
    tx: &mut EpochTx,
    partition: &Arc<Partition>,
    bytes: &mut [u8],
    now_ms: i64,
    lost: &mut dyn FnMut(TooLarge),
) -> Result<Option<usize>, LogError> {
    let (size, max) = match tx.append_to(partition, bytes, now_ms) {
        Ok(_) => return Ok(None),
        Err(LogError::BatchTooLarge { size, max, .. }) => (size, max),
        Err(error) => return Err(error),
    };
    let invalid = |source| LogError::InvalidBatch {
        topic: partition.topic().to_owned(),
        partition: partition.partition(),
        source,
    };
    let batch = Batch::parse(bytes).map_err(invalid)?;
    let count = batch.record_count() as usize;
    if count < 2 {
        lost(TooLarge { size, max });
        return Ok(Some(max));
    }
    // At most 32 deep: each part has half of the records.
    let mut parts = [BatchBuilder::new(), BatchBuilder::new()];
    for (n, record) in batch.records(&mut Vec::new(), 0).map_err(invalid)?.enumerate() {
        let record = record.map_err(invalid)?;
        parts[usize::from(n >= count / 2)].append(record.timestamp, record.key, record.value, &[]);
    }
    for part in &mut parts {
        append_divided(tx, partition, part.finish(), now_ms, lost)?;
    }
    Ok(Some(max))
}
