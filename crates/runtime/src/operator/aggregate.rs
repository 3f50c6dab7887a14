//! Aggregate without a window: one row for each key.

use state::{Logged, Options, Store, Update};
use types::Value;

use super::{Downstream, Fold, Operator, Side};
use crate::change::{Change, ErrorReason};
use crate::codec;
use crate::error::TaskError;
use crate::eval::Columns;
use crate::view::{RowBounds, ViewRow};

pub(crate) struct Aggregate {
    fold: Fold,
    groups: Store,
    sends_old: bool,
    key: Vec<u8>,
}

impl Aggregate {
    pub(crate) fn new(fold: Fold, options: Options, sends_old: bool) -> Self {
        Self { fold, groups: Store::new(options), sends_old, key: vec![] }
    }
}

impl Operator for Aggregate {
    fn process(
        &mut self,
        _: Side,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        let Some(columns) = change.new else { return Ok(()) };
        if has_null(change.key) {
            down.lost(ErrorReason::NullKey, "aggregate", "record has no group", change);
            return Ok(());
        }
        self.fold.prepare(&change.row(columns), change, down);
        codec::put_key(change.key, None, &mut self.key);
        let (fold, sends_old) = (&mut self.fold, self.sends_old);
        let (mut timestamp, mut old_timestamp) = (change.timestamp, None);
        let mut result = Ok(());
        self.groups.update(&self.key, |stored, bytes| {
            match stored.map(|stored| fold.load(stored)) {
                Some(Ok(stored)) => {
                    timestamp = timestamp.max(stored);
                    old_timestamp = Some(stored);
                    if sends_old {
                        fold.finish_old();
                    }
                }
                Some(Err(error)) => {
                    result = Err(error);
                    return Update::Keep;
                }
                None => fold.start(),
            }
            fold.add();
            fold.store(timestamp, bytes);
            Update::Put
        })?;
        result?;
        self.fold.finish();
        self.fold.report(change, down);
        let old = old_timestamp.filter(|_| self.sends_old);
        down.send(&Change {
            window: None,
            new: Some(Columns::Values(self.fold.result())),
            old: old.map(|_| self.fold.old_result()),
            timestamp,
            old_timestamp: old.unwrap_or(0),
            ..*change
        })
    }

    fn stores(&mut self) -> Vec<(&'static str, &mut dyn Logged)> {
        vec![("groups", &mut self.groups)]
    }

    fn read(
        &mut self,
        bounds: &RowBounds<'_>,
        visit: &mut dyn FnMut(ViewRow) -> bool,
    ) -> Result<(), TaskError> {
        read_groups(&mut self.groups, &mut self.fold, bounds, visit)
    }
}

/// Whether a column of a group's key is NULL: such rows are in no group.
pub(crate) fn has_null(key: &[Value]) -> bool {
    key.is_empty() || key.iter().any(Value::is_null)
}

/// Gives the groups within bounds until `visit` returns false.
pub(crate) fn read_groups(
    groups: &mut Store,
    fold: &mut Fold,
    bounds: &RowBounds<'_>,
    visit: &mut dyn FnMut(ViewRow) -> bool,
) -> Result<(), TaskError> {
    if let Some(key) = bounds.key {
        let mut bytes = Vec::new();
        codec::put_key(key, None, &mut bytes);
        if let Some(stored) = groups.get(&bytes)? {
            let timestamp = fold.finish_stored(stored)?;
            let value = fold.result().to_vec();
            visit(ViewRow { key: key.to_vec(), window: None, value, timestamp });
        }
        return Ok(());
    }
    let (mut goes_on, mut result) = (true, Ok(()));
    groups.for_each_entry(&mut |key, stored| {
        if !goes_on || result.is_err() {
            return;
        }
        let row = codec::key(key, false).and_then(|(key, window)| {
            let timestamp = fold.finish_stored(stored)?;
            Ok(ViewRow { key, window, value: fold.result().to_vec(), timestamp })
        });
        match row {
            Ok(row) => goes_on = visit(row),
            Err(error) => result = Err(error),
        }
    })?;
    result
}
