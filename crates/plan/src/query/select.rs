//! The SELECT list: `*` expanded, every column named.

use std::sync::Arc;

use sql::ast::{self, ExprKind as Ast, Ident, SelectItem};
use types::{DataType, Namespace};

use super::from::column;
use super::{Purpose, QueryPlanner, Relation, SelectColumn};
use crate::error::{PlanError, Result};
use crate::scope::{Scope, ScopeColumn, WINDOW_COLUMNS, is_reserved_column, unknown_source};
use crate::walk;

impl QueryPlanner<'_> {
    pub(super) fn expand_select(&self, query: &ast::Query, relation: &Relation) -> Result<Vec<SelectColumn>> {
        let mut items: Vec<SelectColumn> = Vec::new();
        let mut names = Names::new(relation);
        for item in &query.select {
            match item {
                SelectItem::All { source, span } => {
                    if let Some(source) = source
                        && !relation.sources.iter().any(|(alias, _)| *alias == source.text)
                    {
                        let known = relation.sources.iter().map(|(alias, _)| &**alias);
                        return Err(unknown_source(&source.text, source.span, known));
                    }
                    self.expand_star(query, relation, source.as_ref(), *span, &mut items);
                }
                SelectItem::StructAll { base, span } => {
                    let typed = self.typing(&relation.scope).expr(base)?;
                    let Some(DataType::Struct(fields)) = typed.data_type else {
                        return Err(PlanError::new("not_a_struct", "->* needs a STRUCT").at(*span));
                    };
                    for field in fields.iter() {
                        let name = Ident { text: field.name.clone(), quoted: true, span: *span };
                        let expr = ast::Expr { kind: Ast::Field(Box::new(base.clone()), name), span: *span };
                        items.push(SelectColumn { name: field.name.clone(), expr });
                    }
                }
                SelectItem::Expr { expr, alias } => {
                    let name = match alias {
                        Some(alias) => {
                            if is_reserved_column(&alias.text) {
                                return Err(reserved(&alias.text).at(alias.span));
                            }
                            alias.text.clone()
                        }
                        None => names.for_expr(expr, relation, &items)?,
                    };
                    items.push(SelectColumn { name, expr: expr.clone() });
                }
            }
        }
        if self.purpose == Purpose::Persistent {
            // `SELECT * … PARTITION BY ROWTIME` is the one way to a column of such a name.
            let by_star = query.select.iter().any(|item| matches!(item, SelectItem::All { .. }));
            let is_key = |item: &SelectColumn| {
                let this = walk::canonical(&item.expr, &relation.scope);
                query.partition_by.iter().any(|e| walk::canonical(e, &relation.scope) == this)
            };
            for item in &items {
                if is_reserved_column(&item.name) && !(by_star && is_key(item)) {
                    return Err(reserved(&item.name).at(item.expr.span));
                }
            }
        }
        Ok(items)
    }

    fn expand_star(
        &self,
        query: &ast::Query,
        relation: &Relation,
        source: Option<&Ident>,
        span: ast::Span,
        items: &mut Vec<SelectColumn>,
    ) {
        let new_key: Vec<ast::Expr> =
            query.partition_by.iter().map(|e| walk::canonical(e, &relation.scope)).collect();
        let is_key = |c: &ScopeColumn| new_key.contains(&column(&c.source, &c.name));
        let wanted = |c: &&ScopeColumn| {
            let is_window = WINDOW_COLUMNS.contains(&&*c.name);
            let bounds_too = self.purpose == Purpose::Transient || relation.is_join();
            let pseudo_too = relation.is_join() && !query.partition_by.is_empty();
            let is_shown = !c.is_pseudo || pseudo_too || is_key(c) || (is_window && bounds_too);
            source.is_none_or(|s| s.text == c.source) && is_shown
        };
        let mut columns: Vec<&ScopeColumn> = relation.scope.columns.iter().filter(wanted).collect();
        if !query.partition_by.is_empty() {
            // The new key first; the pseudo and old key columns of a source move behind its value's, as in ksqlDB.
            let place = |c: &ScopeColumn| relation.sources.iter().position(|(alias, _)| *alias == c.source);
            let is_old_key = |c: &ScopeColumn| {
                let declared = place(c).and_then(|at| relation.sources[at].1.schema.find(&c.name));
                declared.is_none_or(|column| column.namespace == Namespace::Key)
            };
            columns.sort_by_key(|c| match (is_key(c), c.is_pseudo, is_old_key(c)) {
                (true, ..) => (None, 0),
                (_, false, false) => (Some(place(c)), 0),
                (_, true, _) => (Some(place(c)), 1),
                (_, false, true) => (Some(place(c)), 2),
            });
            for expr in &query.partition_by {
                let is_column = matches!(walk::canonical(expr, &relation.scope).kind, Ast::Column { .. });
                let is_null = matches!(expr.kind, Ast::Literal(ast::Literal::Null));
                let already = items.iter().any(|i| i.expr == *expr);
                if !is_column && !is_null && !already && source.is_none() {
                    let name = Names::new(relation).for_expr(expr, relation, items);
                    if let Ok(name) = name {
                        items.push(SelectColumn { name, expr: expr.clone() });
                    }
                }
            }
        }
        for c in columns {
            let name = if relation.is_join() && !c.source.is_empty() {
                format!("{}_{}", c.source, c.name).into()
            } else {
                c.name.clone()
            };
            let mut expr = column(&c.source, &c.name);
            expr.span = span;
            items.push(SelectColumn { name, expr });
        }
    }
}

