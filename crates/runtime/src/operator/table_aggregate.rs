//! Aggregate of a table: the old row is undone in its group, the new one added to its own.
//!
//! Where both are in the same group there is one result (KIP-904), else the old group's comes first. A row whose
//! group has a NULL is in no group.

use state::{Logged, Options, Store, Update};
use types::Value;

use super::aggregate::{has_null, read_groups};
use super::{Downstream, Fold, Operator, Side};
use crate::change::Change;
use crate::codec;
use crate::error::TaskError;
use crate::eval::{Columns, Compiled, Row};
use crate::view::{RowBounds, ViewRow};

const STEP: &str = "table aggregate";

pub(crate) struct TableAggregate {
    group_by: Vec<Compiled>,
    fold: Fold,
    groups: Store,
    sends_old: bool,
    key: Vec<u8>,
    bytes: Vec<u8>,
}

impl TableAggregate {
    pub(crate) fn new(group_by: Vec<Compiled>, fold: Fold, options: Options, sends_old: bool) -> Self {
        Self { group_by, fold, groups: Store::new(options), sends_old, key: vec![], bytes: vec![] }
    }

    fn group(
        &self,
        row: Option<&Row<'_>>,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Option<Vec<Value>> {
        let row = row?;
        let key: Vec<Value> = self.group_by.iter().map(|expr| down.eval(STEP, expr, row, change)).collect();
        (!has_null(&key)).then_some(key)
    }

    fn update(
        &mut self,
        key: &[Value],
        (old, new): (Option<&Row<'_>>, Option<&Row<'_>>),
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        codec::put_key(key, None, &mut self.key);
        let stored = match self.groups.get(&self.key)? {
            None => None,
            Some(stored) => Some(self.fold.load(stored)?),
        };
        if stored.is_some() && self.sends_old {
            self.fold.finish_old();
        }
        let (mut timestamp, mut is_there) = (change.timestamp, stored.is_some());
        if let (Some(old), Some(stored)) = (old, stored) {
            self.fold.prepare(old, change, down);
            self.fold.undo();
            timestamp = timestamp.max(stored);
        }
        if let Some(new) = new {
            if !is_there {
                self.fold.start();
                is_there = true;
            }
            self.fold.prepare(new, change, down);
            self.fold.add();
            timestamp = timestamp.max(stored.unwrap_or(timestamp));
        }
        if is_there {
            let (fold, bytes) = (&self.fold, &mut self.bytes);
            bytes.clear();
            fold.store(timestamp, bytes);
            self.groups.update(&self.key, |_, out| {
                out.extend_from_slice(bytes);
                Update::Put
            })?;
            self.fold.finish();
        }
        self.fold.report(change, down);
        let old = stored.filter(|_| self.sends_old);
        down.send(&Change {
            key,
            window: None,
            new: is_there.then(|| Columns::Values(self.fold.result())),
            old: old.map(|_| self.fold.old_result()),
            timestamp,
            old_timestamp: old.unwrap_or(0),
            ..*change
        })
    }
}

impl Operator for TableAggregate {
    fn process(
        &mut self,
        _: Side,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        let new_row = change.new.map(|new| change.row(new));
        let old_row = change.old.map(|old| change.old_row(old));
        let old_key = self.group(old_row.as_ref(), change, down);
        let new_key = self.group(new_row.as_ref(), change, down);
        if let (Some(key), true) = (&old_key, old_key == new_key) {
            return self.update(key, (old_row.as_ref(), new_row.as_ref()), change, down);
        }
        if let Some(key) = old_key {
            self.update(&key, (old_row.as_ref(), None), change, down)?;
        }
        if let Some(key) = new_key {
            self.update(&key, (None, new_row.as_ref()), change, down)?;
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use plan::expr::CompareOp;
    use plan::step::{SourceKind, Step, StepKind};

    fn by_second_column() -> Step {
        let input = table(&[BigInt, BigInt]);
        let kind = StepKind::TableAggregate {
            input: input.into(),
            key: vec![column(1, BigInt)],
            carried: vec![],
            functions: sum(),
            topic: "t".into(),
        };
        Step { kind, layout: layout(&[BigInt], &[BigInt]), output: SourceKind::Table }
    }

    #[test]
    fn row_that_changes_its_group_is_undone_first() {
        check(
            by_second_column(),
            "0 1: 5,10 @1\n0 2: 7,10 @2\n0 1: 6,20 @3\n0 2: 9,10 @4\n0 2: null @5\n0 3: 1,_ @6",
            "10: 5 @1\n10: 12 @2\n10: 7 @3\n20: 6 @3\n10: 9 @4\n10: 0 @5",
        );
    }

    #[test]
    fn having_gives_a_deletion_only_for_what_passed() {
        let having = compare(CompareOp::Greater, column(0, BigInt), number(6));
        check(
            filter(by_second_column(), having),
            "0 1: 5,10 @1\n0 2: 7,10 @2\n0 2: null @3\n0 1: null @4",
            "10: 12 @2\n10: null @3",
        );
    }
}
