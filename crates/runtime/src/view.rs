//! The rows a query holds as a table, for pull queries.

use std::ops::RangeInclusive;

use types::Value;

use crate::error::TaskError;
use crate::eval::{Columns, Row};
use crate::operator::Node;

/// A row of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewRow {
    /// The key columns.
    pub key: Vec<Value>,
    /// The window in the key.
    pub window: Option<(i64, i64)>,
    /// The value columns of the query's result.
    pub value: Vec<Value>,
    /// The row's time in ms.
    pub timestamp: i64,
}

/// Which rows are read.
pub(crate) struct RowBounds<'a> {
    /// Of this key; `None` for all.
    pub key: Option<&'a [Value]>,
    /// Windows that start within.
    pub starts: RangeInclusive<i64>,
    /// Windows that end within.
    pub ends: RangeInclusive<i64>,
}

/// Bounds that leave no window out.
const ALL: RangeInclusive<i64> = i64::MIN..=i64::MAX;

impl RowBounds<'_> {
    pub(crate) fn include(&self, key: &[Value], window: Option<(i64, i64)>) -> bool {
        self.key.is_none_or(|wanted| wanted == key)
            && window.is_none_or(|(start, end)| self.starts.contains(&start) && self.ends.contains(&end))
    }
}

/// Read access to the table a query keeps, with the columns of the query's result.
pub struct MaterializedView<'t> {
    /// The operator that has the rows, then those that lead from it to the result.
    pub(crate) nodes: &'t mut [Node],
}

impl MaterializedView<'_> {
    /// Returns the row of a key; of a windowed table any one window's.
    pub fn get(&mut self, key: &[Value]) -> Result<Option<ViewRow>, TaskError> {
        let mut found = None;
        self.read(&RowBounds { key: Some(key), starts: ALL, ends: ALL }, &mut |row| {
            found = Some(row);
            false
        })?;
        Ok(found)
    }

    /// Returns the rows of a key whose windows start and end within the ranges, in time order.
    pub fn windows(
        &mut self,
        key: &[Value],
        starts: RangeInclusive<i64>,
        ends: RangeInclusive<i64>,
    ) -> Result<Vec<ViewRow>, TaskError> {
        let mut rows = Vec::new();
        self.read(&RowBounds { key: Some(key), starts, ends }, &mut |row| {
            rows.push(row);
            true
        })?;
        rows.sort_by_key(|row| row.window);
        Ok(rows)
    }

    /// Calls `visit` for all rows, in no order, until it returns false.
    pub fn for_each(&mut self, visit: &mut dyn FnMut(ViewRow) -> bool) -> Result<(), TaskError> {
        self.read(&RowBounds { key: None, starts: ALL, ends: ALL }, visit)
    }

    fn read(
        &mut self,
        bounds: &RowBounds<'_>,
        visit: &mut dyn FnMut(ViewRow) -> bool,
    ) -> Result<(), TaskError> {
        let Some((holder, above)) = self.nodes.split_first_mut() else { return Ok(()) };
        holder.operator.read(bounds, &mut |mut found| {
            for node in above.iter() {
                let mut value = Vec::new();
                let row = Row {
                    key: &found.key,
                    columns: Columns::Values(&found.value),
                    rowtime: found.timestamp,
                    partition: 0,
                    offset: 0,
                    window: found.window,
                };
                if !node.operator.project(&row, &mut value) {
                    return true;
                }
                found.value = value;
            }
            visit(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use sql::ast::WindowKind::Tumbling;

    fn doubled(input: plan::step::Step) -> plan::step::Step {
        map(input, None, vec![divide(column(0, BigInt), number(2))])
    }

    #[test]
    fn rows_are_read_with_the_columns_of_the_result() {
        let mut running = Running::new(doubled(aggregate(stream(&[BigInt]), None, false)));
        running.feed("0 1: 10 @1\n0 1: 10 @2\n0 2: 4 @3");
        let mut view = running.task.materialized().unwrap();
        let row = view.get(&[Value::BigInt(1)]).unwrap().unwrap();
        assert_eq!((row.value, row.timestamp), (vec![Value::BigInt(10)], 2));
        let mut count = 0;
        view.for_each(&mut |_| {
            count += 1;
            true
        })
        .unwrap();
        assert_eq!(count, 2);
    }

    #[test]
    fn windows_are_read_within_bounds() {
        let root = doubled(aggregate(stream(&[BigInt]), Some((Tumbling { size_ms: 10 }, 1000)), false));
        let mut running = Running::new(root);
        running.feed("0 1: 2 @1\n0 1: 4 @11\n0 1: 6 @21\n0 2: 8 @21");
        let mut view = running.task.materialized().unwrap();
        let rows = view.windows(&[Value::BigInt(1)], 5..=i64::MAX, i64::MIN..=20).unwrap();
        assert_eq!(rows.iter().map(|row| row.window).collect::<Vec<_>>(), [Some((10, 20))]);
    }

    #[test]
    fn table_of_a_bare_source_is_kept() {
        let mut running = Running::new(doubled(table(&[BigInt])));
        running.feed("0 1: 2 @1\n0 2: 4 @2\n0 1: null @3");
        let mut view = running.task.materialized().unwrap();
        assert_eq!(view.get(&[Value::BigInt(1)]).unwrap(), None);
        assert!(view.get(&[Value::BigInt(2)]).unwrap().is_some());
    }
}
