//! Table ⋈ table where an expression of the left row is the right table's key (KIP-213).
//!
//! Seen from outside, as Kafka Streams' subscriptions work:
//!
//! - a left row with a right row gives the joined row; without one, LEFT gives it with NULLs, INNER a deletion if the
//!   left row is not new, else nothing;
//! - a left deletion of a known row gives a deletion;
//! - a change of a right row gives, for every left row that points to it, by left key, the joined row; when the right
//!   row is deleted, LEFT gives the row with NULLs and INNER a deletion.
//!
//! Which left rows point to a right row is kept in an ordered set in memory, made from the left rows after a restore.

use std::collections::BTreeSet;

use state::{Logged, Options, Store};
use types::Value;

use super::table_rows::TableRows;
use super::{Downstream, Operator, Side};
use crate::change::{Change, ErrorReason};
use crate::codec;
use crate::error::TaskError;
use crate::eval::{Columns, Compiled};

const STEP: &str = "foreign key join";

pub(crate) struct ForeignKeyJoin {
    /// Left rows: foreign key (with its length before it), then the row.
    left: Store,
    right: TableRows,
    /// The results, kept where old rows are asked for.
    results: Option<TableRows>,
    /// (foreign key, ordered bytes of the left key, left key)
    pointers: BTreeSet<(Vec<u8>, Vec<u8>, Vec<u8>)>,
    foreign_key: Compiled,
    is_left: bool,
    is_windowed: bool,
    columns: [usize; 2],
    row: Vec<Value>,
}

/// A stored left row.
struct LeftRow {
    foreign_key: Vec<u8>,
    timestamp: i64,
    values: Vec<Value>,
}

impl LeftRow {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&(self.foreign_key.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.foreign_key);
        codec::put_row(self.timestamp, &self.values, bytes);
    }

    fn read(bytes: &[u8]) -> Result<Self, TaskError> {
        let (foreign_key, row) = split_foreign_key(bytes)?;
        let mut values = Vec::new();
        let timestamp = codec::row_into(row, &mut values)?;
        Ok(Self { foreign_key: foreign_key.to_vec(), timestamp, values })
    }
}

fn split_foreign_key(bytes: &[u8]) -> Result<(&[u8], &[u8]), TaskError> {
    let (len, rest) =
        bytes.split_first_chunk::<4>().ok_or_else(|| codec::damaged("left row is too short"))?;
    rest.split_at_checked(u32::from_le_bytes(*len) as usize)
        .ok_or_else(|| codec::damaged("left row is shorter than its foreign key"))
}

fn pointer(foreign_key: &[u8], key: &[Value], bytes: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let mut order = Vec::new();
    types::row::encode_ordered(key, &mut order);
    (foreign_key.to_vec(), order, bytes.to_vec())
}

impl ForeignKeyJoin {
    pub(crate) fn new(
        foreign_key: Compiled,
        is_left: bool,
        columns: [usize; 2],
        options: &Options,
        is_windowed: bool,
        sends_old: bool,
    ) -> Self {
        Self {
            left: Store::new(options.clone()),
            right: TableRows::new(options.clone(), false),
            results: sends_old.then(|| TableRows::new(options.clone(), is_windowed)),
            pointers: BTreeSet::new(),
            foreign_key,
            is_left,
            is_windowed,
            columns,
            row: vec![],
        }
    }

    fn send(
        &mut self,
        left: Option<&[Value]>,
        right: Option<&[Value]>,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        let left = left.filter(|_| self.is_left || right.is_some());
        self.row.clear();
        self.row.extend_from_slice(left.unwrap_or(&[]));
        self.row.resize(self.columns[0], Value::Null);
        self.row.extend_from_slice(right.unwrap_or(&[]));
        self.row.resize(self.columns[0] + self.columns[1], Value::Null);
        let change = Change { new: left.map(|_| Columns::Values(&self.row)), old: None, ..*change };
        match &mut self.results {
            None => down.send(&change),
            Some(results) => {
                let old = results.replace(&change)?;
                let old_timestamp = old.map_or(0, |(_, timestamp)| timestamp);
                down.send(&Change { old: old.map(|(row, _)| row), old_timestamp, ..change })
            }
        }
    }

    fn left_changed(&mut self, change: &Change<'_>, down: &mut Downstream<'_, '_>) -> Result<(), TaskError> {
        let mut key = Vec::new();
        codec::put_key(change.key, change.window, &mut key);
        let old = match self.left.get(&key)? {
            None => None,
            Some(bytes) => Some(LeftRow::read(bytes)?),
        };
        if let Some(old) = &old {
            self.pointers.remove(&pointer(&old.foreign_key, change.key, &key));
        }
        let Some(columns) = change.new else {
            self.left.remove(&key)?;
            return if old.is_some() { self.send(None, None, change, down) } else { Ok(()) };
        };
        let foreign_key = down.eval(STEP, &self.foreign_key, &change.row(columns), change);
        let mut values = Vec::with_capacity(columns.len());
        columns.append_to(&mut values);
        let mut row = LeftRow { foreign_key: vec![], timestamp: change.timestamp, values };
        if !foreign_key.is_null() {
            codec::put_key(std::slice::from_ref(&foreign_key), None, &mut row.foreign_key);
            self.pointers.insert(pointer(&row.foreign_key, change.key, &key));
        }
        let mut bytes = Vec::new();
        row.put(&mut bytes);
        self.left.put(&key, &bytes)?;
        let right = match foreign_key.is_null() {
            true => None,
            false => self.right.get(std::slice::from_ref(&foreign_key), None)?,
        };
        let right = right.map(|(row, timestamp)| (row.to_vec(), timestamp));
        if right.is_none() && !self.is_left && old.is_none() {
            return Ok(());
        }
        let timestamp = right.as_ref().map_or(change.timestamp, |right| right.1.max(change.timestamp));
        let right = right.as_ref().map(|right| right.0.as_slice());
        self.send(Some(&row.values), right, &Change { timestamp, ..*change }, down)
    }

