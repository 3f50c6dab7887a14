//! Pull queries: one look at a materialised table, or at a stream up to its present end.
//!
//! On a table the WHERE clause decides how rows are found: by key when it is `key = constant` or
//! `key IN (…)` in every way the condition can be true, else by going through all rows. The whole
//! condition is checked on every row found, so the choice never shows in the result.

use std::sync::Arc;

use sql::ast::{self, CompareOp, LogicalOp};
use types::{DataType, Value};

use crate::catalog::Source;
use crate::error::{PlanError, Result};
use crate::expr::{ColumnRef, Expr, ExprKind};
use crate::query::from_scope;
use crate::scope::Scope;
use crate::statement::Planner;

/// A pull query on a table.
#[derive(Clone)]
pub struct PullPlan {
    /// The table.
    pub source: Arc<Source>,
    /// The rows to look up, as key columns; `None`: all rows.
    pub keys: Option<Vec<Vec<Value>>>,
    /// Bounds on the window's start, both included (windowed tables).
    pub window_start: (i64, i64),
    /// The whole condition.
    pub filter: Option<Expr>,
    /// Names and expressions of the result; key columns are marked.
    pub columns: Vec<PullColumn>,
    /// LIMIT.
    pub limit: Option<u64>,
    /// Whether the condition bounds the only key column, a STRING, from one side (tables without windows).
    pub has_key_range: bool,
}

/// Computes an expression without columns; `None` where that fails.
pub type Fold<'a> = &'a dyn Fn(&Expr) -> Option<Value>;

/// A column of a pull query's result.
#[derive(Clone)]
pub struct PullColumn {
    /// Its name.
    pub name: Arc<str>,
    /// What it shows.
    pub expr: Expr,
    /// Whether it is a key column as it stands.
    pub is_key: bool,
}

/// Whether a query without EMIT can be answered by looking at one table or stream (no join, no grouping).
pub fn is_simple(query: &ast::Query) -> bool {
    query.from.joins.is_empty()
        && query.group_by.is_empty()
        && query.partition_by.is_empty()
        && query.window.is_none()
        && query.having.is_none()
}

impl Planner<'_> {
    /// Plans a pull query on a table; `fold` computes the keys that are written as `10 + 1`.
    pub fn pull(&self, query: &ast::Query, fold: Fold<'_>) -> Result<PullPlan> {
        let source = self.source(&query.from.source.name)?;
        let alias = query.from.source.alias.as_ref().unwrap_or(&query.from.source.name).text.clone();
        let scope = from_scope(&alias, &source);
        let planner = crate::query::QueryPlanner {
            catalog: self.catalog,
            library: self.library,
            settings: self.settings,
            purpose: crate::query::Purpose::Transient,
            budget: Default::default(),
        };
        let typing = planner.typing(&scope);
        let mut filter = query.filter.as_ref().map(|f| typing.condition(f, "WHERE")).transpose()?;
        if let Some(filter) = &mut filter {
            fold_operands(filter, fold);
        }
        let items = planner.select_columns(query, &scope, &source, &alias)?;
        for (_, expr, span) in &items {
            if uses(expr, &[ColumnRef::RowPartition, ColumnRef::RowOffset]) {
                return Err(PlanError::new(
                    "bad_query",
                    "a pull query on a table cannot show ROWPARTITION or ROWOFFSET",
                )
                .at(*span));
            }
        }
        let key_types: Vec<DataType> = source.schema.key().map(|c| c.data_type.clone()).collect();
        let keys = filter.as_ref().and_then(|f| keys(f, key_types.len()));
        let has_key_range = key_types == [DataType::String]
            && source.window.is_none()
            && filter.as_ref().is_some_and(|f| key_bounds(f) == 1);
        let window_start = filter.as_ref().map_or((i64::MIN, i64::MAX), window_bounds);
        let columns = items
            .into_iter()
            .map(|(name, expr, _)| PullColumn {
                is_key: matches!(expr.kind, ExprKind::Column(ColumnRef::Key(_))),
                name,
                expr,
            })
            .collect();
        let limit = query.limit.map(|n| u64::try_from(n).unwrap_or(0));
        Ok(PullPlan { source, keys, window_start, filter, columns, limit, has_key_range })
    }
}

fn uses(expr: &Expr, columns: &[ColumnRef]) -> bool {
    matches!(&expr.kind, ExprKind::Column(c) if columns.contains(c))
}

/// Puts values in for the constant operands of comparisons.
fn fold_operands(condition: &mut Expr, fold: Fold<'_>) {
    match &mut condition.kind {
        ExprKind::Logical(_, l, r) => {
            fold_operands(l, fold);
            fold_operands(r, fold);
        }
        ExprKind::Compare(_, l, r) => {
            fold_constant(l, fold);
            fold_constant(r, fold);
        }
        ExprKind::In(_, list, _) => list.iter_mut().for_each(|item| fold_constant(item, fold)),
        _ => {}
    }
}

fn fold_constant(expr: &mut Expr, fold: Fold<'_>) {
    if !matches!(expr.kind, ExprKind::Constant(_))
        && is_constant(expr)
        && let Some(value) = fold(expr)
    {
        expr.kind = ExprKind::Constant(value);
    }
}

