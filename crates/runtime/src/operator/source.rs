//! Sources: the first operator of a topic's records; and the table of a query's results.

use state::{Logged, Options};

use super::table_rows::TableRows;
use super::{Downstream, Operator, Side};
use crate::change::{Change, ErrorReason};
use crate::error::TaskError;
use crate::view::{RowBounds, ViewRow};

/// A stream's records, as they are.
pub(crate) struct StreamSource;

impl Operator for StreamSource {
    fn process(
        &mut self,
        _: Side,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        down.send(change)
    }
}

/// A table's changes: kept where old rows are asked for, or where the table is read. Records without a key are dropped.
pub(crate) struct TableSource {
    rows: Option<TableRows>,
    sends_old: bool,
}

impl TableSource {
    pub(crate) fn new(rows: Option<Options>, is_windowed: bool, sends_old: bool) -> Self {
        Self { rows: rows.map(|options| TableRows::new(options, is_windowed)), sends_old }
    }
}

impl Operator for TableSource {
    fn process(
        &mut self,
        _: Side,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        if change.key_is_null() {
            down.lost(ErrorReason::NullKey, "table source", "record of a table has no key", change);
            return Ok(());
        }
        match &mut self.rows {
            None => down.send(change),
            Some(rows) if self.sends_old => {
                let old = rows.replace(change)?;
                let old_timestamp = old.map_or(0, |(_, timestamp)| timestamp);
                down.send(&Change { old: old.map(|(row, _)| row), old_timestamp, ..*change })
            }
            Some(rows) => {
                rows.set(change)?;
                down.send(change)
            }
        }
    }

    fn stores(&mut self) -> Vec<(&'static str, &mut dyn Logged)> {
        self.rows.iter_mut().map(|rows| ("rows", rows.store())).collect()
    }

    fn read(
        &mut self,
        bounds: &RowBounds<'_>,
        visit: &mut dyn FnMut(ViewRow) -> bool,
    ) -> Result<(), TaskError> {
        self.rows.as_mut().map_or(Ok(()), |rows| rows.read(bounds, visit))
    }
}

/// The rows of a query's result, kept so that they can be read.
pub(crate) struct ResultTable(TableRows);

impl ResultTable {
    pub(crate) fn new(options: Options, is_windowed: bool) -> Self {
        Self(TableRows::new(options, is_windowed))
    }
}

impl Operator for ResultTable {
    fn process(
        &mut self,
        _: Side,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        self.0.set(change)?;
        down.send(change)
    }

    fn stores(&mut self) -> Vec<(&'static str, &mut dyn Logged)> {
        vec![("rows", self.0.store())]
    }

    fn read(
        &mut self,
        bounds: &RowBounds<'_>,
        visit: &mut dyn FnMut(ViewRow) -> bool,
    ) -> Result<(), TaskError> {
        self.0.read(bounds, visit)
    }
}
