//! Table ⋈ table on equal primary keys.
//!
//! Each side's rows are kept here, so a side need not send old rows. A change of one side meets the other side's row and
//! gives at most one change, with the later of both times. When a change gives anything follows Kafka Streams:
//!
//! | join | left changes | right changes |
//! |---|---|---|
//! | INNER | there is a right row | there is a left row |
//! | LEFT | always, but not from no row to no row without a right row | there is a left row |
//! | FULL | as LEFT | as LEFT, mirrored |

use state::{Logged, Options};
use types::Value;

use super::table_rows::TableRows;
use super::{Downstream, Operator, Side};
use crate::change::{Change, ErrorReason};
use crate::error::TaskError;
use crate::eval::Columns;

const STEP: &str = "table-table join";

/// One side of the join.
pub(crate) struct TableSide {
    rows: TableRows,
    columns: usize,
    /// Its rows come out without a partner.
    is_outer: bool,
    /// It is filtered: deletions of rows that did not pass are no changes.
    is_filtered: bool,
}

impl TableSide {
    pub(crate) fn new(
        columns: usize,
        is_outer: bool,
        is_filtered: bool,
        options: Options,
        is_windowed: bool,
    ) -> Self {
        Self { rows: TableRows::new(options, is_windowed), columns, is_outer, is_filtered }
    }
}

pub(crate) struct TableTableJoin {
    left: TableSide,
    right: TableSide,
    sends_old: bool,
    row: Vec<Value>,
    old_row: Vec<Value>,
}

impl TableTableJoin {
    pub(crate) fn new(left: TableSide, right: TableSide, sends_old: bool) -> Self {
        Self { left, right, sends_old, row: vec![], old_row: vec![] }
    }
}

/// Writes left's columns, then right's, over what was in `row`.
fn join(left: Option<&[Value]>, columns: [usize; 2], right: Option<&[Value]>, row: &mut Vec<Value>) {
    row.clear();
    row.extend_from_slice(left.unwrap_or(&[]));
    row.resize(columns[0], Value::Null);
    row.extend_from_slice(right.unwrap_or(&[]));
    row.resize(columns[0] + columns[1], Value::Null);
}

impl Operator for TableTableJoin {
    fn process(
        &mut self,
        side: Side,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        if change.key_is_null() {
            down.lost(ErrorReason::NullKey, STEP, "record has no key to join on", change);
            return Ok(());
        }
        let columns = [self.left.columns, self.right.columns];
        let (own, other) = match side {
            Side::Left => (&mut self.left, &mut self.right),
            Side::Right => (&mut self.right, &mut self.left),
        };
        let (own_outer, other_outer, is_filtered) = (own.is_outer, other.is_outer, own.is_filtered);
        let old = own.rows.replace(change)?;
        let old_time = old.map_or(0, |(_, time)| time);
        let old = old.map(|(row, _)| row);
        if is_filtered && change.new.is_none() && old.is_none() {
            return Ok(());
        }
        let partner = other.rows.get(change.key, change.window)?;
        let timestamp = partner.map_or(change.timestamp, |(_, time)| time.max(change.timestamp));
        let old_timestamp = partner.map_or(old_time, |(_, time)| time.max(old_time));
        let partner = partner.map(|(row, _)| row);
        match partner {
            // The partner is needed, or there is nothing to say.
            None if !own_outer || (change.new.is_none() && old.is_none()) => return Ok(()),
            _ => {}
        }
        let mut decoded = Vec::new();
        let new = change.new.map(|columns| match columns.decoded() {
            Some(values) => values,
            None => {
                columns.append_to(&mut decoded);
                &decoded
            }
        });
        let combine = |own: Option<&[Value]>, row: &mut Vec<Value>| {
            // A row comes out if this side's is there, or if the other's comes out alone.
            let is_there = own.is_some() || (partner.is_some() && other_outer);
            match side {
                Side::Left if is_there => join(own, columns, partner, row),
                Side::Right if is_there => join(partner, columns, own, row),
                _ => {}
            }
            is_there
        };
        let has_new = combine(new, &mut self.row);
        let has_old = self.sends_old && combine(old, &mut self.old_row);
        down.send(&Change {
            new: has_new.then(|| Columns::Values(&self.row)),
            old: has_old.then_some(self.old_row.as_slice()),
            timestamp,
            old_timestamp,
            ..*change
        })
    }

    fn stores(&mut self) -> Vec<(&'static str, &mut dyn Logged)> {
        vec![("left", self.left.rows.store()), ("right", self.right.rows.store())]
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use plan::expr::CompareOp;
    use plan::step::{JoinKind, Step, StepKind};

    fn joined(kind: JoinKind) -> Step {
        join(table(&[BigInt]), table(&[BigInt]), |left, right| StepKind::TableTableJoin { kind, left, right })
    }

    const INPUT: &str = "0 1: 5 @10\n1 1: 6 @5\n0 1: null @20\n1 1: null @30\n1 2: 7 @40\n0 3: null @50";

    #[test]
    fn each_kind_of_join_deletes_when_its_row_is_gone() {
        check(joined(JoinKind::Inner), INPUT, "1: 5,6 @10\n1: null @20");
        check(joined(JoinKind::Left), INPUT, "1: 5,_ @10\n1: 5,6 @10\n1: null @20");
        check(joined(JoinKind::Right), INPUT, "1: 5,6 @10\n1: _,6 @20\n1: null @30\n2: _,7 @40");
        check(joined(JoinKind::Full), INPUT, "1: 5,_ @10\n1: 5,6 @10\n1: _,6 @20\n1: null @30\n2: _,7 @40");
    }

    #[test]
    fn where_gives_a_deletion_only_for_what_passed() {
        check(
            filter(joined(JoinKind::Inner), compare(CompareOp::Greater, column(0, BigInt), number(10))),
            "0 0: 0 @0\n1 0: 4 @10\n0 0: 100 @13\n1 0: null @19",
            "0: 100,4 @13\n0: null @19",
        );
    }
}
