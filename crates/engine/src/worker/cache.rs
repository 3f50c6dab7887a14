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
    window: Option<(i64, i64)>,
    timestamp: i64,
    /// Key columns, then value columns: one piece of memory, as each is far away.
    values: Vec<Value>,
    key_columns: usize,
    has_value: bool,
}

/// Rows waiting.
pub(crate) struct RowCache {
    /// Hashes and places in `rows`.
    index: HashTable<(u64, u32)>,
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
        row.key.iter().for_each(|value| hash(value, &mut hasher));
        hasher.write_i64(row.window.map_or(-1, |(start, _)| start));
        let hash = hasher.finish();
        let rows = &mut self.rows;
        let found = self.index.find(hash, |&(other, place)| {
            let cached = &rows[place as usize];
            other == hash && cached.window == row.window && cached.values[..cached.key_columns] == *row.key
        });
        let place = match found {
            Some((_, place)) => *place as usize,
            None => {
                let place = self.count;
                if place == rows.len() {
                    rows.push(CachedRow {
                        window: None,
                        timestamp: 0,
                        values: vec![],
                        key_columns: 0,
                        has_value: false,
                    });
                }
                let cached = &mut rows[place];
                cached.window = row.window;
                cached.key_columns = row.key.len();
                row.key.clone_into(&mut cached.values);
                self.bytes += ENTRY_BYTES + size(row.key);
                self.count += 1;
                self.index.insert_unique(hash, (hash, place as u32), |&(hash, _)| hash);
                place
            }
        };
        let cached = &mut rows[place];
        cached.timestamp = row.timestamp;
        cached.has_value = row.value.is_some();
        self.bytes += row.value.map_or(0, size);
        self.bytes -= size(&cached.values[cached.key_columns..]);
        cached.values.truncate(cached.key_columns);
        cached.values.extend_from_slice(row.value.unwrap_or_default());
    }

    /// Gives all rows and is empty then.
    pub fn drain(&mut self, take: &mut dyn FnMut(Emitted<'_>)) {
        for row in &self.rows[..self.count] {
            let (key, value) = row.values.split_at(row.key_columns);
            take(Emitted {
                key,
                window: row.window,
                value: row.has_value.then_some(value),
                timestamp: row.timestamp,
            });
        }
        self.index.clear();
        (self.count, self.bytes) = (0, 0);
    }
}

/// Texts are hashed in one go.
fn hash(value: &Value, hasher: &mut impl Hasher) {
    match value {
        Value::String(text) => hasher.write(text.as_bytes()),
        other => other.hash(hasher),
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
