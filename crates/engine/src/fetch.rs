//! Records of a topic from an offset on, as they are there now: a look, not a subscription.

use commitlog::{Isolation, UNPACKED_BATCH_BYTES_MAX, batches};
use types::ErrorKind;

use crate::core::Inner;
use crate::error::{EngineError, Result};
use crate::query::log_error;

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 18;

/// How much of a topic is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Fetch {
    /// One partition; all without.
    pub partition: Option<u32>,
    /// The first offset, in each partition.
    pub offset: i64,
    /// Records at most.
    pub records_max: usize,
    /// Bytes of keys and values after which no further record is taken.
    pub bytes_max: usize,
}

/// A record as it lies in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedRecord {
    /// Record time, ms.
    pub timestamp: i64,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// Names and values of headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: i64,
}

/// Committed records, partition by partition; a partition that is not there has none.
pub(crate) fn fetch(inner: &Inner, topic: &str, fetch: Fetch) -> Result<Vec<FetchedRecord>> {
    let count = inner.log.describe_topic(topic).map_err(log_error)?.partitions;
    let damaged = |e: &dyn std::fmt::Display| {
        EngineError::new(ErrorKind::External, "log_damaged", format!("reading topic \"{topic}\": {e}"))
    };
    let mut found = Vec::new();
    let mut found_bytes = 0;
    let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
    for p in (0..count).filter(|p| fetch.partition.is_none_or(|wanted| wanted == *p)) {
        let partition = inner.log.partition(topic, p).map_err(log_error)?;
        let start = fetch.offset.max(partition.offsets().log_start);
        if start >= partition.offsets().next {
            continue;
        }
        let mut reader = partition.reader(start, Isolation::ReadCommitted);
        while reader.has_more() {
            let before = reader.offset();
            reader.read(READ_BYTES, &mut bytes).map_err(log_error)?;
            for batch in batches(&bytes) {
                let batch = batch.map_err(|e| damaged(&e))?;
                if batch.is_control() {
                    continue;
                }
                for record in
                    batch.records(&mut scratch, UNPACKED_BATCH_BYTES_MAX).map_err(|e| damaged(&e))?
                {
                    let record = record.map_err(|e| damaged(&e))?;
                    if record.offset < start {
                        continue;
                    }
                    if found.len() >= fetch.records_max || found_bytes >= fetch.bytes_max {
                        return Ok(found);
                    }
                    found_bytes += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
                    let headers = record.headers().map(|header| {
                        header.map(|header| {
                            let name = String::from_utf8_lossy(header.key).into_owned();
                            (name, header.value.map(<[u8]>::to_vec))
                        })
                    });
                    let headers =
                        headers.collect::<std::result::Result<Vec<_>, _>>().map_err(|e| damaged(&e))?;
                    found_bytes +=
                        headers.iter().map(|(n, v)| n.len() + v.as_ref().map_or(0, Vec::len)).sum::<usize>();
                    found.push(FetchedRecord {
                        timestamp: record.timestamp,
                        key: record.key.map(<[u8]>::to_vec),
                        value: record.value.map(<[u8]>::to_vec),
                        headers,
                        partition: p,
                        offset: record.offset,
                    });
                }
            }
            if reader.offset() == before {
                break;
            }
        }
    }
    Ok(found)
}
