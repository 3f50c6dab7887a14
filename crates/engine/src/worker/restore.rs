//! State changes to a query's changelog topic, and back.
//!
//! One changelog topic a query, one partition a task. A record's key is the number of the store in the task
//! (one byte), then the store's own key; the task's small state has the number `META`.

use std::sync::Arc;

use commitlog::{
    BatchBuilder, EpochTx, Isolation, Log, LogError, Partition, UNPACKED_BATCH_BYTES_MAX, batches,
};
use runtime::Task;

/// Stands for the task's small state in place of a store's number.
const META: u8 = 255;
/// Bytes of one changelog batch.
const BATCH_BYTES: usize = 256 << 10;
/// Bytes read at a time.
const READ_BYTES: usize = 4 << 20;

/// Writes what changed since the last call.
pub(super) fn write_changes(
    task: &mut Task,
    builder: &mut BatchBuilder,
    changelog: &Arc<Partition>,
    tx: &mut EpochTx,
    now_ms: i64,
) -> Result<(), LogError> {
    let mut failed = Ok(());
    let mut key = Vec::new();
    let mut changed = false;
    for (number, (_, store)) in task.stores_mut().enumerate() {
        let drained = store.drain_changes(&mut |store_key, value| {
            changed = true;
            key.clear();
            key.push(number as u8);
            key.extend_from_slice(store_key);
            builder.append(now_ms, Some(&key), value, &[]);
            if builder.size() >= BATCH_BYTES && failed.is_ok() {
                failed = tx.append_to(changelog, builder.finish(), now_ms).map(|_| ());
                builder.clear();
            }
        });
        drained.map_err(|e| LogError::Damaged { path: "state".into(), reason: e.to_string() })?;
    }
    failed?;
    if changed {
        builder.append(now_ms, Some(&[META]), Some(&task.save_meta()), &[]);
    }
    if !builder.is_empty() {
        tx.append_to(changelog, builder.finish(), now_ms)?;
        builder.clear();
    }
    Ok(())
}

/// Brings a new task's state to what was committed.
pub(crate) fn changelog_value(
    log: &Arc<Log>,
    changelog: &Arc<Partition>,
    task: &mut Task,
) -> Result<u64, String> {
    let _ = log;
    let start = changelog.offsets().log_start;
    let mut reader = changelog.reader(start, Isolation::ReadCommitted);
    let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
    let mut meta = None;
    let mut entries = 0;
    while reader.has_more() {
        let before = reader.offset();
        reader.read(READ_BYTES, &mut bytes).map_err(|e| e.to_string())?;
        for batch in batches(&bytes) {
            let batch = batch.map_err(|e| e.to_string())?;
            if batch.is_control() {
                continue;
            }
            let mut stores: Vec<_> = task.stores_mut().collect();
            for record in batch.records(&mut scratch, UNPACKED_BATCH_BYTES_MAX).map_err(|e| e.to_string())? {
                let record = record.map_err(|e| e.to_string())?;
                let Some((number, key)) = record.key.and_then(|k| k.split_first()) else { continue };
                if *number == META {
                    meta = record.value.map(<[u8]>::to_vec);
                    continue;
                }
                if let Some((_, store)) = stores.get_mut(usize::from(*number)) {
                    store.apply(key, record.value).map_err(|e| e.to_string())?;
                    entries += 1;
                }
            }
        }
        if reader.offset() == before {
            break;
        }
    }
    task.load_meta(meta.as_deref().unwrap_or_default()).map_err(|e| e.to_string())?;
    Ok(entries)
}
