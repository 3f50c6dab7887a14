//! The rows of a table that wait for the commit, so that of several changes of a key only the last is written.
//!
//! `cache.max.bytes.buffering` says how much may wait; 0 writes every change. Rows come out in the order in which
//! their keys changed first. Always empty after a commit, so nothing is lost by a restart.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use runtime::Emitted;
use types::Value;

/// What an entry costs beside its values' own text.
const ENTRY_BYTES: usize = 160;

struct CachedRow {
    hash: u64,
    key: Vec<Value>,
    window: Option<(i64, i64)>,
    has_value: bool,
    value: Vec<Value>,
    timestamp: i64,
}

/// Rows waiting.
pub(crate) struct RowCache {
    /// Places in `rows`.
    index: HashTable<u32>,
    hasher: RandomState,
    /// The first `count` are in use; the others are kept for their buffers.
    rows: Vec<CachedRow>,
    count: usize,
    bytes: usize,
    bytes_max: usize,
}

impl RowCache {
    pub fn new(bytes_max: usize) -> Self {
        Self {
            index: HashTable::new(),
            hasher: RandomState::default(),
            rows: vec![],
            count: 0,
            bytes: 0,
            bytes_max,
        }
    }

    /// Whether it has reached its bound.
    pub fn is_full(&self) -> bool {
        self.bytes >= self.bytes_max
    }

    /// Takes a row in place of the one its key had.
    pub fn put(&mut self, row: &Emitted<'_>) {
        let mut hasher = self.hasher.build_hasher();
        row.key.hash(&mut hasher);
        row.window.hash(&mut hasher);
        let hash = hasher.finish();
        let rows = &mut self.rows;
        let found = self.index.find(hash, |&place| {
            let cached = &rows[place as usize];
            cached.hash == hash && cached.window == row.window && cached.key == row.key
        });
        let place = match found {
            Some(place) => *place as usize,
            None => {
                let place = self.count;
                if place == rows.len() {
                    rows.push(CachedRow {
                        hash,
                        key: vec![],
                        window: None,
                        has_value: false,
                        value: vec![],
                        timestamp: 0,
                    });
                }
                let cached = &mut rows[place];
                (cached.hash, cached.window) = (hash, row.window);
                row.key.clone_into(&mut cached.key);
                self.bytes += ENTRY_BYTES + size(row.key) + row.value.map_or(0, size);
                self.count += 1;
                self.index.insert_unique(hash, place as u32, |&other| rows[other as usize].hash);
                place
            }
        };
        let cached = &mut rows[place];
        cached.timestamp = row.timestamp;
        cached.has_value = row.value.is_some();
        row.value.unwrap_or_default().clone_into(&mut cached.value);
    }

    /// Gives all rows and is empty then.
    pub fn drain(&mut self, take: &mut dyn FnMut(Emitted<'_>)) {
        for row in &self.rows[..self.count] {
            take(Emitted {
                key: &row.key,
                window: row.window,
                value: row.has_value.then_some(&row.value),
                timestamp: row.timestamp,
            });
        }
        self.index.clear();
        (self.count, self.bytes) = (0, 0);
    }
}

/// About how much values have on the heap.
fn size(values: &[Value]) -> usize {
    let heap = |value: &Value| match value {
        Value::String(text) if text.len() > 24 => text.len(),
        Value::Array(items) => size(items),
        Value::Struct(fields) => size(fields),
        Value::Map(entries) => entries.len() * 2 * size_of::<Value>(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    values.iter().map(|value| size_of::<Value>() + heap(value)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(cache: &mut RowCache, key: i64, value: Option<i64>, timestamp: i64) {
        let value = value.map(|value| [Value::BigInt(value)]);
        let value = value.as_ref().map(|value| value.as_slice());
        cache.put(&Emitted { key: &[Value::BigInt(key)], window: None, value, timestamp });
    }

    fn drain(cache: &mut RowCache) -> Vec<(Value, Option<Value>, i64)> {
        let mut rows = vec![];
        cache.drain(&mut |row| {
            rows.push((row.key[0].clone(), row.value.map(|v| v[0].clone()), row.timestamp))
        });
        rows
    }

    #[test]
    fn last_row_of_a_key_comes_out_where_the_first_one_was() {
        let mut cache = RowCache::new(1 << 20);
        for (key, value, time) in [(1, Some(10), 1), (2, Some(20), 2), (1, Some(11), 3), (3, None, 4)] {
            put(&mut cache, key, value, time);
        }
        let number = Value::BigInt;
        let expect =
            [(number(1), Some(number(11)), 3), (number(2), Some(number(20)), 2), (number(3), None, 4)];
        assert_eq!(drain(&mut cache), expect);
        assert_eq!(drain(&mut cache), []);
        put(&mut cache, 2, Some(7), 5);
        assert_eq!(drain(&mut cache), [(number(2), Some(number(7)), 5)]);
    }

    #[test]
    fn many_keys_make_it_full() {
        let mut cache = RowCache::new(10_000);
        (0..1000).for_each(|_| put(&mut cache, 1, Some(1), 1));
        assert!(!cache.is_full());
        (0..1000).for_each(|key| put(&mut cache, key, Some(1), 1));
        assert!(cache.is_full());
        assert_eq!(drain(&mut cache).len(), 1000);
        assert!(!cache.is_full());
    }
}
