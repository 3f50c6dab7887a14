//! FROM: source steps, and joins of them from left to right.
//!
//! In a join every source first hands on just the columns that the query names, as value columns (key and
//! pseudo columns among them), with the join expression as its key. A source that has that key already is
//! not moved to other partitions.

use std::sync::Arc;

use sql::ast::{self, ExprKind as Ast, Ident, JoinKind};
use types::{DataType, Namespace};

use super::{QueryPlanner, Relation};
use crate::catalog::Source;
use crate::error::{PlanError, Result};
use crate::expr::{ColumnRef, Expr};
use crate::scope::{PSEUDO_COLUMNS, Scope, ScopeColumn, WINDOW_COLUMNS, unknown_source};
use crate::step::{Layout, SourceKind, SourceStep, Step, StepKind, WindowInfo};
use crate::walk;

/// A source in FROM before any column was dropped.
struct Bound {
    alias: Arc<str>,
    source: Arc<Source>,
    step: Step,
    scope: Scope,
}

/// Left side of a join under construction.
struct Joined {
    step: Step,
    scope: Scope,
    /// Expressions equal to the single key column.
    key: Vec<ast::Expr>,
    /// Whether `key` names are only the key's synonyms (FULL joins have none).
    is_rekeyed: bool,
}

impl QueryPlanner<'_> {
    pub(super) fn relation(&self, query: &ast::Query) -> Result<Relation> {
        let first = self.bind(&query.from.source)?;
        if query.from.joins.is_empty() {
            let key = first.source.schema.key().map(|c| vec![column(&first.alias, &c.name)]).collect();
            return Ok(Relation {
                step: first.step,
                scope: first.scope,
                key,
                sources: vec![(first.alias, first.source)],
                is_rekeyed: false,
            });
        }
        let mut bound = vec![first];
        for join in &query.from.joins {
            let next = self.bind(&join.source)?;
            if bound.iter().any(|b| b.alias == next.alias) {
                return Err(PlanError::new(
                    "duplicate_source",
                    format!("\"{}\" is in FROM more than once", next.alias),
                )
                .at(join.source.name.span)
                .hint("give each its own alias; a source cannot be joined with itself without one"));
            }
            bound.push(next);
        }
        let everything = Scope {
            columns: bound.iter().flat_map(|b| b.scope.columns.iter().cloned()).collect(),
            params: vec![],
        };
        check_ambiguous(query, &everything)?;
        let needed = needed_columns(query, &everything);
        self.join_all(query, bound, &everything, &needed)
    }

    fn bind(&self, from: &ast::FromSource) -> Result<Bound> {
        let source = self.catalog.source(&from.name.text).ok_or_else(|| {
            unknown_source(&from.name.text, from.name.span, self.catalog.sources().map(|s| &*s.name))
        })?;
        let alias = from.alias.as_ref().unwrap_or(&from.name).text.clone();
        let step = source_step(source);
        let scope = source_scope(&alias, source);
        Ok(Bound { alias, source: source.clone(), step, scope })
    }

    fn join_all(
        &self,
        query: &ast::Query,
        bound: Vec<Bound>,
        everything: &Scope,
        needed: &[ScopeColumn],
    ) -> Result<Relation> {
        let sources: Vec<_> = bound.iter().map(|b| (b.alias.clone(), b.source.clone())).collect();
        let mut rest = bound.into_iter();
        let first = rest.next().expect("FROM has a first source");
        let first_key: Vec<ast::Expr> =
            first.source.schema.key().map(|c| column(&first.alias, &c.name)).collect();
        let (step, scope) = narrowed(first.step, &first.scope, needed);
        let mut foreign_key: Option<Vec<Vec<ast::Expr>>> = None;
        let mut left = Joined {
            step,
            scope,
            key: if first_key.len() == 1 { first_key.clone() } else { vec![] },
            is_rekeyed: false,
        };
        for (join, right) in query.from.joins.iter().zip(rest) {
            let right_key: Vec<ast::Expr> =
                right.source.schema.key().map(|c| column(&right.alias, &c.name)).collect();
            let (left_on, right_on) = self.sides(join, everything, &right.alias)?;
            let (step, scope) = narrowed(right.step, &right.scope, needed);
            let right_side = Joined {
                step,
                scope,
                key: if right_key.len() == 1 { right_key } else { vec![] },
                is_rekeyed: false,
            };
            if left.step.output == SourceKind::Table
                && right_side.step.output == SourceKind::Table
                && !left.key.contains(&left_on)
            {
                if query.from.joins.len() > 1 && foreign_key.is_some() {
                    return Err(
                        PlanError::new("bad_join", "a query can have one foreign-key join").at(join.span)
                    );
                }
                foreign_key = Some(first_key.iter().map(|k| vec![k.clone()]).collect());
                left = self.foreign_key_join(join, left, right_side, left_on, right_on)?;
            } else {
                left = self.equi_join(join, left, right_side, left_on, right_on)?;
            }
        }
        let key = match foreign_key {
            Some(key) => key,
            None => vec![left.key.iter().filter(|e| matches!(e.kind, Ast::Column { .. })).cloned().collect()],
        };
        let mut scope = left.scope;
        if key.iter().any(Vec::is_empty) {
            let name = synthetic_name(everything);
            let (_, data_type) = left.step.layout.key[0].clone();
            scope.columns.insert(
                0,
                ScopeColumn {
                    source: "".into(),
                    name: name.clone(),
                    column: ColumnRef::Key(0),
                    data_type,
                    is_pseudo: false,
                },
            );
            let key = vec![vec![column("", &name)]];
            return Ok(Relation { step: left.step, scope, key, sources, is_rekeyed: left.is_rekeyed });
        }
        Ok(Relation { step: left.step, scope, key, sources, is_rekeyed: left.is_rekeyed })
    }

    /// The two sides of `ON a = b`: what refers to the sources before, and what refers to the new one.
    fn sides(&self, join: &ast::Join, everything: &Scope, right: &str) -> Result<(ast::Expr, ast::Expr)> {
        let Ast::Compare(ast::CompareOp::Equal, a, b) = &join.on.kind else {
            return Err(PlanError::new("bad_join", "a join condition is one equality")
                .at(join.on.span)
                .hint("write ON left.column = right.column; further conditions go into WHERE"));
        };
        let side = |expr: &ast::Expr| -> Result<(bool, bool)> {
            self.typing(everything).expr(expr)?;
            let (mut in_left, mut in_right) = (false, false);
            walk::visit(&walk::canonical(expr, everything), &mut |e| {
                if let Ast::Column { source: Some(source), .. } = &e.kind {
                    if &*source.text == right { in_right = true } else { in_left = true }
                }
                true
            });
            Ok((in_left, in_right))
        };
        let (a_canonical, b_canonical) = (walk::canonical(a, everything), walk::canonical(b, everything));
        match (side(a)?, side(b)?) {
            ((true, false), (false, true)) => Ok((a_canonical, b_canonical)),
            ((false, true), (true, false)) => Ok((b_canonical, a_canonical)),
            _ => Err(PlanError::new(
                "bad_join",
                "each side of a join condition must name one of the joined sources",
            )
            .at(join.on.span)),
        }
    }

    fn equi_join(
        &self,
        join: &ast::Join,
        left: Joined,
        right: Joined,
        left_on: ast::Expr,
        right_on: ast::Expr,
    ) -> Result<Joined> {
        let kinds = (left.step.output, right.step.output);
        check_join(join, kinds)?;
        if kinds.1 == SourceKind::Table && !right.key.contains(&right_on) {
            return Err(PlanError::new(
                "bad_join",
                format!("a table is joined on its primary key, not on {}", sql::format_expression(&right_on)),
            )
            .at(join.on.span)
            .hint("swap the sides, or make a table with that key by CREATE TABLE … GROUP BY"));
        }
        let left_type = self.typing(&left.scope).expr(&left_on)?;
        let right_type = self.typing(&right.scope).expr(&right_on)?;
        if left_type.data_type != right_type.data_type {
            return Err(types_differ(join, &left_type, &right_type));
        }
        let left_rekeyed = self.rekeyed(left, &left_on, "left")?;
        let right_rekeyed = self.rekeyed(right, &right_on, "right")?;
        check_windows(join, left_rekeyed.step.layout.window, right_rekeyed.step.layout.window)?;
        let (layout, scope) = concatenated(&left_rekeyed, &right_rekeyed);
        let mut key = left_rekeyed.key.clone();
        for expr in &right_rekeyed.key {
            if !key.contains(expr) {
                key.push(expr.clone());
            }
        }
        if join.kind == JoinKind::Full {
            key.clear();
        }
        let is_rekeyed = left_rekeyed.is_rekeyed;
        let (left, right) = (Box::new(left_rekeyed.step), Box::new(right_rekeyed.step));
        let kind = match kinds {
            (SourceKind::Stream, SourceKind::Stream) => {
                let within = join.within.as_ref().expect("checked by check_join");
                StepKind::StreamStreamJoin {
                    kind: join.kind,
                    left,
                    right,
                    before_ms: within.before_ms,
                    after_ms: within.after_ms,
                    grace_ms: within.grace_ms,
                }
            }
            (SourceKind::Stream, SourceKind::Table) => {
                StepKind::StreamTableJoin { kind: join.kind, left, right }
            }
            _ => StepKind::TableTableJoin { kind: join.kind, left, right },
        };
        Ok(Joined { step: Step { kind, layout, output: kinds.0 }, scope, key, is_rekeyed })
    }

    fn foreign_key_join(
        &self,
        join: &ast::Join,
        left: Joined,
        right: Joined,
        left_on: ast::Expr,
        right_on: ast::Expr,
    ) -> Result<Joined> {
        check_join(join, (SourceKind::Table, SourceKind::Table))?;
        if !right.key.contains(&right_on) {
            return Err(PlanError::new(
                "bad_join",
                format!("a table is joined on its primary key, not on {}", sql::format_expression(&right_on)),
            )
            .at(join.on.span));
        }
        if !matches!(join.kind, JoinKind::Inner | JoinKind::Left) {
            return Err(PlanError::new("bad_join", "a foreign-key join is INNER or LEFT").at(join.span));
        }
        if left.step.layout.window.is_some() || right.step.layout.window.is_some() {
            return Err(PlanError::new("bad_join", "a windowed table cannot be joined by a foreign key")
                .at(join.span)
                .hint("windowed tables are joined on their keys, which have the same windows"));
        }
        let foreign_key = self.typing(&left.scope).expr(&left_on)?;
        let right_type = self.typing(&right.scope).expr(&right_on)?;
        if foreign_key.data_type != right_type.data_type {
            return Err(types_differ(join, &foreign_key, &right_type));
        }
        let (layout, scope) = concatenated(&left, &right);
        let kind = StepKind::ForeignKeyJoin {
            kind: join.kind,
            left: Box::new(left.step),
            right: Box::new(right.step),
            foreign_key,
        };
        let step = Step { kind, layout, output: SourceKind::Table };
        Ok(Joined { step, scope, key: left.key, is_rekeyed: left.is_rekeyed })
    }

    /// The side keyed by its join expression, moved to the partitions of that key when it was not.
    fn rekeyed(&self, side: Joined, on: &ast::Expr, which: &str) -> Result<Joined> {
        if side.key.contains(on) {
            return Ok(side);
        }
        if side.step.layout.window.is_some() {
            return Err(PlanError::new(
                "bad_join",
                format!("a windowed source is joined on its key, not on {}", sql::format_expression(on)),
            )
            .at(on.span)
            .hint("the window is a part of the key and would be lost with another one"));
        }
        let key = self.typing(&side.scope).expr(on)?;
        let data_type = crate::project_type(&key);
        let value: Vec<Expr> = side
            .step
            .layout
            .value
            .iter()
            .enumerate()
            .map(|(i, (_, t))| Expr::column(ColumnRef::Value(i), t.clone()))
            .collect();
        let name: Arc<str> = match &on.kind {
            Ast::Column { name, .. } => name.text.clone(),
            _ => "ROWKEY".into(),
        };
        let layout =
            Layout { key: vec![(name, data_type)], value: side.step.layout.value.clone(), window: None };
        let map = Step {
            kind: StepKind::Map { input: Box::new(side.step), key: Some(vec![key]), value },
            layout: layout.clone(),
            output: SourceKind::Stream,
        };
        let kind = StepKind::Repartition { input: Box::new(map), topic: format!("Join-{which}-repartition") };
        let step = Step { kind, layout, output: SourceKind::Stream };
        Ok(Joined { step, scope: side.scope, key: vec![on.clone()], is_rekeyed: true })
    }
}

