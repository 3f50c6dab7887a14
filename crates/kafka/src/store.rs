//! Small values of the broker, kept in the log's transaction journal: durable, and gone with the log.

use std::sync::{Arc, Mutex};

use commitlog::{EpochTx, Log, LogError};

/// With what the broker's own transactional ids begin.
pub(crate) const OWN_IDS: &str = "_tripline_";
/// The transactional id under which the broker keeps its values.
pub(crate) const STORE_ID: &str = "_tripline_kafka";

/// Key → value.
pub(crate) struct Store {
    log: Arc<Log>,
    transaction: Mutex<EpochTx>,
}

impl Store {
    pub(crate) fn open(log: &Arc<Log>, now_ms: i64) -> Result<Store, LogError> {
        Ok(Store { log: log.clone(), transaction: Mutex::new(log.transaction(STORE_ID, now_ms)?) })
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Arc<[u8]>> {
        self.log.committed_meta(STORE_ID, key)
    }

    /// Returns all keys.
    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        self.log.committed_metas(STORE_ID).into_iter().map(|(key, _)| key).collect()
    }

    /// Writes values (`None` removes) at once and waits until they are durable.
    pub(crate) fn put(&self, values: &[(Vec<u8>, Option<Vec<u8>>)], now_ms: i64) -> Result<(), LogError> {
        let mut transaction = self.transaction.lock().expect("no holder panics");
        for (key, value) in values {
            match value {
                Some(value) => transaction.put_meta(key, value, now_ms)?,
                None => transaction.remove_meta(key, now_ms)?,
            }
        }
        let done = transaction.commit(now_ms)?.wait();
        if done.is_err() {
            transaction.abort(now_ms)?;
        }
        done
    }
}
