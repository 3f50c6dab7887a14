//! SELECT to steps.
//!
//! The order is fixed: sources (joined, left to right) → WHERE → table functions → GROUP BY with aggregates
//! and HAVING, or PARTITION BY → projection. Every part refers to what stands below it by `ColumnRef`.

mod aggregate;
mod from;
mod project;
mod select;

pub use from::source_step;

use std::sync::Arc;

use functions::{FunctionKind, Library};
use sql::ast::{self, Emit, ExprKind as Ast};

use crate::budget::Budget;
use crate::catalog::{Catalog, Source};
use crate::error::{PlanError, Result};
use crate::expr::{ColumnRef, Expr};
use crate::scope::{Scope, ScopeColumn, WINDOW_COLUMNS};
use crate::settings::Settings;
use crate::step::{Layout, SourceKind, Step, StepKind, WindowSpec};
use crate::type_size;
use crate::typing::Typing;
use crate::walk;

/// What a query is planned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// CREATE … AS SELECT, INSERT INTO … SELECT: key columns must be selected and become the key.
    Persistent,
    /// A query whose rows go to a client: columns come out in the order of the SELECT list.
    Transient,
}

/// A query as steps.
#[derive(Clone)]
pub struct PlannedQuery {
    /// The root step; its layout is the result.
    pub root: Step,
    /// The sources read, by name, left to right.
    pub sources: Vec<Arc<Source>>,
    /// LIMIT.
    pub limit: Option<u64>,
    /// The window of its aggregation.
    pub window: Option<WindowSpec>,
    /// Whether its key is another than the first source's.
    pub is_rekeyed: bool,
}

/// Plans queries against one catalog.
pub struct QueryPlanner<'a> {
    /// What can be named.
    pub catalog: &'a Catalog,
    /// Function library.
    pub library: &'a Library,
    /// Defaults and modes.
    pub settings: &'a Settings,
    /// What for.
    pub purpose: Purpose,
    /// What its expressions may cost.
    pub budget: Budget,
}

/// The steps so far, with the names they give.
pub(crate) struct Relation {
    pub step: Step,
    pub scope: Scope,
    /// For each key column the expressions equal to it (as `alias.column` trees); the first ones are the
    /// preferred names.
    pub key: Vec<Vec<ast::Expr>>,
    pub sources: Vec<(Arc<str>, Arc<Source>)>,
    pub is_rekeyed: bool,
}

impl Relation {
    pub fn is_join(&self) -> bool {
        self.sources.len() > 1
    }
}

impl<'a> QueryPlanner<'a> {
    /// The steps of a query.
    pub fn plan(&self, query: &ast::Query) -> Result<PlannedQuery> {
        let mut relation = self.relation(query)?;
        let mut items = self.expand_select(query, &relation)?;
        self.check_functions(query, &items, &relation)?;
        let mut grouped = !query.group_by.is_empty();
        let aggregates = items.iter().any(|i| self.has_kind(&i.expr, FunctionKind::Aggregate))
            || query.having.as_ref().is_some_and(|h| self.has_kind(h, FunctionKind::Aggregate));
        // A push query may count all rows: they are one group.
        let one_group;
        let mut query = query;
        if aggregates && !grouped && self.purpose == Purpose::Transient {
            let kind = Ast::Literal(ast::Literal::Integer(0));
            one_group = ast::Query { group_by: vec![ast::Expr { kind, span: query.span }], ..query.clone() };
            (query, grouped) = (&one_group, true);
        }
        self.check_clauses(query, grouped, aggregates)?;

        if let Some(filter) = &query.filter {
            let predicate = self.typing(&relation.scope).condition(filter, "WHERE")?;
            relation.step = filtered(relation.step, predicate);
        }
        self.flat_map(&mut items, &mut relation, grouped)?;
        let (root, window) = if grouped {
            let is_final = query.emit == Some(Emit::Final);
            let window = query.window.as_ref().map(|window| window_spec(window, is_final));
            (self.aggregate(query, items, &mut relation, window)?, window)
        } else {
            (self.project(query, items, &mut relation)?, None)
        };
        let columns = root.layout.key.iter().chain(&root.layout.value);
        type_size::check_columns(columns.map(|(_, data_type)| data_type)).map_err(|e| e.at(query.span))?;
        let limit = query.limit.map(|n| u64::try_from(n).unwrap_or(0));
        let sources = relation.sources.into_iter().map(|(_, s)| s).collect();
        Ok(PlannedQuery { root, sources, limit, window, is_rekeyed: relation.is_rekeyed })
    }