/// The step that reads a source.
pub fn source_step(source: &Source) -> Step {
    let key = source.schema.key().map(|c| (c.name.clone(), c.data_type.clone())).collect();
    let mut value: Vec<_> = source.schema.value().map(|c| (c.name.clone(), c.data_type.clone())).collect();
    let headers = source
        .schema
        .headers()
        .map(|c| {
            value.push((c.name.clone(), c.data_type.clone()));
            match &c.namespace {
                Namespace::Header(name) => name.clone(),
                _ => None,
            }
        })
        .collect();
    // The hidden copy of the key inside the value, for old KSQL's KEY='column'.
    let key_from_value = source.key_from_value.as_ref().map(|name| {
        let data_type = source.schema.key().next().map_or(DataType::String, |c| c.data_type.clone());
        value.push((name.clone(), data_type));
        value.len() - 1
    });
    let step = SourceStep {
        name: source.name.clone(),
        kind: source.kind,
        topic: source.topic.clone(),
        key_format: source.key_format.clone(),
        value_format: source.value_format.clone(),
        headers,
        timestamp: source.timestamp.clone(),
        key_from_value,
    };
    let layout = Layout { key, value, window: source.window };
    Step { kind: StepKind::Source(step), layout, output: source.kind }
}

/// The names of a source: key columns, (window bounds), value and header columns, pseudo columns.
pub fn source_scope(alias: &Arc<str>, source: &Source) -> Scope {
    let mut columns = Vec::new();
    let mut add = |name: &Arc<str>, column: ColumnRef, data_type: DataType, is_pseudo: bool| {
        // PARTITION BY ROWTIME can make a key column of that name: it is the one meant.
        if is_pseudo && source.schema.find(name).is_some() {
            return;
        }
        columns.push(ScopeColumn { source: alias.clone(), name: name.clone(), column, data_type, is_pseudo });
    };
    for (i, c) in source.schema.key().enumerate() {
        add(&c.name, ColumnRef::Key(i), c.data_type.clone(), false);
    }
    if source.window.is_some() {
        add(&WINDOW_COLUMNS[0].into(), ColumnRef::WindowStart, DataType::BigInt, true);
        add(&WINDOW_COLUMNS[1].into(), ColumnRef::WindowEnd, DataType::BigInt, true);
    }
    for (i, c) in source.schema.value().chain(source.schema.headers()).enumerate() {
        add(&c.name, ColumnRef::Value(i), c.data_type.clone(), false);
    }
    add(&PSEUDO_COLUMNS[0].into(), ColumnRef::RowTime, DataType::BigInt, true);
    add(&PSEUDO_COLUMNS[1].into(), ColumnRef::RowPartition, DataType::Int, true);
    add(&PSEUDO_COLUMNS[2].into(), ColumnRef::RowOffset, DataType::BigInt, true);
    Scope { columns, params: vec![] }
}

