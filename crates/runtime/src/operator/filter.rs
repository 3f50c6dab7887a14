//! Filter: passes rows whose predicate is true.
//!
//! On a table a row that does not pass is a deletion downstream. Where old rows are known, nothing is sent for a row
//! that neither passed before nor passes now; where they are not, the deletion is always sent (as `KTableFilter`).

use types::Value;

use super::{Downstream, Operator, Side};
use crate::change::Change;
use crate::error::TaskError;
use crate::eval::{Columns, Compiled, Row};

const STEP: &str = "filter";

pub(crate) struct Filter {
    pub predicate: Compiled,
    pub is_table: bool,
    /// Whether the input gives old rows.
    pub knows_old: bool,
}

impl Operator for Filter {
    fn process(
        &mut self,
        _: Side,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        let new = change.new.filter(|new| down.test(STEP, &self.predicate, &change.row(*new), change));
        if !self.is_table {
            return if new.is_some() { down.send(change) } else { Ok(()) };
        }
        let old = change.old.filter(|old| down.test(STEP, &self.predicate, &change.old_row(old), change));
        if self.knows_old && new.is_none() && old.is_none() {
            return Ok(());
        }
        down.send(&Change { new, old, ..*change })
    }

    fn project(&self, row: &Row<'_>, values: &mut Vec<Value>) -> bool {
        let passes = self.predicate.test(row).unwrap_or(false);
        if passes {
            let columns: Columns<'_> = row.columns;
            columns.append_to(values);
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use plan::expr::CompareOp;

    #[test]
    fn stream_filter_drops_null_values() {
        let predicate = compare(CompareOp::Greater, column(0, BigInt), number(3));
        check(
            filter(stream(&[BigInt]), predicate),
            "0 1: 4 @1\n0 1: 3 @2\n0 1: null @3\n0 1: _ @4",
            "1: 4 @1",
        );
    }

    #[test]
    fn filter_on_a_bare_table_always_sends_deletions() {
        let predicate = compare(CompareOp::Greater, column(0, BigInt), number(3));
        check(
            filter(table(&[BigInt]), predicate),
            "0 1: 1 @1\n0 1: 4 @2\n0 1: 2 @3",
            "1: null @1\n1: 4 @2\n1: null @3",
        );
    }
}
