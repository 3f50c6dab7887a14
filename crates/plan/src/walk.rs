//! Walking over parsed expressions.

use std::sync::Arc;

use sql::ast::{Expr, ExprKind, Ident, SelectItem};

use crate::scope::Scope;

/// The direct sub-expressions, left to right.
pub fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Column { .. } | ExprKind::Interval(_) => vec![],
        ExprKind::Arithmetic(_, l, r)
        | ExprKind::Compare(_, l, r)
        | ExprKind::Logical(_, l, r)
        | ExprKind::Concat(l, r)
        | ExprKind::Subscript(l, r) => vec![l, r],
        ExprKind::Negate(e)
        | ExprKind::Not(e)
        | ExprKind::IsNull { expr: e, .. }
        | ExprKind::Cast(e, _)
        | ExprKind::Field(e, _) => vec![e],
        ExprKind::Lambda { body, .. } => vec![body],
        ExprKind::Between { expr, low, high, .. } => vec![expr, low, high],
        ExprKind::In { expr, list, .. } => std::iter::once(&**expr).chain(list).collect(),
        ExprKind::Like { expr, pattern, .. } => vec![expr, pattern],
        ExprKind::Case { operand, branches, otherwise } => operand
            .as_deref()
            .into_iter()
            .chain(branches.iter().flat_map(|(when, then)| [when, then]))
            .chain(otherwise.as_deref())
            .collect(),
        ExprKind::Call { args, .. } | ExprKind::Array(args) => args.iter().collect(),
        ExprKind::Map(entries) => entries.iter().flat_map(|(k, v)| [k, v]).collect(),
        ExprKind::Struct(fields) => fields.iter().map(|(_, v)| v).collect(),
    }
}

/// Calls `visit` for an expression and everything below it, until `visit` says not to go deeper.
pub fn visit<'a>(expr: &'a Expr, found: &mut dyn FnMut(&'a Expr) -> bool) {
    if found(expr) {
        for child in children(expr) {
            visit(child, found);
        }
    }
}

/// The expression with every column written as `alias.column`, so that equal expressions are equal trees.
/// Columns that do not resolve (lambda parameters) stay.
pub fn canonical(expr: &Expr, scope: &Scope) -> Expr {
    map(expr, &|e| {
        let ExprKind::Column { source, name } = &e.kind else { return None };
        let column = match scope.resolve(source.as_ref(), name) {
            Ok(column) => column,
            Err(_) => {
                let dotted = format!("{}.{}", source.as_ref()?.text, name.text);
                scope.columns.iter().find(|c| c.name.eq_ignore_ascii_case(&dotted))?
            }
        };
        let ident = |text: &Arc<str>| Ident { text: text.clone(), quoted: true, span: e.span };
        let kind = ExprKind::Column { source: Some(ident(&column.source)), name: ident(&column.name) };
        Some(Expr { kind, span: e.span })
    })
}

/// A copy in which `replace` has replaced what it wanted, from the top down.
pub fn map(expr: &Expr, replace: &dyn Fn(&Expr) -> Option<Expr>) -> Expr {
    if let Some(replaced) = replace(expr) {
        return replaced;
    }
    let go = |e: &Expr| map(e, replace);
    let boxed = |e: &Expr| Box::new(map(e, replace));
    let kind = match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Column { .. } | ExprKind::Interval(_) => expr.kind.clone(),
        ExprKind::Arithmetic(op, l, r) => ExprKind::Arithmetic(*op, boxed(l), boxed(r)),
        ExprKind::Compare(op, l, r) => ExprKind::Compare(*op, boxed(l), boxed(r)),
        ExprKind::Logical(op, l, r) => ExprKind::Logical(*op, boxed(l), boxed(r)),
        ExprKind::Concat(l, r) => ExprKind::Concat(boxed(l), boxed(r)),
        ExprKind::Subscript(l, r) => ExprKind::Subscript(boxed(l), boxed(r)),
        ExprKind::Negate(e) => ExprKind::Negate(boxed(e)),
        ExprKind::Not(e) => ExprKind::Not(boxed(e)),
        ExprKind::IsNull { expr, negated } => ExprKind::IsNull { expr: boxed(expr), negated: *negated },
        ExprKind::Cast(e, t) => ExprKind::Cast(boxed(e), t.clone()),
        ExprKind::Field(e, n) => ExprKind::Field(boxed(e), n.clone()),
        ExprKind::Lambda { params, body } => ExprKind::Lambda { params: params.clone(), body: boxed(body) },
        ExprKind::Between { expr, low, high, negated } => {
            ExprKind::Between { expr: boxed(expr), low: boxed(low), high: boxed(high), negated: *negated }
        }
        ExprKind::In { expr, list, negated } => {
            ExprKind::In { expr: boxed(expr), list: list.iter().map(go).collect(), negated: *negated }
        }
        ExprKind::Like { expr, pattern, escape, negated } => {
            ExprKind::Like { expr: boxed(expr), pattern: boxed(pattern), escape: *escape, negated: *negated }
        }
        ExprKind::Case { operand, branches, otherwise } => ExprKind::Case {
            operand: operand.as_deref().map(boxed),
            branches: branches.iter().map(|(w, t)| (go(w), go(t))).collect(),
            otherwise: otherwise.as_deref().map(boxed),
        },
        ExprKind::Call { name, args, star } => {
            ExprKind::Call { name: name.clone(), args: args.iter().map(go).collect(), star: *star }
        }
        ExprKind::Array(items) => ExprKind::Array(items.iter().map(go).collect()),
        ExprKind::Map(entries) => ExprKind::Map(entries.iter().map(|(k, v)| (go(k), go(v))).collect()),
        ExprKind::Struct(fields) => {
            ExprKind::Struct(fields.iter().map(|(n, v)| (n.clone(), go(v))).collect())
        }
    };
    Expr { kind, span: expr.span }
}

/// The expressions written in a SELECT list.
pub fn select_exprs(items: &[SelectItem]) -> impl Iterator<Item = &Expr> {
    items.iter().filter_map(|item| match item {
        SelectItem::Expr { expr, .. } => Some(expr),
        SelectItem::StructAll { base, .. } => Some(base),
        SelectItem::All { .. } => None,
    })
}