/// `alias.name` as an expression.
pub(super) fn column(alias: &str, name: &Arc<str>) -> ast::Expr {
    let ident = |text: Arc<str>| Ident { text, quoted: true, span: ast::Span::default() };
    ast::Expr {
        kind: Ast::Column { source: Some(ident(alias.into())), name: ident(name.clone()) },
        span: ast::Span::default(),
    }
}

/// All columns that a query with joins names; `*` has the window bounds of its sources too, and with PARTITION BY
/// the pseudo columns, which ksqlDB then treats as ordinary ones.
fn needed_columns(query: &ast::Query, everything: &Scope) -> Vec<ScopeColumn> {
    let mut needed: Vec<ScopeColumn> = Vec::new();
    let mut add = |column: &ScopeColumn| {
        if !needed.iter().any(|n| n.source == column.source && n.name == column.name) {
            needed.push(column.clone());
        }
    };
    for item in &query.select {
        if let ast::SelectItem::All { source, .. } = item {
            let all =
                everything.columns.iter().filter(|c| source.as_ref().is_none_or(|s| s.text == c.source));
            let is_shown = |c: &&ScopeColumn| {
                !c.is_pseudo || WINDOW_COLUMNS.contains(&&*c.name) || !query.partition_by.is_empty()
            };
            all.filter(is_shown).for_each(&mut add);
        }
    }
    let clauses = walk::select_exprs(&query.select)
        .chain(&query.filter)
        .chain(&query.group_by)
        .chain(&query.partition_by)
        .chain(&query.having)
        .chain(query.from.joins.iter().map(|j| &j.on));
    for expr in clauses {
        walk::visit(&walk::canonical(expr, everything), &mut |e| {
            if let Ast::Column { source, name } = &e.kind
                && let Ok(column) = everything.resolve(source.as_ref(), name)
            {
                add(column);
            }
            true
        });
    }
    // In the order of the sources' columns, so that `*` needs no sorting.
    everything
        .columns
        .iter()
        .filter(|c| needed.iter().any(|n| n.source == c.source && n.name == c.name))
        .cloned()
        .collect()
}

