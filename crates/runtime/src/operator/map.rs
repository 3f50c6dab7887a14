//! Map: computes new value columns and, on a stream, a new key.
//!
//! A null value stays null. The new key of a record with a null value is null as soon as its expression reads anything
//! but the old key. An expression that fails gives NULL and a report.

use types::Value;

use super::{Downstream, Operator, Side};
use crate::change::Change;
use crate::error::TaskError;
use crate::eval::{Columns, Compiled, Row};

const STEP: &str = "projection";

pub(crate) struct Map {
    key: Option<Vec<Compiled>>,
    value: Vec<Compiled>,
    new_key: Vec<Value>,
    new: Vec<Value>,
    old: Vec<Value>,
}

impl Map {
    pub(crate) fn new(key: Option<Vec<Compiled>>, value: Vec<Compiled>) -> Self {
        Self { key, value, new_key: vec![], new: vec![], old: vec![] }
    }
}

fn eval_all(
    exprs: &[Compiled],
    row: &Row<'_>,
    change: &Change<'_>,
    down: &mut Downstream<'_, '_>,
    values: &mut Vec<Value>,
) {
    values.clear();
    exprs.iter().for_each(|expr| down.eval_onto(STEP, expr, row, change, values));
}

impl Operator for Map {
    fn process(
        &mut self,
        _: Side,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        if let Some(new) = change.new {
            eval_all(&self.value, &change.row(new), change, down, &mut self.new);
        }
        if let Some(old) = change.old {
            eval_all(&self.value, &change.old_row(old), change, down, &mut self.old);
        }
        let (mut key, mut window) = (change.key, change.window);
        if let Some(exprs) = &self.key {
            match change.new {
                Some(new) => eval_all(exprs, &change.row(new), change, down, &mut self.new_key),
                None => {
                    let row = change.row(Columns::Values(&[]));
                    self.new_key.clear();
                    self.new_key.extend(exprs.iter().map(|expr| {
                        if expr.reads_value() { Value::Null } else { down.eval(STEP, expr, &row, change) }
                    }));
                }
            }
            (key, window) = (&self.new_key, None);
        }
        down.send(&Change {
            key,
            window,
            new: change.new.map(|_| Columns::Values(&self.new)),
            old: change.old.map(|_| self.old.as_slice()),
            ..*change
        })
    }

    fn project(&self, row: &Row<'_>, values: &mut Vec<Value>) -> bool {
        values.extend(self.value.iter().map(|expr| expr.eval(row).unwrap_or_default()));
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use plan::expr::{ColumnRef, Expr};

    #[test]
    fn failing_column_is_null_and_reported() {
        let root = map(stream(&[BigInt]), None, vec![divide(number(10), column(0, BigInt))]);
        let mut running = Running::new(root);
        running.feed("0 1: 5 @1\n0 1: 0 @2\n0 1: null @3");
        assert_eq!(running.take(), ["1: 2 @1", "1: _ @2", "1: null @3"]);
        assert_eq!(running.lines.errors, ["division by zero"]);
    }

    #[test]
    fn new_key_of_a_null_value_comes_from_the_old_key_alone() {
        let old_key = Expr::column(ColumnRef::Key(0), BigInt);
        let by_key = map(stream(&[BigInt]), Some(vec![divide(old_key, number(2))]), vec![column(0, BigInt)]);
        check(by_key, "0 8: 1 @1\n0 8: null @2", "4: 1 @1\n4: null @2");
        let by_value = map(stream(&[BigInt]), Some(vec![column(0, BigInt)]), vec![column(0, BigInt)]);
        check(by_value, "0 8: 1 @1\n0 8: null @2", "1: 1 @1\n_: null @2");
    }
}