    pub(crate) fn typing(&self, scope: &Scope) -> Typing<'a> {
        let mut typing = Typing::new(self.library, self.catalog, scope.clone());
        typing.zero_based = self.settings.legacy_arrays;
        typing.budget = self.budget.clone();
        typing
    }

    fn has_kind(&self, expr: &ast::Expr, kind: FunctionKind) -> bool {
        let mut found = false;
        walk::visit(expr, &mut |e| {
            found |= matches!(&e.kind, Ast::Call { name, .. } if self.library.kind(&name.text) == Some(kind));
            !found
        });
        found
    }

    /// A misspelt function is told before a clause that is missing without it.
    fn check_functions(&self, query: &ast::Query, items: &[SelectColumn], relation: &Relation) -> Result<()> {
        for expr in items.iter().map(|item| &item.expr).chain(&query.having) {
            let mut unknown = None;
            walk::visit(expr, &mut |e| {
                if let Ast::Call { name, .. } = &e.kind
                    && self.library.kind(&name.text).is_none()
                    && !WINDOW_COLUMNS.contains(&&*name.text)
                {
                    unknown.get_or_insert(name);
                }
                true
            });
            if let Some(name) = unknown {
                return Err(self.typing(&relation.scope).unknown_function(name));
            }
        }
        Ok(())
    }

    fn check_clauses(&self, query: &ast::Query, grouped: bool, aggregates: bool) -> Result<()> {
        let refuse =
            |message: &str, hint: &str| Err(PlanError::new("bad_query", message).at(query.span).hint(hint));
        if aggregates && !grouped {
            return refuse(
                "an aggregate function needs GROUP BY",
                "add GROUP BY with the columns to group by",
            );
        }
        if query.window.is_some() && !grouped {
            return refuse("a WINDOW clause needs GROUP BY", "add GROUP BY with the columns to group by");
        }
        if query.having.is_some() && !grouped {
            let having = query.having.as_ref().map_or(query.span, |having| having.span);
            return Err(PlanError::new("bad_query", "HAVING needs GROUP BY")
                .at(having)
                .hint("use WHERE to filter single rows"));
        }
        if grouped && !aggregates {
            let first = query.group_by.first().map_or(query.span, |first| first.span);
            return Err(PlanError::new(
                "bad_query",
                "GROUP BY needs an aggregate function in SELECT or HAVING",
            )
            .at(first)
            .hint("for example COUNT(*); PARTITION BY only changes the key"));
        }
        if grouped && !query.partition_by.is_empty() {
            return refuse("GROUP BY and PARTITION BY exclude each other", "GROUP BY already sets the key");
        }
        if query.emit == Some(Emit::Final) && (query.window.is_none() || !grouped) {
            return refuse("EMIT FINAL needs a windowed aggregation", "add WINDOW, or use EMIT CHANGES");
        }
        Ok(())
    }

    /// Puts table functions of the SELECT list into a step of their own and refers to their columns.
    fn flat_map(&self, items: &mut [SelectColumn], relation: &mut Relation, grouped: bool) -> Result<()> {
        let mut calls: Vec<ast::Expr> = Vec::new();
        for item in items.iter() {
            walk::visit(&item.expr, &mut |e| {
                let is_call = matches!(&e.kind, Ast::Call { name, .. } if self.library.kind(&name.text) == Some(FunctionKind::Table));
                if is_call && !calls.contains(e) {
                    calls.push(e.clone());
                }
                !is_call
            });
        }
        if calls.is_empty() {
            return Ok(());
        }
        if grouped {
            return Err(PlanError::new("bad_query", "table functions cannot be used with aggregations")
                .at(calls[0].span));
        }
        if relation.step.output == SourceKind::Table {
            return Err(
                PlanError::new("bad_query", "table functions need a stream, not a table").at(calls[0].span)
            );
        }
        let mut functions = Vec::new();
        let mut layout = relation.step.layout.clone();
        let mut names = Vec::new();
        for (i, call) in calls.iter().enumerate() {
            let Ast::Call { name, args, .. } = &call.kind else { continue };
            let (function, returns) =
                self.typing(&relation.scope).table_function(name, args).map_err(|e| e.at(call.span))?;
            let column: Arc<str> = format!("KSQL_SYNTH_{i}").into();
            names.push(column.clone());
            relation.scope.columns.push(ScopeColumn {
                source: "".into(),
                name: column.clone(),
                column: ColumnRef::Value(layout.value.len()),
                data_type: returns.clone(),
                is_pseudo: true,
            });
            layout.value.push((column, returns));
            functions.push(function);
        }
        for item in items {
            item.expr = walk::map(&item.expr, &|e| {
                let place = calls.iter().position(|c| c == e)?;
                let name = ast::Ident { text: names[place].clone(), quoted: true, span: e.span };
                Some(ast::Expr { kind: Ast::Column { source: None, name }, span: e.span })
            });
        }
        let input = Box::new(relation.step.clone());
        relation.step =
            Step { kind: StepKind::FlatMap { input, functions }, layout, output: SourceKind::Stream };
        Ok(())
    }
}