/// Refuses names that two of the joined sources have. After the join only the columns that were meant are left.
fn check_ambiguous(query: &ast::Query, everything: &Scope) -> Result<()> {
    let clauses = walk::select_exprs(&query.select)
        .chain(&query.filter)
        .chain(&query.group_by)
        .chain(&query.partition_by)
        .chain(&query.having);
    clauses
        .into_iter()
        .try_for_each(|expr| check_names(expr, everything, query.window.is_some(), &mut vec![]))
}

fn check_names(
    expr: &ast::Expr,
    everything: &Scope,
    is_windowed: bool,
    params: &mut Vec<Arc<str>>,
) -> Result<()> {
    match &expr.kind {
        Ast::Column { source: None, name }
            if !params.contains(&name.text)
                && everything.count(&name.text) > 1
                && !(is_windowed && WINDOW_COLUMNS.contains(&&*name.text)) =>
        {
            everything.resolve(None, name).map(|_| ())
        }
        Ast::Lambda { params: more, body } => {
            let before = params.len();
            params.extend(more.iter().map(|param| param.text.clone()));
            let checked = check_names(body, everything, is_windowed, params);
            params.truncate(before);
            checked
        }
        _ => walk::children(expr)
            .into_iter()
            .try_for_each(|child| check_names(child, everything, is_windowed, params)),
    }
}

