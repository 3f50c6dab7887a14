//! Operators: arithmetic, comparison, LIKE, IN, CASE and the constructors.

use sql::ast;
use types::{DataType, Value, decimal_type};

use super::coerce::{cast_to, mismatch};
use super::{Typing, boolean};
use crate::error::{PlanError, Result};
use crate::expr::{ArithmeticOp, ColumnRef, CompareOp, Expr, ExprKind, LogicalOp};

/// Bytes of a text that are copied in a step of planning.
const BYTES_A_STEP: usize = 64;

impl Typing<'_> {
    pub(super) fn arithmetic(&self, op: ArithmeticOp, left: &ast::Expr, right: &ast::Expr) -> Result<Expr> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let (Some(l), Some(r)) = (left.data_type.clone(), right.data_type.clone()) else {
            return Err(PlanError::new("null_operand", "arithmetic on NULL is not allowed")
                .hint("CAST(NULL AS type) gives NULL a type"));
        };
        if op == ArithmeticOp::Add && l == DataType::String && r == DataType::String {
            let kind = ExprKind::Concat(Box::new(left), Box::new(right));
            return Ok(Expr { kind, data_type: Some(DataType::String) });
        }
        let data_type = match (&l, &r) {
            _ if !l.is_numeric() || !r.is_numeric() => {
                return Err(mismatch("unsupported operands of arithmetic", &left, &right));
            }
            (DataType::Double, _) | (_, DataType::Double) => DataType::Double,
            (DataType::Decimal { .. }, _) | (_, DataType::Decimal { .. }) => {
                let (lp, ls) = decimal_of(&l).expect("a number that is not DOUBLE has a decimal type");
                let (rp, rs) = decimal_of(&r).expect("a number that is not DOUBLE has a decimal type");
                let (precision, scale) = match op {
                    ArithmeticOp::Add | ArithmeticOp::Subtract => decimal_type::add_type(lp, ls, rp, rs),
                    ArithmeticOp::Multiply => decimal_type::mul_type(lp, ls, rp, rs),
                    ArithmeticOp::Divide => decimal_type::div_type(lp, ls, rp, rs),
                    ArithmeticOp::Modulo => decimal_type::rem_type(lp, ls, rp, rs),
                };
                let data_type = DataType::Decimal { precision, scale };
                let kind = ExprKind::Arithmetic(
                    op,
                    Box::new(as_decimal(left, lp, ls)),
                    Box::new(as_decimal(right, rp, rs)),
                );
                return Ok(Expr { kind, data_type: Some(data_type) });
            }
            (DataType::BigInt, _) | (_, DataType::BigInt) => DataType::BigInt,
            _ => DataType::Int,
        };
        let kind = ExprKind::Arithmetic(
            op,
            Box::new(cast_to(left, &data_type)?),
            Box::new(cast_to(right, &data_type)?),
        );
        Ok(Expr { kind, data_type: Some(data_type) })
    }

    pub(super) fn concat(&self, left: &ast::Expr, right: &ast::Expr) -> Result<Expr> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let data_type = match (&left.data_type, &right.data_type) {
            (Some(DataType::Bytes), Some(DataType::Bytes)) => DataType::Bytes,
            (Some(DataType::String) | None, Some(DataType::String) | None) => DataType::String,
            _ => return Err(mismatch("|| joins two STRING or two BYTES values", &left, &right)),
        };
        Ok(Expr { kind: ExprKind::Concat(Box::new(left), Box::new(right)), data_type: Some(data_type) })
    }

    pub(super) fn negate(&self, inner: &ast::Expr) -> Result<Expr> {
        let typed = self.expr(inner)?;
        match &typed.data_type {
            Some(data_type) if data_type.is_numeric() => {
                let data_type = data_type.clone();
                let folded = match &typed.kind {
                    ExprKind::Constant(Value::Int(v)) => v.checked_neg().map(Value::Int),
                    ExprKind::Constant(Value::BigInt(v)) => v.checked_neg().map(Value::BigInt),
                    ExprKind::Constant(Value::Double(v)) => Some(Value::Double(-v)),
                    _ => None,
                };
                let kind = folded.map_or_else(|| ExprKind::Negate(Box::new(typed)), ExprKind::Constant);
                Ok(Expr { kind, data_type: Some(data_type) })
            }
            other => Err(PlanError::new(
                "type_mismatch",
                format!("only a number can be negated, not {}", super::type_text(other.as_ref())),
            )),
        }
    }

    pub(super) fn compare(&self, op: CompareOp, left: &ast::Expr, right: &ast::Expr) -> Result<Expr> {
        let typed = (self.beside(left, right)?, self.beside(right, left)?);
        comparison(op, typed.0, typed.1).map_err(|e| named(e, left, right))
    }

    pub(super) fn between(
        &self,
        expr: &ast::Expr,
        low: &ast::Expr,
        high: &ast::Expr,
        negated: bool,
    ) -> Result<Expr> {
        self.bound(expr, |inner, value| {
            let from = comparison(CompareOp::GreaterEqual, value.clone(), inner.beside(low, expr)?)
                .map_err(|e| named(e, expr, low))?;
            let to = comparison(CompareOp::LessEqual, value.clone(), inner.beside(high, expr)?)
                .map_err(|e| named(e, expr, high))?;
            let both = boolean(ExprKind::Logical(LogicalOp::And, Box::new(from), Box::new(to)));
            Ok(if negated { boolean(ExprKind::Not(Box::new(both))) } else { both })
        })
    }

    /// What `body` makes of a value that it may use any number of times: a column or constant as it stands, anything
    /// else as a parameter that is computed once.
    fn bound(
        &self,
        operand: &ast::Expr,
        body: impl FnOnce(&Typing<'_>, &Expr) -> Result<Expr>,
    ) -> Result<Expr> {
        let value = self.expr(operand)?;
        let Some(data_type) = value.data_type.clone().filter(|_| !is_short(&value)) else {
            return body(self, &value);
        };
        let mut inner = self.clone();
        let param = inner.scope.params.len();
        // No name is empty, so no name finds it.
        inner.scope.params.push(("".into(), data_type.clone()));
        let body = body(&inner, &Expr::column(ColumnRef::Param(param), data_type))?;
        let data_type = body.data_type.clone();
        Ok(Expr { kind: ExprKind::Bind { value: Box::new(value), param, body: Box::new(body) }, data_type })
    }

    /// An operand of a comparison. A text literal beside ROWTIME, WINDOWSTART or WINDOWEND is a time: `'2018'`,
    /// `'2018-01-31T23:59'`, with a zone or else in UTC.
    fn beside(&self, expr: &ast::Expr, other: &ast::Expr) -> Result<Expr> {
        let (ast::ExprKind::Literal(ast::Literal::String(text)), ast::ExprKind::Column { name, .. }) =
            (&expr.kind, &other.kind)
        else {
            return self.expr(expr);
        };
        if !matches!(&*name.text, "ROWTIME" | "WINDOWSTART" | "WINDOWEND")
            || self.expr(other)?.data_type != Some(DataType::BigInt)
        {
            return self.expr(expr);
        }
        match types::java_time::parse_iso_timestamp(text.trim()) {
            Some(ms) => Ok(Expr::constant(Value::BigInt(ms), DataType::BigInt)),
            None => Err(PlanError::new(
                "bad_literal",
                format!("invalid time \"{text}\" beside \"{}\"", name.text),
            )
            .at(expr.span)
            .hint("write it as '2018-01-31T23:59:58.123+0100'; the end can be left out")),
        }
    }

    pub(super) fn in_list(&self, expr: &ast::Expr, list: &[ast::Expr], negated: bool) -> Result<Expr> {
        let all: Vec<&ast::Expr> = std::iter::once(expr).chain(list).collect();
        let (mut typed, _) = self.coerce_list(&all)?;
        let value = typed.remove(0);
        Ok(boolean(ExprKind::In(Box::new(value), typed, negated)))
    }

    pub(super) fn like(
        &self,
        expr: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<char>,
        negated: bool,
    ) -> Result<Expr> {
        let (value, like) = (self.expr(expr)?, self.expr(pattern)?);
        for (typed, written) in [(&value, expr), (&like, pattern)] {
            if !matches!(typed.data_type, Some(DataType::String) | None) {
                return Err(PlanError::new(
                    "type_mismatch",
                    format!(
                        "LIKE compares STRING values, {} is {}",
                        sql::format_expression(written),
                        super::type_text(typed.data_type.as_ref())
                    ),
                )
                .at(written.span));
            }
        }
        Ok(boolean(ExprKind::Like { expr: Box::new(value), pattern: Box::new(like), escape, negated }))
    }

    pub(super) fn case(
        &self,
        operand: Option<&ast::Expr>,
        branches: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
    ) -> Result<Expr> {
        let Some(operand) = operand else {
            let conditions = branches.iter().map(|(when, _)| self.condition(when, "the condition of WHEN"));
            let conditions = conditions.collect::<Result<_>>()?;
            return self.searched_case(conditions, branches, otherwise);
        };
        self.bound(operand, |inner, value| {
            let equal = |(when, _): &(ast::Expr, ast::Expr)| {
                inner.budget.take(copied_bytes(value) / BYTES_A_STEP)?;
                // A text beside ROWTIME is read as a time.
                if matches!(operand.kind, ast::ExprKind::Literal(_)) {
                    return inner.compare(CompareOp::Equal, operand, when);
                }
                comparison(CompareOp::Equal, value.clone(), inner.beside(when, operand)?)
                    .map_err(|e| named(e, operand, when))
            };
            let conditions = branches.iter().map(equal).collect::<Result<_>>()?;
            inner.searched_case(conditions, branches, otherwise)
        })
    }

    fn searched_case(
        &self,
        conditions: Vec<Expr>,
        branches: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
    ) -> Result<Expr> {
        let results: Vec<&ast::Expr> = branches.iter().map(|(_, then)| then).chain(otherwise).collect();
        let (mut typed, data_type) = self.coerce_list(&results)?;
        let Some(data_type) = data_type else {
            return Err(PlanError::new("null_case", "all branches of CASE are NULL")
                .hint("CAST(NULL AS type) gives NULL a type"));
        };
        let last = otherwise.and_then(|_| typed.pop()).map(Box::new);
        let branches = conditions.into_iter().zip(typed).collect();
        Ok(Expr { kind: ExprKind::Case(branches, last), data_type: Some(data_type) })
    }

    pub(super) fn array(&self, items: &[ast::Expr]) -> Result<Expr> {
        let (typed, item) = self.coerce_list(&items.iter().collect::<Vec<_>>())?;
        let Some(item) = item else {
            return Err(PlanError::new("null_array", "an array of NULLs has no type")
                .hint("ARRAY[CAST(NULL AS STRING)] gives it one"));
        };
        Ok(Expr { kind: ExprKind::Array(typed), data_type: Some(DataType::array(item)) })
    }

    pub(super) fn map(&self, entries: &[(ast::Expr, ast::Expr)]) -> Result<Expr> {
        let (keys, key) = self.coerce_list(&entries.iter().map(|(k, _)| k).collect::<Vec<_>>())?;
        let (values, value) = self.coerce_list(&entries.iter().map(|(_, v)| v).collect::<Vec<_>>())?;
        let (Some(key), Some(value)) = (key, value) else {
            return Err(PlanError::new("null_map", "a map of NULL keys or values has no type")
                .hint("CAST(NULL AS type) gives NULL a type"));
        };
        let typed = keys.into_iter().zip(values).collect();
        Ok(Expr { kind: ExprKind::Map(typed), data_type: Some(DataType::map(key, value)) })
    }
}

