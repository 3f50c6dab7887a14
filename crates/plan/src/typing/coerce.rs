//! Implicit casts: widening numbers, and literals to the type that is needed.

use sql::ast::{self};
use types::{DataType, Value};

use super::{Typing, type_text};
use crate::error::{PlanError, Result};
use crate::expr::{Expr, ExprKind};

/// The expression as `target`: unchanged, widened, or a text literal read as the target type.
pub fn cast_to(expr: Expr, target: &DataType) -> Result<Expr> {
    let Some(from) = &expr.data_type else {
        return Ok(Expr { kind: expr.kind, data_type: Some(target.clone()) });
    };
    if from == target {
        return Ok(expr);
    }
    if let ExprKind::Constant(value) = &expr.kind {
        let reads =
            types::implicitly_castable(from, target) || (*from == DataType::String && !target.is_nested());
        if reads {
            return match types::cast(value, from, target) {
                Ok(value) => Ok(Expr::constant(value, target.clone())),
                Err(_) => Err(PlanError::new(
                    "bad_literal",
                    format!("invalid input syntax for type {target}: \"{}\"", constant_text(value)),
                )),
            };
        }
    }
    if types::implicitly_castable(from, target) {
        return Ok(Expr { kind: ExprKind::Cast(Box::new(expr)), data_type: Some(target.clone()) });
    }
    Err(PlanError::new("type_mismatch", format!("{from} cannot be used where {target} is expected")))
}

impl Typing<'_> {
    /// Types a list whose members must have one type (ARRAY, MAP, IN, CASE): numbers are widened, text
    /// literals are read as the type of the others. `None`: all are NULL.
    pub(super) fn coerce_list(&self, list: &[&ast::Expr]) -> Result<(Vec<Expr>, Option<DataType>)> {
        let typed = list.iter().map(|e| self.expr(e)).collect::<Result<Vec<_>>>()?;
        let Some(target) = common(&typed)? else { return Ok((typed, None)) };
        let coerced = typed
            .into_iter()
            .zip(list)
            .map(|(typed, written)| cast_any(typed, &target).map_err(|e| e.at(written.span)))
            .collect::<Result<Vec<_>>>()?;
        Ok((coerced, Some(target)))
    }
}

/// The one type for all: the widest of the non-literals and of the literals that are not text; text only
/// when all are text, or the first is.
fn common(list: &[Expr]) -> Result<Option<DataType>> {
    let is_text_literal = |e: &&Expr| {
        matches!(&e.kind, ExprKind::Constant(Value::String(_))) && e.data_type == Some(DataType::String)
    };
    let first_is_text = list.iter().find(|e| e.data_type.is_some()).is_some_and(|e| is_text_literal(&e));
    if first_is_text && list.iter().all(|e| matches!(e.kind, ExprKind::Constant(_)) && !nested(e)) {
        let others: Vec<_> = list.iter().filter(|e| e.data_type.is_some() && !is_text_literal(e)).collect();
        // Literals only, the first of them text: all become text.
        if others
            .iter()
            .all(|e| e.data_type.as_ref().is_some_and(|t| t.is_numeric() || *t == DataType::Boolean))
        {
            return Ok(Some(DataType::String));
        }
    }
    let firm: Vec<DataType> =
        list.iter().filter(|e| !is_text_literal(e)).filter_map(|e| e.data_type.clone()).collect();
    if firm.is_empty() {
        return Ok(list.iter().find_map(|e| e.data_type.clone()));
    }
    match types::common_type(&firm) {
        Some(data_type) => Ok(Some(data_type)),
        None => {
            let names: Vec<String> = firm.iter().map(DataType::to_string).collect();
            Err(PlanError::new("type_mismatch", format!("values of different types: {}", names.join(", "))))
        }
    }
}

fn nested(expr: &Expr) -> bool {
    expr.data_type.as_ref().is_some_and(DataType::is_nested)
}

/// As `cast_to`, and literals also to text.
fn cast_any(expr: Expr, target: &DataType) -> Result<Expr> {
    if let (ExprKind::Constant(value), Some(from), DataType::String) = (&expr.kind, &expr.data_type, target)
        && *from != DataType::String
        && let Ok(value) = types::cast(value, from, target)
    {
        return Ok(Expr::constant(value, DataType::String));
    }
    if let (Some(from), true) = (&expr.data_type, nested(&expr))
        && types::is_castable(from, target)
    {
        if from == target {
            return Ok(expr);
        }
        return Ok(Expr { kind: ExprKind::Cast(Box::new(expr)), data_type: Some(target.clone()) });
    }
    cast_to(expr, target)
}

/// A constant as the user wrote it, for messages.
pub(super) fn constant_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        other => format!("{other:?}"),
    }
}

/// The error for operands that do not go together.
pub(super) fn mismatch(what: &str, left: &Expr, right: &Expr) -> PlanError {
    PlanError::new(
        "type_mismatch",
        format!("{what}: {} and {}", type_text(left.data_type.as_ref()), type_text(right.data_type.as_ref())),
    )
}