/// The source's step handing on only its needed columns, all as value columns.
fn narrowed(step: Step, scope: &Scope, needed: &[ScopeColumn]) -> (Step, Scope) {
    let alias = scope.columns[0].source.clone();
    let columns: Vec<&ScopeColumn> = needed.iter().filter(|c| c.source == alias).collect();
    let value =
        columns.iter().map(|c| (c.name.clone(), Expr::column(c.column, c.data_type.clone()))).collect();
    let scope = Scope {
        columns: columns
            .iter()
            .enumerate()
            .map(|(i, c)| ScopeColumn { column: ColumnRef::Value(i), ..(*c).clone() })
            .collect(),
        params: vec![],
    };
    (super::mapped(step, value), scope)
}

fn concatenated(left: &Joined, right: &Joined) -> (Layout, Scope) {
    let mut layout = left.step.layout.clone();
    let offset = layout.value.len();
    layout.value.extend(right.step.layout.value.iter().cloned());
    let mut scope = left.scope.clone();
    scope.columns.extend(right.scope.columns.iter().map(|c| {
        let column = match c.column {
            ColumnRef::Value(i) => ColumnRef::Value(i + offset),
            other => other,
        };
        ScopeColumn { column, ..c.clone() }
    }));
    (layout, scope)
}

fn check_join(join: &ast::Join, kinds: (SourceKind, SourceKind)) -> Result<()> {
    let refuse =
        |message: &str, hint: &str| Err(PlanError::new("bad_join", message).at(join.span).hint(hint));
    match kinds {
        (SourceKind::Stream, SourceKind::Stream) if join.within.is_none() => refuse(
            "a stream-stream join needs WITHIN",
            "say how far apart in time the records may be, for example WITHIN 1 MINUTES",
        ),
        (SourceKind::Table, SourceKind::Stream) => refuse(
            "a table cannot be joined with a stream in this order",
            "write the stream first: FROM stream JOIN table",
        ),
        (SourceKind::Stream, SourceKind::Table) if matches!(join.kind, JoinKind::Full | JoinKind::Right) => {
            refuse("a stream-table join is INNER or LEFT", "only the stream's records give results")
        }
        (_, SourceKind::Table) if join.within.is_some() => {
            refuse("WITHIN is for stream-stream joins", "leave WITHIN out")
        }
        _ => Ok(()),
    }
}