fn reserved(name: &str) -> PlanError {
    PlanError::new("reserved_column", format!("\"{name}\" is a reserved column name")).hint(format!(
        "give the column another name with AS, for example {name} AS {}_COPY",
        name.to_uppercase()
    ))
}

/// Names for columns without alias, as ksqlDB gives them: the column's or field's own name (with its source
/// before it where two sources have it), else KSQL_COL_n.
struct Names {
    next: u32,
}

impl Names {
    fn new(relation: &Relation) -> Self {
        let taken = relation
            .sources
            .iter()
            .flat_map(|(_, s)| s.schema.columns.iter())
            .filter_map(|c| c.name.strip_prefix("KSQL_COL_")?.parse::<u32>().ok())
            .max();
        Self { next: taken.map_or(0, |n| n + 1) }
    }

    fn for_expr(
        &mut self,
        expr: &ast::Expr,
        relation: &Relation,
        items: &[SelectColumn],
    ) -> Result<Arc<str>> {
        match &expr.kind {
            Ast::Column { .. } => {
                let Ast::Column { source, name } = walk::canonical(expr, &relation.scope).kind else {
                    return Ok("KSQL_COL_0".into());
                };
                Ok(self::column_name(source.as_ref(), &name, &relation.scope, relation))
            }
            Ast::Field(_, name) => {
                let taken = |n: &str| items.iter().any(|i| &*i.name == n);
                let mut unique = name.text.clone();
                let mut n = 0;
                while taken(&unique) {
                    n += 1;
                    unique = format!("{}_{n}", name.text).into();
                }
                Ok(unique)
            }
            _ => {
                let name = format!("KSQL_COL_{}", self.next);
                self.next += 1;
                Ok(name.into())
            }
        }
    }
}

fn column_name(source: Option<&Ident>, name: &Ident, scope: &Scope, relation: &Relation) -> Arc<str> {
    match source {
        Some(source) if relation.is_join() && !source.text.is_empty() => {
            let is_pseudo = is_reserved_column(&name.text);
            let declared = relation
                .sources
                .iter()
                .filter(|(_, s)| s.schema.columns.iter().any(|c| c.name == name.text))
                .count();
            if is_pseudo || declared > 1 || scope.count(&name.text) > 1 {
                format!("{}_{}", source.text, name.text).into()
            } else {
                name.text.clone()
            }
        }
        _ => name.text.clone(),
    }
}
