//! Expressions of the parser to typed expressions: names resolved, overloads chosen, casts inserted.

mod call;
mod coerce;
mod operators;

use std::sync::Arc;

use functions::Library;
use sql::ast::{self, ExprKind as Ast, Literal, TypeName};
use types::{DataType, Field, Value};

use crate::budget::Budget;
use crate::catalog::Catalog;
use crate::error::{PlanError, Result};
use crate::expr::{Expr, ExprKind};
use crate::scope::Scope;
use crate::type_size;

pub use coerce::cast_to;

/// Replaces a whole sub-expression before it is looked at (aggregates, GROUP BY expressions).
pub type Substitute<'a> = &'a dyn Fn(&ast::Expr) -> Option<Expr>;

/// Types expressions against one scope.
#[derive(Clone)]
pub struct Typing<'a> {
    /// Function library.
    pub library: &'a Library,
    /// For names of custom types.
    pub catalog: &'a Catalog,
    /// The names.
    pub scope: Scope,
    /// Asked first for each sub-expression.
    pub substitute: Option<Substitute<'a>>,
    /// KSQL 5 arrays: 0-based.
    pub zero_based: bool,
    /// What the statement's expressions may still cost.
    pub budget: Budget,
}

impl<'a> Typing<'a> {
    /// Types against `scope` with nothing replaced.
    pub fn new(library: &'a Library, catalog: &'a Catalog, scope: Scope) -> Self {
        Self { library, catalog, scope, substitute: None, zero_based: false, budget: Budget::default() }
    }

    /// The typed form of an expression.
    pub fn expr(&self, expr: &ast::Expr) -> Result<Expr> {
        if let Some(substitute) = self.substitute
            && let Some(found) = substitute(expr)
        {
            return Ok(found);
        }
        self.kind(expr).and_then(|typed| self.counted(typed)).map_err(|e| e.at(expr.span))
    }

    /// Takes off the budget what can grow faster than the text: parts of lambdas, and of types that are made here.
    fn counted(&self, typed: Expr) -> Result<Expr> {
        use ExprKind::{Array, Call, Constant, Map, Struct};
        if !self.scope.params.is_empty() {
            self.budget.take(1)?;
        }
        if let Some(data_type) = typed.data_type.as_ref().filter(|data_type| data_type.is_nested())
            && matches!(typed.kind, Array(_) | Map(_) | Struct(_) | Call { .. } | Constant(_))
        {
            self.budget.take(type_size::measured(data_type)?)?;
        }
        Ok(typed)
    }

    /// A BOOLEAN expression for a clause named in the error.
    pub fn condition(&self, expr: &ast::Expr, clause: &str) -> Result<Expr> {
        let typed = self.expr(expr)?;
        match &typed.data_type {
            Some(DataType::Boolean) | None => Ok(typed),
            Some(other) => Err(PlanError::new(
                "not_boolean",
                format!("{clause} must be a BOOLEAN, not {} of type {other}", sql::format_expression(expr)),
            )
            .at(expr.span)),
        }
    }