/// Windows are part of the keys that a join compares: of another kind or size they never are equal.
fn check_windows(join: &ast::Join, left: Option<WindowInfo>, right: Option<WindowInfo>) -> Result<()> {
    if left == right {
        return Ok(());
    }
    let text = |window: Option<WindowInfo>| match window {
        None => "not windowed".to_owned(),
        Some(WindowInfo::Session) => "windowed by SESSION".to_owned(),
        Some(WindowInfo::Time { size_ms }) => format!("windowed by {size_ms} ms"),
    };
    Err(PlanError::new(
        "bad_join",
        format!("the left side of the join is {}, the right side is {}", text(left), text(right)),
    )
    .at(join.span)
    .hint("windows are part of the key: sources are joined that have the same windows, or none"))
}

fn types_differ(join: &ast::Join, left: &Expr, right: &Expr) -> PlanError {
    let text = |e: &Expr| e.data_type.as_ref().map_or_else(|| "NULL".into(), DataType::to_string);
    PlanError::new(
        "bad_join",
        format!("the sides of a join condition have different types, {} and {}", text(left), text(right)),
    )
    .at(join.on.span)
    .hint("CAST one side to the other's type")
}

/// ROWKEY, or ROWKEY_1 … when the sources have such columns.
fn synthetic_name(everything: &Scope) -> Arc<str> {
    let taken = |name: &str| everything.count(name) > 0;
    if !taken("ROWKEY") {
        return "ROWKEY".into();
    }
    // One more than the highest in use, as ksqlDB numbers generated names.
    let highest = everything
        .columns
        .iter()
        .filter_map(|c| c.name.strip_prefix("ROWKEY_")?.parse::<u32>().ok())
        .max()
        .unwrap_or(0);
    format!("ROWKEY_{}", highest + 1).into()
}
