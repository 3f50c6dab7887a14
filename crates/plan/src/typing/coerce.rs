//! Implicit casts: widening numbers, and literals to the type that is needed.
//!
//! Lists whose members must have one type (ARRAY, MAP, IN, CASE) follow ksqlDB's `CoercionUtil`: the type comes from
//! what is not a literal, then from literals that are not text, and text literals are read as that type. What is
//! built by ARRAY, MAP or STRUCT in such a list is coerced item by item.

use sql::ast::{self};
use types::{DataType, Decimal, Field, Value};

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
                Err(_) => Err(bad_literal(&constant_text(value), target)),
            };
        }
    }
    if types::implicitly_castable(from, target) {
        return Ok(Expr { kind: ExprKind::Cast(Box::new(expr)), data_type: Some(target.clone()) });
    }
    Err(PlanError::new("type_mismatch", format!("{from} cannot be used where {target} is expected")))
}

impl Typing<'_> {
    /// Types a list whose members must have one type. `None`: all are NULL.
    pub(super) fn coerce_list(&self, list: &[&ast::Expr]) -> Result<(Vec<Expr>, Option<DataType>)> {
        let typed = list.iter().map(|e| self.expr(e)).collect::<Result<Vec<_>>>()?;
        let Some(target) = common(&typed)? else { return Ok((typed, None)) };
        let coerced = typed
            .into_iter()
            .zip(list)
            .map(|(typed, written)| coerced(typed, &target).map_err(|e| e.at(written.span)))
            .collect::<Result<Vec<_>>>()?;
        Ok((coerced, Some(target)))
    }
}

/// How much a member of a list has to say about the list's type; the first to speak come first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Computed,
    Literal,
    TextLiteral,
}

fn weight(expr: &Expr) -> Weight {
    let least = |parts: &mut dyn Iterator<Item = &Expr>| parts.map(weight).min().unwrap_or(Weight::Literal);
    match &expr.kind {
        ExprKind::Constant(Value::String(_)) if expr.data_type == Some(DataType::String) => {
            Weight::TextLiteral
        }
        ExprKind::Constant(_) => Weight::Literal,
        ExprKind::Array(items) | ExprKind::Struct(items) => least(&mut items.iter()),
        ExprKind::Map(entries) => least(&mut entries.iter().flat_map(|(k, v)| [k, v])),
        _ => Weight::Computed,
    }
}

/// The one type for all.
fn common(list: &[Expr]) -> Result<Option<DataType>> {
    if is_text_before_other_literals(list) {
        return Ok(Some(DataType::String));
    }
    let mut by_weight: Vec<&Expr> = list.iter().collect();
    by_weight.sort_by_key(|expr| weight(expr));
    by_weight.into_iter().try_fold(None, merged)
}

/// Scalar literals only, the first of them text: all become text.
fn is_text_before_other_literals(list: &[Expr]) -> bool {
    let is_scalar = |t: &DataType| t.is_numeric() || matches!(t, DataType::Boolean | DataType::String);
    let first = list.iter().find(|e| e.data_type.is_some());
    first.is_some_and(|e| weight(e) == Weight::TextLiteral)
        && list
            .iter()
            .all(|e| matches!(e.kind, ExprKind::Constant(_)) && e.data_type.as_ref().is_none_or(is_scalar))
}

/// The type that takes what `so_far` takes, and `expr`.
fn merged(so_far: Option<DataType>, expr: &Expr) -> Result<Option<DataType>> {
    let (Some(so_far), Some(given)) = (&so_far, &expr.data_type) else {
        return Ok(so_far.or_else(|| expr.data_type.clone()));
    };
    let merged = match (so_far, &expr.kind) {
        (DataType::Array(item), ExprKind::Array(items)) => DataType::array(merged_part(item, items)?),
        (DataType::Map(key, value), ExprKind::Map(entries)) => DataType::map(
            merged_part(key, entries.iter().map(|(key, _)| key))?,
            merged_part(value, entries.iter().map(|(_, value)| value))?,
        ),
        (DataType::Struct(fields), ExprKind::Struct(values)) => {
            let mut fields = fields.to_vec();
            for (given, value) in struct_fields(given).iter().zip(values) {
                match fields.iter_mut().find(|field| field.name == given.name) {
                    Some(field) => field.data_type = merged_part(&field.data_type, [value])?,
                    None => fields.push(given.clone()),
                }
            }
            DataType::Struct(fields.into())
        }
        (_, ExprKind::Constant(Value::Null)) => {
            types::common_type(&[so_far.clone(), given.clone()]).unwrap_or_else(|| so_far.clone())
        }
        (_, ExprKind::Constant(Value::String(text))) if *given == DataType::String => {
            read_as(text, so_far).ok_or_else(|| bad_literal(text, so_far))?
        }
        (DataType::String, ExprKind::Constant(_)) if !given.is_nested() => DataType::String,
        _ => types::common_type(&[so_far.clone(), given.clone()]).ok_or_else(|| {
            PlanError::new("type_mismatch", format!("types {so_far} and {given} cannot be matched"))
                .hint("CAST the values to one type")
        })?,
    };
    Ok(Some(merged))
}