    fn kind(&self, expr: &ast::Expr) -> Result<Expr> {
        match &expr.kind {
            Ast::Literal(literal) => Ok(self::literal(literal)),
            Ast::Column { source, name } => {
                if source.is_none()
                    && let Some(param) = self.scope.param(&name.text)
                {
                    return Ok(param);
                }
                self.column(source.as_ref(), name)
            }
            Ast::Arithmetic(op, left, right) => self.arithmetic(*op, left, right),
            Ast::Concat(left, right) => self.concat(left, right),
            Ast::Negate(inner) => self.negate(inner),
            Ast::Compare(op, left, right) => self.compare(*op, left, right),
            Ast::Logical(op, left, right) => {
                let left = self.condition(left, "an operand of AND, OR")?;
                let right = self.condition(right, "an operand of AND, OR")?;
                Ok(boolean(ExprKind::Logical(*op, Box::new(left), Box::new(right))))
            }
            Ast::Not(inner) => {
                Ok(boolean(ExprKind::Not(Box::new(self.condition(inner, "the operand of NOT")?))))
            }
            Ast::IsNull { expr, negated } => {
                Ok(boolean(ExprKind::IsNull(Box::new(self.expr(expr)?), *negated)))
            }
            Ast::Between { expr, low, high, negated } => self.between(expr, low, high, *negated),
            Ast::In { expr, list, negated } => self.in_list(expr, list, *negated),
            Ast::Like { expr, pattern, escape, negated } => self.like(expr, pattern, *escape, *negated),
            Ast::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref())
            }
            Ast::Cast(inner, type_name) => self.cast(inner, type_name),
            Ast::Call { name, args, star } => self.call(name, args, *star),
            Ast::Lambda { .. } => {
                Err(PlanError::new("misplaced_lambda", "a lambda can only be an argument of a function"))
            }
            Ast::Interval(unit) => {
                Ok(Expr::constant(Value::text(format!("{unit:?}").to_uppercase()), DataType::String))
            }
            Ast::Array(items) => self.array(items),
            Ast::Map(entries) => self.map(entries),
            Ast::Struct(fields) => self.structure(fields),
            Ast::Subscript(base, index) => self.subscript(base, index),
            Ast::Field(base, name) => self.field(base, name),
        }
    }

    /// A column; where `a.b` is no column of source `a`, perhaps the column named "a.b" (Zeek's
    /// `id.orig_h` written without quotes).
    fn column(&self, source: Option<&ast::Ident>, name: &ast::Ident) -> Result<Expr> {
        if let Some(source) = source
            && !self.scope.has_source(&source.text)
            && !source.quoted
        {
            let dotted = format!("{}.{}", source.text, name.text);
            let hits: Vec<_> =
                self.scope.columns.iter().filter(|c| c.name.eq_ignore_ascii_case(&dotted)).collect();
            if let [column] = hits[..] {
                return Ok(Expr::column(column.column, column.data_type.clone()));
            }
        }
        let column = self.scope.resolve(source, name)?;
        Ok(Expr::column(column.column, column.data_type.clone()))
    }

    fn cast(&self, inner: &ast::Expr, type_name: &TypeName) -> Result<Expr> {
        let target = resolve_type(self.catalog, type_name)?;
        let typed = self.expr(inner)?;
        let Some(from) = typed.data_type.clone() else {
            return Ok(Expr { kind: ExprKind::Constant(Value::Null), data_type: Some(target) });
        };
        if from == target {
            return Ok(typed);
        }
        if !types::is_castable(&from, &target) {
            return Err(PlanError::new("bad_cast", format!("cast of {from} to {target} is not supported")));
        }
        Ok(Expr { kind: ExprKind::Cast(Box::new(typed)), data_type: Some(target) })
    }

    fn subscript(&self, base: &ast::Expr, index: &ast::Expr) -> Result<Expr> {
        let base = self.expr(base)?;
        let index_typed = self.expr(index)?;
        match &base.data_type {
            Some(DataType::Array(item)) => {
                if !matches!(index_typed.data_type, Some(DataType::Int | DataType::BigInt)) {
                    return Err(PlanError::new("bad_subscript", "an array is subscripted by a whole number")
                        .at(index.span));
                }
                let data_type = Some((**item).clone());
                let kind = ExprKind::ArrayItem {
                    array: Box::new(base),
                    index: Box::new(index_typed),
                    zero_based: self.zero_based,
                };
                Ok(Expr { kind, data_type })
            }
            Some(DataType::Map(key, value)) => {
                let data_type = Some((**value).clone());
                let index = cast_to(index_typed, key).map_err(|e| e.at(index.span))?;
                Ok(Expr { kind: ExprKind::MapItem(Box::new(base), Box::new(index)), data_type })
            }
            other => Err(PlanError::new(
                "bad_subscript",
                format!("only ARRAY and MAP can be subscripted, not {}", type_text(other.as_ref())),
            )),
        }
    }

    fn field(&self, base: &ast::Expr, name: &ast::Ident) -> Result<Expr> {
        let base = self.expr(base)?;
        let Some(DataType::Struct(fields)) = &base.data_type else {
            return Err(PlanError::new(
                "not_a_struct",
                format!("only a STRUCT has fields, not {}", type_text(base.data_type.as_ref())),
            ));
        };
        match fields.iter().position(|f| f.name == name.text) {
            Some(place) => {
                let data_type = Some(fields[place].data_type.clone());
                Ok(Expr { kind: ExprKind::Field(Box::new(base), place), data_type })
            }
            None => {
                let names: Vec<&str> = fields.iter().map(|f| &*f.name).collect();
                let error =
                    PlanError::new("unknown_field", format!("the struct has no field \"{}\"", name.text));
                Err(match crate::nearest(&name.text, &names) {
                    Some(near) => error.hint(format!("did you mean {}?", sql::quote(near))),
                    None => error.hint(format!("its fields are {}", names.join(", "))),
                }
                .at(name.span))
            }
        }
    }

    fn structure(&self, fields: &[(ast::Ident, ast::Expr)]) -> Result<Expr> {
        let mut typed = Vec::new();
        if fields.len() > type_size::TYPE_PARTS_MAX {
            return Err(type_size::too_many_parts());
        }
        let mut layout: Vec<Field> = Vec::new();
        for (name, expr) in fields {
            if layout.iter().any(|f| f.name == name.text) {
                return Err(PlanError::new("duplicate_field", format!("duplicate field \"{}\"", name.text))
                    .at(name.span));
            }
            let value = self.expr(expr)?;
            let data_type = value.data_type.clone().unwrap_or(DataType::String);
            layout.push(Field { name: name.text.clone(), data_type });
            typed.push(value);
        }
        Ok(Expr { kind: ExprKind::Struct(typed), data_type: Some(DataType::Struct(layout.into())) })
    }
}