/// Whether a copy takes no longer than a parameter: a constant, a column, a field of one.
fn is_short(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Constant(_) | ExprKind::Column(_) => true,
        ExprKind::Field(base, _) => is_short(base),
        _ => false,
    }
}

/// How long a constant is that is copied with its expression; what is not text is shared.
fn copied_bytes(expr: &Expr) -> usize {
    match &expr.kind {
        ExprKind::Constant(Value::String(text)) => text.len(),
        _ => 0,
    }
}

fn as_decimal(expr: Expr, precision: u8, scale: u8) -> Expr {
    if matches!(expr.data_type, Some(DataType::Decimal { .. })) {
        return expr;
    }
    Expr { kind: ExprKind::Cast(Box::new(expr)), data_type: Some(DataType::Decimal { precision, scale }) }
}

/// The error of a comparison, telling what was compared.
fn named(error: PlanError, left: &ast::Expr, right: &ast::Expr) -> PlanError {
    if error.code != "not_comparable" {
        return error;
    }
    let compared = format!("{} and {}", sql::format_expression(left), sql::format_expression(right));
    let message = format!("cannot compare {compared}: {}", error.message);
    PlanError { message, ..error }.hint("CAST one side to the other's type")
}

/// A comparison of two typed operands; text literals are read as DATE, TIME, TIMESTAMP or BYTES where the
/// other side is one.
pub fn comparison(op: CompareOp, left: Expr, right: Expr) -> Result<Expr> {
    let (left, right) = match (&left.data_type, &right.data_type) {
        (Some(l), Some(r)) if l != r => {
            let temporal = |t: &DataType| {
                matches!(t, DataType::Date | DataType::Time | DataType::Timestamp | DataType::Bytes)
            };
            match (l, r) {
                (DataType::String, r) if temporal(r) => {
                    let r = r.clone();
                    (text_as(left, &r)?, right)
                }
                (l, DataType::String) if temporal(l) => {
                    let l = l.clone();
                    let right = text_as(right, &l)?;
                    (left, right)
                }
                (DataType::Date, DataType::Timestamp) => (cast(left, DataType::Timestamp), right),
                (DataType::Timestamp, DataType::Date) => (left, cast(right, DataType::Timestamp)),
                (DataType::Time, DataType::Timestamp) => (left, cast(right, DataType::Time)),
                (DataType::Timestamp, DataType::Time) => (cast(left, DataType::Time), right),
                _ => (left, right),
            }
        }
        _ => (left, right),
    };
    if left.data_type.is_none() || right.data_type.is_none() {
        return Err(PlanError::new("null_operand", "comparison with NULL is never true")
            .hint("write IS NULL or IS NOT NULL"));
    }
    if let (Some(l), Some(r)) = (&left.data_type, &right.data_type) {
        let equality = matches!(
            op,
            CompareOp::Equal | CompareOp::NotEqual | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom
        );
        if !types::is_comparable(l, r, equality) {
            return Err(PlanError::new("not_comparable", format!("{l} cannot be compared with {r}")));
        }
    }
    Ok(boolean(ExprKind::Compare(op, Box::new(left), Box::new(right))))
}

fn text_as(expr: Expr, target: &DataType) -> Result<Expr> {
    if matches!(expr.kind, ExprKind::Constant(_)) {
        return cast_to(expr, target);
    }
    Ok(cast(expr, target.clone()))
}

fn cast(expr: Expr, target: DataType) -> Expr {
    Expr { kind: ExprKind::Cast(Box::new(expr)), data_type: Some(target) }
}

/// Precision and scale of a number that is not DOUBLE.
fn decimal_of(data_type: &DataType) -> Option<(u8, u8)> {
    match data_type {
        DataType::Decimal { precision, scale } => Some((*precision, *scale)),
        DataType::Int => Some(decimal_type::INT_AS_DECIMAL),
        DataType::BigInt => Some(decimal_type::BIGINT_AS_DECIMAL),
        _ => None,
    }
}
