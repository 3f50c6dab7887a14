//! Stream ⋈ table: a record of the stream meets the row the table has now.
//!
//! Only records of the stream give results, with their own time. A LEFT join keeps records without key (KIP-962).

use state::{Logged, Options};
use types::Value;

use super::table_rows::TableRows;
use super::{Downstream, Operator, Side};
use crate::change::{Change, ErrorReason};
use crate::error::TaskError;
use crate::eval::Columns;

const STEP: &str = "stream-table join";

pub(crate) struct StreamTableJoin {
    table: TableRows,
    is_left: bool,
    right_columns: usize,
    row: Vec<Value>,
}

impl StreamTableJoin {
    pub(crate) fn new(is_left: bool, right_columns: usize, options: Options, is_windowed: bool) -> Self {
        Self { table: TableRows::new(options, is_windowed), is_left, right_columns, row: vec![] }
    }
}

impl Operator for StreamTableJoin {
    fn process(
        &mut self,
        side: Side,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        if side == Side::Right {
            return if change.key_is_null() { Ok(()) } else { self.table.set(change) };
        }
        let Some(columns) = change.new else { return Ok(()) };
        let is_null = change.key_is_null();
        if is_null && !self.is_left {
            down.lost(ErrorReason::NullKey, STEP, "record has no key to join on", change);
            return Ok(());
        }
        self.row.clear();
        columns.append_to(&mut self.row);
        let left_columns = self.row.len();
        let right = if is_null { None } else { self.table.get(change.key, change.window)? };
        match right {
            Some((right, _)) => self.row.extend_from_slice(right),
            None if self.is_left => {}
            None => return Ok(()),
        }
        self.row.resize(left_columns + self.right_columns, Value::Null);
        down.send(&Change { new: Some(Columns::Values(&self.row)), old: None, ..*change })
    }

    fn stores(&mut self) -> Vec<(&'static str, &mut dyn Logged)> {
        vec![("table", self.table.store())]
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use plan::step::{JoinKind, Step, StepKind};

    fn lookup(kind: JoinKind) -> Step {
        join(stream(&[Str]), table(&[Str]), |left, right| StepKind::StreamTableJoin { kind, left, right })
    }

    #[test]
    fn only_the_stream_gives_rows() {
        let input = "1 0: a @9\n0 0: x @5\n1 0: null @6\n0 0: y @7\n0 null: z @8";
        check(lookup(JoinKind::Left), input, "0: x,a @5\n0: y,_ @7\n: z,_ @8");
        check(lookup(JoinKind::Inner), input, "0: x,a @5");
    }
}
