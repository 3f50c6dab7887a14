//! What a filter behind an inner join asks of one side alone.
//!
//! A record that does not pass it has no part in any row, so the join need not keep it; only its time counts. The filter
//! behind the join stays as it is. Only filters of nothing but
//! comparisons of a column with a constant are looked at: they cannot fail, so that no report is lost with a record.

use plan::expr::{ColumnRef, Expr, ExprKind, LogicalOp};

use crate::eval::{Compiled, compile};

/// Returns the predicates of the left and of the right side, over that side's columns.
pub(super) fn side_filters(predicate: &Expr, left_columns: usize) -> [Vec<Compiled>; 2] {
    let mut sides = [vec![], vec![]];
    let mut waiting = vec![predicate];
    while let Some(expr) = waiting.pop() {
        match &expr.kind {
            ExprKind::Logical(LogicalOp::And, left, right) => waiting.extend([&**left, &**right]),
            ExprKind::Compare(op, left, right) => {
                let (ExprKind::Column(ColumnRef::Value(column)), ExprKind::Constant(_)) =
                    (&left.kind, &right.kind)
                else {
                    return Default::default();
                };
                let side = usize::from(*column >= left_columns);
                let column = ColumnRef::Value(column - side * left_columns);
                let own = Expr { kind: ExprKind::Column(column), data_type: left.data_type.clone() };
                let kind = ExprKind::Compare(*op, own.into(), right.clone());
                sides[side].push(compile(&Expr { kind, data_type: expr.data_type.clone() }));
            }
            _ => return Default::default(),
        }
    }
    sides
}
