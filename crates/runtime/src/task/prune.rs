//! Columns that nobody reads are not decoded, stored or handed on.
//!
//! A join's inputs, and an aggregation's, are projections of all columns a statement could name. Where the steps above do
//! not read such a column it is NULL from the projection on; the rows keep their layout. Only plain columns of streams
//! are left out: another expression may fail, which has to be reported.

use plan::expr::{CallArg, ColumnRef, Expr, ExprKind};
use plan::step::{SourceKind, Step, StepKind};
use types::Value;

/// Which value columns of a step are read.
struct Used(Vec<bool>);

impl Used {
    fn none(step: &Step) -> Self {
        Self(vec![false; step.layout.value.len()])
    }

    fn all(step: &Step) -> Self {
        Self(vec![true; step.layout.value.len()])
    }

    fn has(&self, column: usize) -> bool {
        self.0.get(column).copied().unwrap_or(true)
    }

    fn add(&mut self, column: usize) {
        if let Some(used) = self.0.get_mut(column) {
            *used = true;
        }
    }

    fn add_exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>) {
        let mut waiting: Vec<&Expr> = exprs.into_iter().collect();
        while let Some(expr) = waiting.pop() {
            if let ExprKind::Column(ColumnRef::Value(column)) = &expr.kind {
                self.add(*column);
            }
            children(expr, &mut waiting);
        }
    }
}

/// Takes out of a query's steps what nobody reads.
pub(super) fn prune(root: &mut Step) {
    let used = Used::all(root);
    prune_step(root, &used);
}

fn prune_step(step: &mut Step, used: &Used) {
    let is_stream = step.output == SourceKind::Stream;
    match &mut step.kind {
        StepKind::Source(_) => {}
        StepKind::Filter { input, predicate } => {
            let mut below = Used(used.0.clone());
            below.add_exprs([&*predicate]);
            prune_step(input, &below);
        }
        StepKind::Map { input, key, value } => {
            let mut below = Used::none(input);
            for (n, expr) in value.iter_mut().enumerate() {
                if is_stream && !used.has(n) && matches!(expr.kind, ExprKind::Column(_)) {
                    expr.kind = ExprKind::Constant(Value::Null);
                }
            }
            below.add_exprs(value.iter().chain(key.iter().flatten()));
            prune_step(input, &below);
        }
        StepKind::Repartition { input, .. } => prune_step(input, used),
        StepKind::Aggregate { input, carried, functions, .. } => {
            let mut below = Used::none(input);
            carried.iter().for_each(|column| below.add(*column));
            below.add_exprs(functions.iter().flat_map(|function| &function.args));
            prune_step(input, &below);
        }
        StepKind::StreamStreamJoin { left, right, .. } => {
            let (mut of_left, mut of_right) = (Used::none(left), Used::none(right));
            let columns = left.layout.value.len();
            for (n, _) in used.0.iter().enumerate().filter(|(_, used)| **used) {
                match n.checked_sub(columns) {
                    None => of_left.add(n),
                    Some(n) => of_right.add(n),
                }
            }
            prune_step(left, &of_left);
            prune_step(right, &of_right);
        }
        StepKind::StreamTableJoin { left, right, .. } => {
            let mut of_left = Used::none(left);
            (0..left.layout.value.len()).filter(|n| used.has(*n)).for_each(|n| of_left.add(n));
            prune_step(left, &of_left);
            prune_all(right);
        }
        StepKind::FlatMap { input, .. } | StepKind::TableAggregate { input, .. } => prune_all(input),
        StepKind::TableTableJoin { left, right, .. } | StepKind::ForeignKeyJoin { left, right, .. } => {
            prune_all(left);
            prune_all(right);
        }
    }
}

/// Goes on below a step of which all columns are read.
fn prune_all(step: &mut Step) {
    let used = Used::all(step);
    prune_step(step, &used);
}