/// Whether an expression is the same for all rows. Functions are not looked into: some give another value at each call.
fn is_constant(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Constant(_) => true,
        ExprKind::Arithmetic(_, l, r) | ExprKind::Concat(l, r) => is_constant(l) && is_constant(r),
        ExprKind::Negate(e) | ExprKind::Cast(e) => is_constant(e),
        _ => false,
    }
}

/// How often the condition says that the first key column is above or below a value.
fn key_bounds(filter: &Expr) -> usize {
    use CompareOp::{Greater, GreaterEqual, Less, LessEqual};
    let is_key = |e: &Expr| matches!(e.kind, ExprKind::Column(ColumnRef::Key(0)));
    let is_value = |e: &Expr| matches!(e.kind, ExprKind::Constant(_));
    match &filter.kind {
        ExprKind::Logical(LogicalOp::And, l, r) => key_bounds(l) + key_bounds(r),
        ExprKind::Compare(Less | LessEqual | Greater | GreaterEqual, l, r) => {
            usize::from(is_key(l) && is_value(r) || is_value(l) && is_key(r))
        }
        _ => 0,
    }
}

/// The keys a condition pins down, if it does.
fn keys(filter: &Expr, columns: usize) -> Option<Vec<Vec<Value>>> {
    const KEYS_MAX: usize = 10_000;
    let per_column: Option<Vec<Vec<Value>>> = (0..columns).map(|i| values_of(filter, i)).collect();
    let mut keys: Vec<Vec<Value>> = vec![vec![]];
    for values in per_column? {
        if keys.len().saturating_mul(values.len()) > KEYS_MAX {
            return None;
        }
        keys = keys
            .iter()
            .flat_map(|key| {
                values.iter().map(move |v| key.iter().cloned().chain([v.clone()]).collect::<Vec<_>>())
            })
            .collect();
    }
    keys.sort();
    keys.dedup();
    Some(keys)
}

/// The values a key column can have if the condition is true; `None`: not known.
fn values_of(filter: &Expr, column: usize) -> Option<Vec<Value>> {
    let is_key = |e: &Expr| matches!(e.kind, ExprKind::Column(ColumnRef::Key(k)) if k == column);
    let constant = |e: &Expr| match &e.kind {
        ExprKind::Constant(value) => equal_keys(value),
        _ => None,
    };
    match &filter.kind {
        ExprKind::Compare(CompareOp::Equal, l, r) if l.data_type == r.data_type => {
            if is_key(l) {
                constant(r)
            } else if is_key(r) {
                constant(l)
            } else {
                None
            }
        }
        ExprKind::In(e, list, false) if is_key(e) => {
            list.iter().map(constant).collect::<Option<Vec<_>>>().map(|values| values.concat())
        }
        ExprKind::Logical(LogicalOp::And, l, r) => match (values_of(l, column), values_of(r, column)) {
            (Some(a), Some(b)) => Some(if a.len() <= b.len() { a } else { b }),
            (a, b) => a.or(b),
        },
        ExprKind::Logical(LogicalOp::Or, l, r) => {
            let mut all = values_of(l, column)?;
            all.extend(values_of(r, column)?);
            Some(all)
        }
        _ => None,
    }
}

/// The keys that are equal to a value, as they are stored: zero has a sign there. `None`: too many to look up.
fn equal_keys(value: &Value) -> Option<Vec<Value>> {
    fn has_zero(value: &Value) -> bool {
        match value {
            Value::Double(number) => *number == 0.0,
            Value::Array(items) | Value::Struct(items) => items.iter().any(has_zero),
            _ => false,
        }
    }
    match value {
        Value::Double(number) if *number == 0.0 => Some(vec![Value::Double(0.0), Value::Double(-0.0)]),
        nested if has_zero(nested) => None,
        other => Some(vec![other.clone()]),
    }
}

/// Bounds of WINDOWSTART that follow from the condition, both included.
fn window_bounds(filter: &Expr) -> (i64, i64) {
    let all = (i64::MIN, i64::MAX);
    match &filter.kind {
        ExprKind::Logical(LogicalOp::And, l, r) => {
            let (a, b) = (window_bounds(l), window_bounds(r));
            (a.0.max(b.0), a.1.min(b.1))
        }
        ExprKind::Compare(op, l, r) => {
            let (ExprKind::Column(ColumnRef::WindowStart), ExprKind::Constant(value)) = (&l.kind, &r.kind)
            else {
                return all;
            };
            let Some(bound) = value.as_i64() else { return all };
            match op {
                CompareOp::Equal => (bound, bound),
                CompareOp::Less => (i64::MIN, bound.saturating_sub(1)),
                CompareOp::LessEqual => (i64::MIN, bound),
                CompareOp::Greater => (bound.saturating_add(1), i64::MAX),
                CompareOp::GreaterEqual => (bound, i64::MAX),
                _ => all,
            }
        }
        _ => all,
    }
}

/// The scope of a source, for INSERT and pull queries.
pub fn scope(alias: &Arc<str>, source: &Source) -> Scope {
    from_scope(alias, source)
}
