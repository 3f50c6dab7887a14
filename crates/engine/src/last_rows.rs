//! The rows of a table query that ends: only the last of each key is an answer, the ones before are its history.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use types::Value;

use crate::entity::ResultRow;
use crate::error::EngineError;
use crate::rows::Channel;
use crate::worker::Client;

/// Keys a query may have; more is an error that says so.
const KEYS_MAX: usize = 1_000_000;

/// Key columns and window.
type RowKey = (Box<[Value]>, Option<(i64, i64)>);

/// Keeps the last row of each key until the inputs have come to their end, then gives them in the order in which their
/// keys came first.
pub(crate) struct LastRows {
    channel: Arc<Channel>,
    places: HashMap<RowKey, usize>,
    rows: Vec<Option<ResultRow>>,
    keys_max: usize,
}

impl LastRows {
    pub fn new(channel: Arc<Channel>) -> Self {
        Self { channel, places: HashMap::new(), rows: vec![], keys_max: KEYS_MAX }
    }
}

impl Client for LastRows {
    fn has_room(&self) -> bool {
        true
    }

    fn row(&mut self, key: &[Value], window: Option<(i64, i64)>, value: Option<&[Value]>) {
        let row = value.map(|value| ResultRow { values: value.to_vec(), is_tombstone: false });
        match self.places.entry((key.into(), window)) {
            Entry::Occupied(place) => self.rows[*place.get()] = row,
            Entry::Vacant(_) if row.is_none() => {}
            Entry::Vacant(_) if self.rows.len() >= self.keys_max => {
                let message = format!("the query has more than {} keys", self.keys_max);
                let error = EngineError::user("too_many_keys", message)
                    .hint("make a table of it with CREATE TABLE … AS SELECT, and look up what you need");
                self.channel.fail(error);
            }
            Entry::Vacant(place) => {
                place.insert(self.rows.len());
                self.rows.push(row);
            }
        }
    }

    fn flush(&mut self) {}

    fn end(&mut self) {
        self.places.clear();
        self.channel.push(std::mem::take(&mut self.rows).into_iter().flatten());
        self.channel.end();
    }

    fn is_gone(&self) -> bool {
        self.channel.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rows::{RowEvent, Rows};

    fn put(client: &mut LastRows, key: i64, value: Option<i64>) {
        let value = value.map(|value| [Value::BigInt(value)]);
        client.row(&[Value::BigInt(key)], None, value.as_ref().map(|value| &value[..]));
    }

    #[test]
    fn last_row_of_each_key_is_given_at_the_end() {
        let channel = Arc::new(Channel::default());
        let mut client = LastRows::new(channel.clone());
        let mut rows = Rows::new(channel, None, None);
        for (key, value) in [(1, Some(10)), (2, Some(20)), (3, None), (1, Some(11)), (2, None), (4, Some(40))]
        {
            put(&mut client, key, value);
            client.flush();
        }
        assert!(rows.next(Duration::ZERO).is_none());
        client.end();
        let Some(RowEvent::Rows(given)) = rows.next(Duration::ZERO) else { panic!("no rows") };
        let given: Vec<_> = given.into_iter().map(|row| row.values).collect();
        assert_eq!(given, [[Value::BigInt(11)], [Value::BigInt(40)]]);
        assert!(matches!(rows.next(Duration::ZERO), Some(RowEvent::End { .. })));
    }

    #[test]
    fn too_many_keys_are_an_error() {
        let channel = Arc::new(Channel::default());
        let mut client = LastRows { keys_max: 2, ..LastRows::new(channel.clone()) };
        (0..3).for_each(|key| put(&mut client, key, Some(1)));
        let mut rows = Rows::new(channel, None, None);
        assert!(
            matches!(rows.next(Duration::ZERO), Some(RowEvent::Failed(e)) if e.to_string().contains("2 keys"))
        );
    }
}
