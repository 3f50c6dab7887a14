//! State changes to a query's changelog topic, and back.
//!
//! One changelog topic a query, one partition a task. A record's key is the number of the store in the task
//! (one byte), then the store's own key; the task's small state has the number `META`.

use std::path::Path;
use std::sync::Arc;

use commitlog::{BatchBuilder, EpochTx, Isolation, LogError, Partition, UNPACKED_BATCH_BYTES_MAX, batches};
use runtime::{Task, TaskError};

use super::batches::{BATCH_BYTES, TooLarge, append_divided};
use super::epoch::Failure;
use super::snapshot;

/// Stands for the task's small state in place of a store's number.
const META: u8 = 255;
/// Stores that have a number of their own.
pub(crate) const STORES_MAX: usize = META as usize;
/// Bytes read at a time.
const READ_BYTES: usize = 4 << 20;

/// Writes what changed of a query's task since the last call; returns how many bytes. `last_meta` is the small state
/// written last. That one moves without the stores, too: a record that a filter takes away still moves stream time.
pub(super) fn write_changes(
    (query_id, task, last_meta): (&Arc<str>, &mut Task, &mut Vec<u8>),
    builder: &mut BatchBuilder,
    changelog: &Arc<Partition>,
    tx: &mut EpochTx,
    now_ms: i64,
) -> Result<u64, Failure> {
    let mut append = |builder: &mut BatchBuilder| {
        let mut lost = None;
        let appended =
            append_divided(tx, changelog, builder.finish(), now_ms, &mut |large| lost = Some(large));
        builder.clear();
        let lost = lost.map(|TooLarge { size, max }| LogError::BatchTooLarge {
            topic: changelog.topic().to_owned(),
            size,
            max,
        });
        // What is lost of a state is lost for the query.
        appended.and(lost.map_or(Ok(()), Err)).map_err(|error| Failure::of(query_id, error))
    };
    let mut failed = Ok(());
    let mut key = Vec::new();
    let mut written = 0;
    for (number, (_, store)) in task.stores_mut().enumerate() {
        let drained = store.drain_changes(&mut |store_key, value| {
            key.clear();
            // As many as fit: a query with more is not started.
            key.push(number as u8);
            key.extend_from_slice(store_key);
            builder.append(now_ms, Some(&key), value, &[]);
            if builder.size() >= BATCH_BYTES && failed.is_ok() {
                written += builder.size() as u64;
                failed = append(builder);
            }
        });
        drained.map_err(|error| Failure::query(query_id, &error))?;
    }
    failed?;
    let meta = task.save_meta();
    if meta != *last_meta {
        builder.append(now_ms, Some(&[META]), Some(&meta), &[]);
        *last_meta = meta;
    }
    if !builder.is_empty() {
        written += builder.size() as u64;
        append(builder)?;
    }
    Ok(written)
}

/// A task with its state as it was committed last.
pub(crate) struct Restored {
    pub task: Task,
    /// What was read of the changelog.
    pub bytes: u64,
}

/// Sets up a task with what was committed last: the newest snapshot in `dir` that can be used, and the changelog
/// from there, or all of it.
pub(crate) fn restore(
    changelog: &Arc<Partition>,
    dir: &Path,
    new_task: &dyn Fn() -> Result<Task, TaskError>,
) -> Result<Restored, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let (mut task, head) = match snapshot::load_newest(dir, changelog, new_task).map_err(|e| text(&e))? {
        Some((task, head)) => (task, Some(head)),
        None => (new_task().map_err(|e| text(&e))?, None),
    };
    let start = head.as_ref().map_or(0, |head| head.from_offset).max(changelog.offsets().log_start);
    let mut meta = head.map(|head| head.meta);
    let bytes = replay(changelog, start, &mut task, &mut meta)?;
    task.load_meta(meta.as_deref().unwrap_or_default()).map_err(|e| text(&e))?;
    Ok(Restored { task, bytes })
}

/// Applies the changelog from an offset on; returns how many bytes were read.
fn replay(
    changelog: &Arc<Partition>,
    start: i64,
    task: &mut Task,
    meta: &mut Option<Vec<u8>>,
) -> Result<u64, String> {
    let mut reader = changelog.reader(start, Isolation::ReadCommitted);
    let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
    let mut stores: Vec<_> = task.stores_mut().collect();
    let mut total = 0;
    while reader.has_more() {
        let before = reader.offset();
        reader.read(READ_BYTES, &mut bytes).map_err(|e| e.to_string())?;
        total += bytes.len() as u64;
        for batch in batches(&bytes) {
            let batch = batch.map_err(|e| e.to_string())?;
            if batch.is_control() {
                continue;
            }
            for record in batch.records(&mut scratch, UNPACKED_BATCH_BYTES_MAX).map_err(|e| e.to_string())? {
                let record = record.map_err(|e| e.to_string())?;
                let Some((number, key)) = record.key.and_then(|k| k.split_first()) else { continue };
                // The batch that has the offset asked for may begin before it.
                if record.offset < start {
                    continue;
                }
                if *number == META {
                    *meta = record.value.map(<[u8]>::to_vec);
                } else if let Some((_, store)) = stores.get_mut(usize::from(*number)) {
                    store.load(key, record.value).map_err(|e| e.to_string())?;
                }
            }
        }
        if reader.offset() == before {
            break;
        }
    }
    for (_, store) in &mut stores {
        store.finish_loading().map_err(|e| e.to_string())?;
    }
    Ok(total)
}
