//! GROUP BY, aggregates, windows and HAVING.

use std::cell::RefCell;
use std::sync::Arc;

use functions::FunctionKind;
use sql::ast::{self, Emit, ExprKind as Ast};
use types::DataType;

use super::{Purpose, QueryPlanner, Relation, SelectColumn};
use crate::error::{PlanError, Result};
use crate::expr::{ColumnRef, Expr};
use crate::scope::{Scope, ScopeColumn, WINDOW_COLUMNS};
use crate::step::{AggregateFunction, Layout, SourceKind, Step, StepKind, WindowInfo, WindowSpec};
use crate::walk;

/// The distinct aggregate calls of a query.
#[derive(Default)]
struct Calls {
    written: Vec<ast::Expr>,
    functions: Vec<(AggregateFunction, DataType)>,
}

impl QueryPlanner<'_> {
    pub(super) fn aggregate(
        &self,
        query: &ast::Query,
        items: Vec<SelectColumn>,
        relation: &mut Relation,
        window: Option<WindowSpec>,
    ) -> Result<Step> {
        super::project::check_duplicates(&items)?;
        if window.is_some() && relation.step.output == SourceKind::Table {
            return Err(PlanError::new("bad_query", "WINDOW is only for streams").at(query.span));
        }
        let groups: Vec<ast::Expr> =
            query.group_by.iter().map(|e| walk::canonical(e, &relation.scope)).collect();
        for (i, group) in groups.iter().enumerate() {
            if groups[..i].contains(group) {
                return Err(PlanError::new("bad_query", "GROUP BY has the same expression twice")
                    .at(query.group_by[i].span));
            }
        }
        let key = query
            .group_by
            .iter()
            .map(|e| {
                let typed = self.typing(&relation.scope).expr(e)?;
                crate::check_key_type(&crate::project_type(&typed)).map_err(|err| err.at(e.span))?;
                Ok(typed)
            })
            .collect::<Result<Vec<_>>>()?;
        let calls = self.collect_calls(query, &items, relation)?;
        let step = self.aggregated(query, relation, &key, &calls, window)?;
        self.finish(query, items, relation, step, &groups, &calls, window.is_some())
    }

    fn collect_calls(
        &self,
        query: &ast::Query,
        items: &[SelectColumn],
        relation: &Relation,
    ) -> Result<Calls> {
        let calls = RefCell::new(Calls::default());
        let error = RefCell::new(None);
        for expr in items.iter().map(|i| &i.expr).chain(&query.having) {
            walk::visit(expr, &mut |e| {
                let Ast::Call { name, args, star } = &e.kind else { return true };
                if self.library.kind(&name.text) != Some(FunctionKind::Aggregate) {
                    return true;
                }
                let canonical = walk::canonical(e, &relation.scope);
                let mut calls = calls.borrow_mut();
                if !calls.written.contains(&canonical) {
                    match self.typing(&relation.scope).aggregate(name, args, *star) {
                        Ok(call) => {
                            calls.functions.push(call);
                            calls.written.push(canonical);
                        }
                        Err(e) => {
                            error.borrow_mut().get_or_insert(e);
                        }
                    }
                }
                false
            });
        }
        match error.into_inner() {
            Some(error) => Err(error),
            None => Ok(calls.into_inner()),
        }
    }

    fn aggregated(
        &self,
        query: &ast::Query,
        relation: &mut Relation,
        key: &[Expr],
        calls: &Calls,
        window: Option<WindowSpec>,
    ) -> Result<Step> {
        let key_layout: Vec<(Arc<str>, DataType)> = query
            .group_by
            .iter()
            .zip(key)
            .enumerate()
            .map(|(i, (written, typed))| {
                let name: Arc<str> = match &written.kind {
                    Ast::Column { name, .. } | Ast::Field(_, name) => name.text.clone(),
                    _ => format!("KSQL_COL_{i}").into(),
                };
                (name, crate::project_type(typed))
            })
            .collect();
        let results = calls.functions.iter().enumerate();
        let value = results.map(|(i, (_, t))| (format!("KSQL_AGG_VARIABLE_{i}").into(), t.clone())).collect();
        let window_info = window.map(|w| match w.kind {
            ast::WindowKind::Tumbling { size_ms } | ast::WindowKind::Hopping { size_ms, .. } => {
                WindowInfo::Time { size_ms }
            }
            ast::WindowKind::Session { .. } => WindowInfo::Session,
        });
        let layout = Layout { key: key_layout.clone(), value, window: window_info };
        let topic = "Aggregate-GroupBy-repartition".to_owned();

        if relation.step.output == SourceKind::Table {
            for (function, _) in &calls.functions {
                if !function.call.code.can_undo() {
                    return Err(PlanError::new(
                        "bad_query",
                        format!(
                            "{} cannot aggregate a table: a changed row could not be taken out again",
                            function.name
                        ),
                    )
                    .at(query.span)
                    .hint("aggregate the stream behind the table instead"));
                }
            }
            let functions = calls.functions.iter().map(|(f, _)| f.clone()).collect();
            relation.is_rekeyed = true;
            let kind = StepKind::TableAggregate {
                input: Box::new(relation.step.clone()),
                key: key.to_vec(),
                carried: vec![],
                functions,
                topic,
            };
            return Ok(Step { kind, layout, output: SourceKind::Table });
        }

        // The aggregates' arguments become the value columns of the grouped stream.
        let mut arguments = Vec::new();
        let mut functions = Vec::new();
        for (function, _) in &calls.functions {
            let mut function = function.clone();
            for arg in &mut function.args {
                let data_type = crate::project_type(arg);
                let column = Expr::column(ColumnRef::Value(arguments.len()), data_type);
                arguments.push(std::mem::replace(arg, column));
            }
            functions.push(function);
        }
        let is_key = key.len() == relation.step.layout.key.len()
            && relation.step.layout.window.is_none()
            && key
                .iter()
                .enumerate()
                .all(|(i, e)| matches!(e.kind, crate::expr::ExprKind::Column(ColumnRef::Key(k)) if k == i));
        let grouped_layout = Layout {
            key: key_layout,
            value: arguments
                .iter()
                .enumerate()
                .map(|(i, e)| (format!("KSQL_INTERNAL_COL_{i}").into(), crate::project_type(e)))
                .collect(),
            window: None,
        };
        let mut input = Step {
            kind: StepKind::Map {
                input: Box::new(relation.step.clone()),
                key: if is_key { None } else { Some(key.to_vec()) },
                value: arguments,
            },
            layout: grouped_layout.clone(),
            output: SourceKind::Stream,
        };
        if !is_key {
            relation.is_rekeyed = true;
            let kind = StepKind::Repartition { input: Box::new(input), topic };
            input = Step { kind, layout: grouped_layout, output: SourceKind::Stream };
        }
        let kind = StepKind::Aggregate {
            input: Box::new(input),
            carried: vec![],
            functions,
            window,
            emit_final: query.emit == Some(Emit::Final),
        };
        Ok(Step { kind, layout, output: SourceKind::Table })
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one clause, used once")]
    fn finish(
        &self,
        query: &ast::Query,
        items: Vec<SelectColumn>,
        relation: &mut Relation,
        step: Step,
        groups: &[ast::Expr],
        calls: &Calls,
        windowed: bool,
    ) -> Result<Step> {
        let before = relation.scope.clone();
        let mut scope = Scope::default();
        // As in ksqlDB, the bounds of a window over a join are in the key only.
        if windowed && !relation.is_join() {
            let bounds = [ColumnRef::WindowStart, ColumnRef::WindowEnd];
            let alias = relation.sources.first().map(|(alias, _)| alias.clone()).unwrap_or_default();
            for (name, column) in WINDOW_COLUMNS.iter().zip(bounds) {
                scope.columns.push(ScopeColumn {
                    source: alias.clone(),
                    name: (*name).into(),
                    column,
                    data_type: DataType::BigInt,
                    is_pseudo: true,
                });
            }
        }
        let key_types: Vec<DataType> = step.layout.key.iter().map(|(_, t)| t.clone()).collect();
        let result_types: Vec<DataType> = step.layout.value.iter().map(|(_, t)| t.clone()).collect();
        let substitute = |e: &ast::Expr| {
            let canonical = walk::canonical(e, &before);
            if let Some(i) = groups.iter().position(|g| *g == canonical) {
                return Some(Expr::column(ColumnRef::Key(i), key_types[i].clone()));
            }
            let i = calls.written.iter().position(|c| *c == canonical)?;
            Some(Expr::column(ColumnRef::Value(i), result_types[i].clone()))
        };
        let windowed_join = windowed && relation.is_join();
        let typing = |expr: &ast::Expr, clause: Option<&str>| {
            let mut typing = self.typing(&scope);
            typing.substitute = Some(&substitute);
            let typed = match clause {
                Some(clause) => typing.condition(expr, clause),
                None => typing.expr(expr),
            };
            typed.map_err(|e| join_window(e, windowed_join))
        };
        for expr in items.iter().map(|item| &item.expr).chain(&query.having) {
            check_grouped(expr, &substitute, &scope, &before)?;
        }
        for item in &items {
            super::project::check_has_type(&typing(&item.expr, None)?, item)?;
        }
        let mut step = step;
        if let Some(having) = &query.having {
            step = super::filtered(step, typing(having, Some("HAVING"))?);
        }
        let (key_names, value) = if self.purpose == Purpose::Persistent {
            relation.key = groups.iter().map(|g| vec![g.clone()]).collect();
            self.split_key(items, relation)?
        } else {
            (step.layout.key.iter().map(|(n, _)| n.clone()).collect(), items)
        };
        let typed = value
            .iter()
            .map(|item| Ok((item.name.clone(), typing(&item.expr, None)?)))
            .collect::<Result<Vec<_>>>()?;
        let mut step = super::mapped(step, typed);
        for (column, name) in step.layout.key.iter_mut().zip(key_names) {
            column.0 = name;
        }
        Ok(step)
    }
}

