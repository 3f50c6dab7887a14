//! FlatMap: table functions. As many rows as the longest result, NULL where a shorter one has ended.

use functions::TableCode;
use types::Value;

use super::{Downstream, Operator, Side};
use crate::change::{Change, ErrorReason};
use crate::error::TaskError;
use crate::eval::{Columns, Compiled};

const STEP: &str = "table function";

pub(crate) struct FlatMap {
    functions: Vec<(TableCode, Vec<Compiled>)>,
    row: Vec<Value>,
}

impl FlatMap {
    pub(crate) fn new(functions: Vec<(TableCode, Vec<Compiled>)>) -> Self {
        Self { functions, row: vec![] }
    }
}

impl Operator for FlatMap {
    fn process(
        &mut self,
        _: Side,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        let Some(columns) = change.new else { return Ok(()) };
        let row = change.row(columns);
        let mut results = Vec::with_capacity(self.functions.len());
        for (code, args) in &self.functions {
            let args: Vec<Value> = args.iter().map(|arg| down.eval(STEP, arg, &row, change)).collect();
            let rows = code(&args).unwrap_or_else(|error| {
                down.lost(ErrorReason::Expression, STEP, &error.0, change);
                vec![]
            });
            results.push(rows.into_iter());
        }
        self.row.clear();
        columns.append_to(&mut self.row);
        let input_columns = self.row.len();
        let rows = results.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        for _ in 0..rows {
            self.row.truncate(input_columns);
            self.row.extend(results.iter_mut().map(|result| result.next().unwrap_or_default()));
            down.send(&Change { new: Some(Columns::Values(&self.row)), ..*change })?;
        }
        Ok(())
    }
}