fn children<'e>(expr: &'e Expr, found: &mut Vec<&'e Expr>) {
    match &expr.kind {
        ExprKind::Constant(_) | ExprKind::Column(_) => {}
        ExprKind::Arithmetic(_, left, right)
        | ExprKind::Concat(left, right)
        | ExprKind::Compare(_, left, right)
        | ExprKind::Logical(_, left, right)
        | ExprKind::MapItem(left, right) => found.extend([&**left, &**right]),
        ExprKind::Negate(operand)
        | ExprKind::Not(operand)
        | ExprKind::IsNull(operand, _)
        | ExprKind::Cast(operand)
        | ExprKind::Field(operand, _) => found.push(operand),
        ExprKind::In(operand, list, _) => {
            found.push(operand);
            found.extend(list);
        }
        ExprKind::Like { expr, pattern, .. } => found.extend([&**expr, &**pattern]),
        ExprKind::Case(branches, default) => {
            found.extend(branches.iter().flat_map(|(condition, result)| [condition, result]));
            found.extend(default.as_deref());
        }
        ExprKind::Bind { value, body, .. } => found.extend([&**value, &**body]),
        ExprKind::Call { args, .. } => found.extend(args.iter().map(|arg| match arg {
            CallArg::Expr(expr) => expr,
            CallArg::Lambda { body, .. } => body,
        })),
        ExprKind::Array(items) | ExprKind::Struct(items) => found.extend(items),
        ExprKind::Map(entries) => found.extend(entries.iter().flat_map(|(key, value)| [key, value])),
        ExprKind::ArrayItem { array, index, .. } => found.extend([&**array, &**index]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use plan::expr::CompareOp;
    use plan::step::JoinKind;

    fn columns(count: usize) -> Vec<Expr> {
        (0..count).map(|n| column(n, BigInt)).collect()
    }

    fn side() -> Step {
        map(stream(&[BigInt, BigInt, BigInt]), Some(vec![column(0, BigInt)]), columns(3))
    }

    /// Which columns a projection still computes.
    fn kept(step: &Step) -> Vec<bool> {
        let StepKind::Map { value, .. } = &step.kind else { panic!("no projection") };
        value.iter().map(|expr| !matches!(expr.kind, ExprKind::Constant(Value::Null))).collect()
    }

    #[test]
    fn join_inputs_keep_what_is_read_above() {
        let joined = join(side(), side(), |left, right| StepKind::StreamStreamJoin {
            kind: JoinKind::Inner,
            left,
            right,
            before_ms: 5,
            after_ms: 5,
            grace_ms: None,
        });
        let filtered = filter(joined, compare(CompareOp::Equal, column(5, BigInt), number(1)));
        let mut root = map(filtered, None, vec![column(1, BigInt), divide(number(1), column(3, BigInt))]);
        prune(&mut root);
        let StepKind::Map { input, .. } = &root.kind else { panic!() };
        let StepKind::Filter { input, .. } = &input.kind else { panic!() };
        let StepKind::StreamStreamJoin { left, right, .. } = &input.kind else { panic!() };
        assert_eq!(kept(left), [false, true, false]);
        assert_eq!(kept(right), [true, false, true]);
        assert_eq!(kept(&root), [true, true]);
    }

    #[test]
    fn expressions_that_may_fail_and_rows_of_tables_stay() {
        let failing = vec![column(0, BigInt), divide(number(1), column(1, BigInt)), column(2, BigInt)];
        let input = map(stream(&[BigInt, BigInt, BigInt]), None, failing);
        let mut root = aggregate(input, None, false);
        prune(&mut root);
        let StepKind::Aggregate { input, .. } = &root.kind else { panic!() };
        assert_eq!(kept(input), [true, true, false]);
        let input = map(table(&[BigInt, BigInt]), None, columns(2));
        let mut root = map(input, None, vec![column(1, BigInt)]);
        prune(&mut root);
        let StepKind::Map { input, .. } = &root.kind else { panic!() };
        assert_eq!(kept(input), [true, true]);
    }
}