/// A column that exists but is not grouped by is a mistake of its own.
fn check_grouped(
    expr: &ast::Expr,
    substitute: &dyn Fn(&ast::Expr) -> Option<Expr>,
    after: &Scope,
    before: &Scope,
) -> Result<()> {
    let mut missing = None;
    walk::visit(expr, &mut |e| {
        if missing.is_some() || substitute(e).is_some() {
            return false;
        }
        if let Ast::Column { source, name } = &e.kind
            && after.resolve(source.as_ref(), name).is_err()
            && before.resolve(source.as_ref(), name).is_ok()
        {
            missing = Some((name.clone(), e.span));
        }
        true
    });
    let Some((name, span)) = missing else { return Ok(()) };
    let span = if span == ast::Span::default() { expr.span } else { span };
    Err(PlanError::new(
        "not_grouped",
        format!(
            "column \"{}\" must appear in the GROUP BY clause or be used in an aggregate function",
            name.text
        ),
    )
    .at(span)
    .hint("LATEST_BY_OFFSET(column) takes the newest value of each group"))
}

/// WINDOWSTART and WINDOWEND of a window over a join.
fn join_window(error: PlanError, windowed_join: bool) -> PlanError {
    let is_bound = WINDOW_COLUMNS.iter().any(|name| error.message.contains(&format!("\"{name}\"")));
    if !(windowed_join && is_bound && error.code == "unknown_column") {
        return error;
    }
    error.hint("join into a stream first and aggregate that; the key has the window in any case")
}