    fn right_changed(&mut self, change: &Change<'_>, down: &mut Downstream<'_, '_>) -> Result<(), TaskError> {
        self.right.set(change)?;
        let mut foreign_key = Vec::new();
        codec::put_key(change.key, None, &mut foreign_key);
        let right = change.new.map(|columns| {
            let mut values = Vec::with_capacity(columns.len());
            columns.append_to(&mut values);
            values
        });
        // What a result leads to cannot change the left rows, but borrows all of this operator.
        let first = (foreign_key.clone(), vec![], vec![]);
        let keys: Vec<Vec<u8>> = self
            .pointers
            .range(first..)
            .take_while(|pointer| pointer.0 == foreign_key)
            .map(|pointer| pointer.2.clone())
            .collect();
        for bytes in keys {
            let Some(stored) = self.left.get(&bytes)? else { continue };
            let left = LeftRow::read(stored)?;
            let (key, window) = codec::key(&bytes, self.is_windowed)?;
            let timestamp = left.timestamp.max(change.timestamp);
            let change = Change { key: &key, window, timestamp, ..*change };
            self.send(Some(&left.values), right.as_deref(), &change, down)?;
        }
        Ok(())
    }
}

impl Operator for ForeignKeyJoin {
    fn process(
        &mut self,
        side: Side,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        if change.key_is_null() {
            down.lost(ErrorReason::NullKey, STEP, "record has no key", change);
            return Ok(());
        }
        match side {
            Side::Left => self.left_changed(change, down),
            Side::Right => self.right_changed(change, down),
        }
    }

    fn stores(&mut self) -> Vec<(&'static str, &mut dyn Logged)> {
        let mut stores: Vec<(&'static str, &mut dyn Logged)> =
            vec![("left", &mut self.left), ("right", self.right.store())];
        stores.extend(self.results.iter_mut().map(|results| ("results", results.store())));
        stores
    }

    fn restored(&mut self) -> Result<(), TaskError> {
        self.pointers.clear();
        let (pointers, is_windowed) = (&mut self.pointers, self.is_windowed);
        let mut result = Ok(());
        self.left.for_each_entry(&mut |bytes, row| {
            let made = split_foreign_key(row).and_then(|(foreign_key, _)| {
                if !foreign_key.is_empty() {
                    pointers.insert(pointer(foreign_key, &codec::key(bytes, is_windowed)?.0, bytes));
                }
                Ok(())
            });
            if let Err(error) = made {
                result = Err(error);
            }
        })?;
        result
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use plan::step::{JoinKind, Step, StepKind};

    fn joined(kind: JoinKind) -> Step {
        join(table(&[Str, BigInt]), table(&[Str]), |left, right| StepKind::ForeignKeyJoin {
            kind,
            left,
            right,
            foreign_key: column(1, BigInt),
        })
    }

    const INPUT: &str =
        "0 1: zero,0 @0\n1 0: blah @10\n0 1: zero,0 @11\n0 0: foo,100 @13\n1 0: a @15\n0 10: bar,0 @16
        1 0: null @17\n0 1: null @18\n0 0: null @19";

    #[test]
    fn right_rows_reach_the_left_rows_that_point_to_them() {
        check(
            joined(JoinKind::Left),
            INPUT,
            "1: zero,0,_ @0\n1: zero,0,blah @10\n1: zero,0,blah @11\n0: foo,100,_ @13\n1: zero,0,a @15\n10: bar,0,a @16
             1: zero,0,_ @17\n10: bar,0,_ @17\n1: null @18\n0: null @19",
        );
        check(
            joined(JoinKind::Inner),
            INPUT,
            "1: zero,0,blah @10\n1: zero,0,blah @11\n1: zero,0,a @15\n10: bar,0,a @16
             1: null @17\n10: null @17\n1: null @18\n0: null @19",
        );
    }

    #[test]
    fn pointers_are_made_anew_after_a_restore() {
        let mut before = Running::new(joined(JoinKind::Inner));
        before.feed("0 1: x,7 @1\n0 2: y,7 @2\n0 2: y,8 @3");
        let meta = before.task.save_meta();
        let mut after = Running::new(joined(JoinKind::Inner));
        for ((name, from), (same, to)) in before.task.stores_mut().zip(after.task.stores_mut()) {
            assert_eq!(name, same);
            from.for_each_entry(&mut |key, value| to.apply(key, Some(value)).unwrap()).unwrap();
        }
        after.task.load_meta(&meta).unwrap();
        assert_eq!(after.feed("1 7: r @9").take(), ["1: x,7,r @9"]);
    }
}