/// The typed form of a literal.
pub fn literal(literal: &Literal) -> Expr {
    match literal {
        Literal::Null => Expr { kind: ExprKind::Constant(Value::Null), data_type: None },
        Literal::Boolean(v) => Expr::constant(Value::Boolean(*v), DataType::Boolean),
        Literal::Integer(v) => Expr::constant(Value::Int(*v), DataType::Int),
        Literal::BigInt(v) => Expr::constant(Value::BigInt(*v), DataType::BigInt),
        Literal::Double(v) => Expr::constant(Value::Double(*v), DataType::Double),
        Literal::Decimal(v) => {
            let digits = v.unscaled().unsigned_abs().to_string().len().max(v.scale() as usize);
            let precision = digits.clamp(1, 38) as u8;
            Expr::constant(Value::Decimal(*v), DataType::Decimal { precision, scale: v.scale() })
        }
        Literal::String(v) => Expr::constant(Value::text(v), DataType::String),
    }
}

/// The type of a written type name, no larger than types may be.
pub fn resolve_type(catalog: &Catalog, type_name: &TypeName) -> Result<DataType> {
    let data_type = resolve(catalog, type_name)?;
    type_size::measured(&data_type)?;
    Ok(data_type)
}

fn resolve(catalog: &Catalog, type_name: &TypeName) -> Result<DataType> {
    Ok(match type_name {
        TypeName::Builtin(data_type) => data_type.clone(),
        TypeName::Array(item) => DataType::array(resolve(catalog, item)?),
        TypeName::Map(key, value) => DataType::map(resolve(catalog, key)?, resolve(catalog, value)?),
        TypeName::Struct(fields) if fields.len() > type_size::TYPE_PARTS_MAX => {
            return Err(type_size::too_many_parts());
        }
        TypeName::Struct(fields) => {
            let mut layout: Vec<Field> = Vec::new();
            for (name, field_type) in fields {
                if layout.iter().any(|f| f.name == name.text) {
                    return Err(PlanError::new(
                        "duplicate_field",
                        format!("duplicate field \"{}\" in STRUCT", name.text),
                    )
                    .at(name.span));
                }
                layout.push(Field { name: name.text.clone(), data_type: resolve(catalog, field_type)? });
            }
            DataType::Struct(Arc::from(layout))
        }
        TypeName::Custom(name) => catalog.custom_type(&name.text).cloned().ok_or_else(|| {
            let known: Vec<&str> = catalog.custom_types().map(|(n, _)| &**n).chain(BUILTIN_TYPES).collect();
            let error = PlanError::new("unknown_type", format!("type \"{}\" does not exist", name.text))
                .at(name.span);
            match crate::nearest(&name.text, &known) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("SHOW TYPES lists the types made by CREATE TYPE"),
            }
        })?,
    })
}

const BUILTIN_TYPES: [&str; 15] = [
    "BOOLEAN",
    "INTEGER",
    "INT",
    "BIGINT",
    "DOUBLE",
    "DECIMAL",
    "STRING",
    "VARCHAR",
    "BYTES",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "ARRAY",
    "MAP",
    "STRUCT",
];

fn boolean(kind: ExprKind) -> Expr {
    Expr { kind, data_type: Some(DataType::Boolean) }
}

fn type_text(data_type: Option<&DataType>) -> String {
    data_type.map_or_else(|| "NULL".to_owned(), DataType::to_string)
}