fn merged_part<'e>(so_far: &DataType, parts: impl IntoIterator<Item = &'e Expr>) -> Result<DataType> {
    let merged = parts.into_iter().try_fold(Some(so_far.clone()), merged)?;
    Ok(merged.unwrap_or_else(|| so_far.clone()))
}

fn struct_fields(data_type: &DataType) -> &[Field] {
    match data_type {
        DataType::Struct(fields) => fields,
        _ => &[],
    }
}

/// The type a text literal needs among values of type `target`: wider than `target` if its number is.
fn read_as(text: &str, target: &DataType) -> Option<DataType> {
    let trimmed = text.trim();
    match target {
        DataType::String => Some(DataType::String),
        DataType::Boolean => is_boolean(trimmed).then_some(DataType::Boolean),
        DataType::Double => types::parse_double(trimmed).map(|_| DataType::Double),
        DataType::Int | DataType::BigInt | DataType::Decimal { .. } => {
            let own = if trimmed.parse::<i32>().is_ok() {
                DataType::Int
            } else if trimmed.parse::<i64>().is_ok() {
                DataType::BigInt
            } else {
                let number: Decimal = trimmed.parse().ok()?;
                DataType::Decimal { precision: number.precision().max(number.scale()), scale: number.scale() }
            };
            types::common_type(&[target.clone(), own])
        }
        _ if target.is_nested() => None,
        _ => Some(target.clone()),
    }
}

/// What ksqlDB takes for a BOOLEAN among BOOLEANs: `true`, `yes`, `false`, `no` and what they begin with.
fn is_boolean(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    !lower.is_empty() && ["true", "yes", "false", "no"].iter().any(|word| word.starts_with(&lower))
}

/// A member of a list as the list's type.
fn coerced(expr: Expr, target: &DataType) -> Result<Expr> {
    let data_type = Some(target.clone());
    if expr.data_type == data_type {
        return Ok(expr);
    }
    let kind = match (expr.kind, target) {
        (ExprKind::Constant(Value::Null), _) => ExprKind::Constant(Value::Null),
        (ExprKind::Array(items), DataType::Array(item)) => {
            ExprKind::Array(items.into_iter().map(|e| coerced(e, item)).collect::<Result<_>>()?)
        }
        (ExprKind::Map(entries), DataType::Map(key, value)) => ExprKind::Map(
            entries
                .into_iter()
                .map(|(k, v)| Ok((coerced(k, key)?, coerced(v, value)?)))
                .collect::<Result<_>>()?,
        ),
        (ExprKind::Struct(values), DataType::Struct(fields)) => {
            let given = expr.data_type.unwrap_or_else(|| target.clone());
            let mut values: Vec<Option<Expr>> = values.into_iter().map(Some).collect();
            let place = |field: &Field| struct_fields(&given).iter().position(|g| g.name == field.name);
            let field_of = |field: &Field| match place(field).and_then(|at| values.get_mut(at)?.take()) {
                Some(value) => coerced(value, &field.data_type),
                None => Ok(Expr::constant(Value::Null, field.data_type.clone())),
            };
            ExprKind::Struct(fields.iter().map(field_of).collect::<Result<_>>()?)
        }
        (kind, _) => return cast_any(Expr { kind, data_type: expr.data_type }, target),
    };
    Ok(Expr { kind, data_type })
}

/// As `cast_to`, and literals also to text.
fn cast_any(expr: Expr, target: &DataType) -> Result<Expr> {
    if let (ExprKind::Constant(value), Some(from), DataType::String) = (&expr.kind, &expr.data_type, target)
        && *from != DataType::String
        && let Ok(value) = types::cast(value, from, target)
    {
        return Ok(Expr::constant(value, DataType::String));
    }
    if let Some(from) = &expr.data_type
        && from.is_nested()
        && types::is_castable(from, target)
    {
        return Ok(Expr { kind: ExprKind::Cast(Box::new(expr)), data_type: Some(target.clone()) });
    }
    cast_to(expr, target)
}

fn bad_literal(text: &str, target: &DataType) -> PlanError {
    PlanError::new("bad_literal", format!("invalid input syntax for type {target}: \"{text}\""))
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
