//! The rows of a table by key, each with its time.

use state::{Logged, Options, Store};
use types::Value;

use crate::change::Change;
use crate::codec;
use crate::error::TaskError;
use crate::view::{RowBounds, ViewRow};

pub(crate) struct TableRows {
    store: Store,
    key: Vec<u8>,
    bytes: Vec<u8>,
    row: Vec<Value>,
    is_windowed: bool,
}

impl TableRows {
    pub(crate) fn new(options: Options, is_windowed: bool) -> Self {
        Self { store: Store::new(options), key: vec![], bytes: vec![], row: vec![], is_windowed }
    }

    pub(crate) fn store(&mut self) -> &mut dyn Logged {
        &mut self.store
    }

    /// Returns the row of a key and its time.
    pub(crate) fn get(
        &mut self,
        key: &[Value],
        window: Option<(i64, i64)>,
    ) -> Result<Option<(&[Value], i64)>, TaskError> {
        codec::put_key(key, window, &mut self.key);
        match self.store.get(&self.key)? {
            None => Ok(None),
            Some(bytes) => {
                let timestamp = codec::row_into(bytes, &mut self.row)?;
                Ok(Some((&self.row, timestamp)))
            }
        }
    }

    /// Takes a change in and returns the row before it, with its time.
    pub(crate) fn replace(&mut self, change: &Change<'_>) -> Result<Option<(&[Value], i64)>, TaskError> {
        codec::put_key(change.key, change.window, &mut self.key);
        let old_timestamp = match self.store.get(&self.key)? {
            None => None,
            Some(bytes) => Some(codec::row_into(bytes, &mut self.row)?),
        };
        self.write(change)?;
        Ok(old_timestamp.map(|timestamp| (self.row.as_slice(), timestamp)))
    }

    /// Takes a change in.
    pub(crate) fn set(&mut self, change: &Change<'_>) -> Result<(), TaskError> {
        codec::put_key(change.key, change.window, &mut self.key);
        self.write(change)
    }

    fn write(&mut self, change: &Change<'_>) -> Result<(), TaskError> {
        match change.new {
            None => {
                self.store.remove(&self.key)?;
            }
            Some(columns) => {
                self.bytes.clear();
                match columns.decoded() {
                    Some(values) => codec::put_row(change.timestamp, values, &mut self.bytes),
                    None => {
                        let mut values = Vec::with_capacity(columns.len());
                        columns.append_to(&mut values);
                        codec::put_row(change.timestamp, &values, &mut self.bytes);
                    }
                }
                self.store.put(&self.key, &self.bytes)?;
            }
        }
        Ok(())
    }

    /// Gives the rows within bounds until `visit` returns false.
    pub(crate) fn read(
        &mut self,
        bounds: &RowBounds<'_>,
        visit: &mut dyn FnMut(ViewRow) -> bool,
    ) -> Result<(), TaskError> {
        if let (Some(key), false) = (bounds.key, self.is_windowed) {
            let row = self.get(key, None)?.map(|(value, timestamp)| (value.to_vec(), timestamp));
            if let Some((value, timestamp)) = row {
                visit(ViewRow { key: key.to_vec(), window: None, value, timestamp });
            }
            return Ok(());
        }
        let is_windowed = self.is_windowed;
        let (mut goes_on, mut result) = (true, Ok(()));
        self.store.for_each_entry(&mut |key, bytes| {
            if !goes_on || result.is_err() {
                return;
            }
            let row = codec::key(key, is_windowed).and_then(|(key, window)| {
                let mut value = Vec::new();
                let timestamp = codec::row_into(bytes, &mut value)?;
                Ok(ViewRow { key, window, value, timestamp })
            });
            match row {
                Ok(row) if bounds.include(&row.key, row.window) => goes_on = visit(row),
                Ok(_) => {}
                Err(error) => result = Err(error),
            }
        })?;
        result
    }
}