/// One column of the SELECT list after `*` was expanded.
#[derive(Clone, Debug)]
pub(crate) struct SelectColumn {
    pub name: Arc<str>,
    pub expr: ast::Expr,
}

fn filtered(input: Step, predicate: Expr) -> Step {
    let (layout, output) = (input.layout.clone(), input.output);
    Step { kind: StepKind::Filter { input: Box::new(input), predicate }, layout, output }
}

/// A map that keeps the key.
pub(crate) fn mapped(input: Step, value: Vec<(Arc<str>, Expr)>) -> Step {
    let layout = Layout {
        key: input.layout.key.clone(),
        value: value.iter().map(|(n, e)| (n.clone(), crate::project_type(e))).collect(),
        window: input.layout.window,
    };
    let output = input.output;
    let value = value.into_iter().map(|(_, e)| e).collect();
    Step { kind: StepKind::Map { input: Box::new(input), key: None, value }, layout, output }
}

/// A window clause with ksqlDB's default: a day's grace less the size. Windows are kept until they close.
fn window_spec(window: &ast::Window, is_final: bool) -> WindowSpec {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let size = match window.kind {
        ast::WindowKind::Tumbling { size_ms } | ast::WindowKind::Hopping { size_ms, .. } => size_ms,
        ast::WindowKind::Session { gap_ms } => gap_ms,
    };
    let default_grace_ms = if is_final { 0 } else { (DAY_MS - size).max(0) };
    let grace_ms = window.grace_ms.unwrap_or(default_grace_ms);
    let retention_ms = window.retention_ms.unwrap_or(0).max(size.saturating_add(grace_ms));
    WindowSpec { kind: window.kind, grace_ms, retention_ms }
}

/// The names of one source.
pub fn from_scope(alias: &Arc<str>, source: &Source) -> Scope {
    from::source_scope(alias, source)
}

impl QueryPlanner<'_> {
    /// The SELECT list of a query on one source, typed: name, expression, place.
    pub fn select_columns(
        &self,
        query: &ast::Query,
        scope: &Scope,
        source: &Arc<Source>,
        alias: &Arc<str>,
    ) -> Result<Vec<(Arc<str>, Expr, ast::Span)>> {
        let relation = Relation {
            step: from::source_step(source),
            scope: scope.clone(),
            key: vec![],
            sources: vec![(alias.clone(), source.clone())],
            is_rekeyed: false,
        };
        let items = self.expand_select(query, &relation)?;
        project::check_duplicates(&items)?;
        items
            .into_iter()
            .map(|item| Ok((item.name, self.typing(scope).expr(&item.expr)?, item.expr.span)))
            .collect()
    }
}
