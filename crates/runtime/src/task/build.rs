//! From a plan to operators.
//!
//! Old rows cost memory, so each step says whether it needs those of its input: a table aggregate does (the source
//! is materialised for it), a filter takes them where they are there anyway, all others do without. Joins of
//! tables keep the rows of both sides themselves. This decides, as in Kafka Streams, where a filter can leave out
//! deletions of rows that never passed.

use std::sync::Arc;

use plan::expr::{ColumnRef, Expr, ExprKind};
use plan::step::{AggregateFunction, JoinKind, SourceKind, Step, StepKind, WindowSpec};
use sql::ast::WindowKind;
use state::{JoinOptions, SessionOptions, WindowOptions};

use super::TaskOptions;
use super::join_filter::side_filters;
use crate::error::TaskError;
use crate::eval::{Compiled, compile};
use crate::operator::{
    Aggregate, Filter, FlatMap, Fold, ForeignKeyJoin, JoinTimes, Map, Node, Operator, Repartition,
    ResultTable, SessionAggregate, SessionSettings, Side, StreamSource, StreamStreamJoin, StreamTableJoin,
    TableAggregate, TableSide, TableSource, TableTableJoin, WindowAggregate, WindowSettings,
};

/// Steps a task runs; also bounds how deep operators call each other.
const STEPS_MAX: usize = 200;

/// Windows one record may be in.
const WINDOWS_PER_RECORD_MAX: i64 = 100_000;

/// Windows a record may be in for an aggregate that holds back: what waits is bounded by the epoch's records and this.
const HELD_BACK_WINDOWS_MAX: i64 = 16;

/// How long a join without GRACE PERIOD keeps records, of stream time.
const JOIN_RETENTION_MS: i64 = 24 * 60 * 60 * 1000;

pub(super) struct Built {
    pub nodes: Vec<Node>,
    pub sources: Vec<usize>,
    pub view: Option<usize>,
    pub holder_back: Option<usize>,
}

/// Whether a step's input is to send old rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Old {
    /// No.
    Unneeded,
    /// If they are there without a store of their own.
    IfFree,
    /// Yes.
    Needed,
}

/// Sets up the operators of a plan whose size was checked.
pub(super) fn build(root: &Step, options: &TaskOptions) -> Result<Built, TaskError> {
    let steps = count_steps(root);
    let is_read = options.materialize && root.output == SourceKind::Table;
    let above_holder = if is_read { steps_above_holder(root) } else { None };
    let keep_source = above_holder.is_some();
    let mut builder = Builder {
        options,
        keep_source,
        holds_back: false,
        side_filters: Default::default(),
        nodes: Vec::with_capacity(steps + 1),
        sources: vec![],
    };
    let holds_back = options.holds_back && options.store.track_changes;
    let above_held_back = if holds_back { steps_above_held_back(root) } else { None };
    builder.holds_back = above_held_back.is_some();
    let (last, _) = builder.step(root, Old::Unneeded)?;
    let mut view = above_holder.map(|above| last - above);
    if is_read && view.is_none() {
        let results = ResultTable::new(options.store.clone(), root.layout.window.is_some());
        view = Some(builder.push("result", results, &[(last, Side::Left)]));
    }
    let holder_back = above_held_back.map(|above| last - above);
    Ok(Built { nodes: builder.nodes, sources: builder.sources, view, holder_back })
}

/// Refuses a plan of too many steps.
pub(super) fn check_size(root: &Step) -> Result<(), TaskError> {
    match count_steps(root) {
        steps if steps > STEPS_MAX => Err(TaskError::TooManySteps { steps, steps_max: STEPS_MAX }),
        _ => Ok(()),
    }
}

fn count_steps(root: &Step) -> usize {
    let (mut count, mut waiting) = (0, vec![root]);
    while let Some(step) = waiting.pop() {
        count += 1;
        waiting.extend(step.inputs());
    }
    count
}

/// How many steps lie above the one that has the rows to read, if those can be computed again from it.
fn steps_above_holder(root: &Step) -> Option<usize> {
    let (mut step, mut above) = (root, 0);
    loop {
        step = match &step.kind {
            StepKind::Aggregate { .. } | StepKind::TableAggregate { .. } | StepKind::Source(_) => {
                return Some(above);
            }
            StepKind::Filter { input, predicate } if compile(predicate).is_stable() => input,
            StepKind::Map { input, key: None, value }
                if value.iter().all(|expr| compile(expr).is_stable()) =>
            {
                input
            }
            _ => return None,
        };
        above += 1;
    }
}

/// How many steps lie above the windowed aggregate that may hold its results back: nothing above it, or in it, may fail
/// or see more than the last change.
fn steps_above_held_back(root: &Step) -> Option<usize> {
    let (mut step, mut above) = (root, 0);
    loop {
        step = match &step.kind {
            StepKind::Map { input, key: None, value } if value.iter().all(is_of_row) => input,
            StepKind::Aggregate { functions, window: Some(window), emit_final: false, .. } => {
                let windows = match window.kind {
                    WindowKind::Tumbling { .. } => 1,
                    WindowKind::Hopping { size_ms, advance_ms } => size_ms / advance_ms.max(1),
                    WindowKind::Session { .. } => return None,
                };
                let is_plain = functions.iter().all(|function| function.call.code.result_is_state());
                return (is_plain && windows <= HELD_BACK_WINDOWS_MAX).then_some(above);
            }
            _ => return None,
        };
        above += 1;
    }
}

/// Whether an expression is a constant or a column that is the same whatever record changed the row.
fn is_of_row(expr: &Expr) -> bool {
    use ColumnRef::{Key, Value, WindowEnd, WindowStart};
    matches!(expr.kind, ExprKind::Constant(_) | ExprKind::Column(Key(_) | Value(_) | WindowStart | WindowEnd))
}

/// Whether a join's input drops rows on their way from where they are kept.
fn is_filtered(step: &Step) -> bool {
    match &step.kind {
        StepKind::Filter { .. } => true,
        StepKind::Map { input, .. } => is_filtered(input),
        _ => false,
    }
}

fn compile_all(exprs: &[Expr]) -> Vec<Compiled> {
    exprs.iter().map(compile).collect()
}

struct Builder<'a> {
    options: &'a TaskOptions,
    /// Table sources keep their rows though nobody downstream needs them.
    keep_source: bool,
    /// The aggregate holds its results back.
    holds_back: bool,
    /// What the filter behind the join built next asks of its sides.
    side_filters: [Vec<Compiled>; 2],
    nodes: Vec<Node>,
    sources: Vec<usize>,
}

impl Builder<'_> {
    fn push(
        &mut self,
        name: &'static str,
        operator: impl Operator + Send + 'static,
        inputs: &[(usize, Side)],
    ) -> usize {
        let number = self.nodes.len();
        for &(input, side) in inputs {
            self.nodes[input].target = Some((number, side));
        }
        self.nodes.push(Node { name, operator: Box::new(operator), target: None });
        number
    }

    /// Sets up a step and its inputs; returns its number and whether it sends old rows.
    fn step(&mut self, step: &Step, old: Old) -> Result<(usize, bool), TaskError> {
        let is_windowed = step.layout.window.is_some();
        let store = || self.options.store.clone();
        let sends_old = old != Old::Unneeded;
        Ok(match &step.kind {
            StepKind::Source(source) => {
                let (number, sends_old) = match source.kind {
                    SourceKind::Stream => (self.push("source", StreamSource, &[]), false),
                    SourceKind::Table => {
                        let is_needed = old == Old::Needed;
                        let rows = (is_needed || self.keep_source).then(store);
                        (self.push("source", TableSource::new(rows, is_windowed, is_needed), &[]), is_needed)
                    }
                };
                self.sources.push(number);
                (number, sends_old)
            }
            StepKind::Filter { input, predicate } => {
                let is_table = step.output == SourceKind::Table;
                let wanted = if old == Old::Needed { Old::Needed } else { Old::IfFree };
                if let StepKind::StreamStreamJoin { kind: JoinKind::Inner, left, .. } = &input.kind {
                    self.side_filters = side_filters(predicate, left.layout.value.len());
                }
                let (input, knows_old) = self.step(input, wanted)?;
                let filter = Filter { predicate: compile(predicate), is_table, knows_old };
                (self.push("filter", filter, &[(input, Side::Left)]), knows_old)
            }
            StepKind::Map { input, key, value } => {
                let (input, sends_old) = self.step(input, old)?;
                let map = Map::new(key.as_deref().map(compile_all), compile_all(value));
                (self.push("map", map, &[(input, Side::Left)]), sends_old)
            }
            StepKind::FlatMap { input, functions } => {
                let (input, _) = self.step(input, Old::Unneeded)?;
                let functions = functions
                    .iter()
                    .map(|function| (function.call.code.clone(), compile_all(&function.args)))
                    .collect();
                (self.push("flatmap", FlatMap::new(functions), &[(input, Side::Left)]), false)
            }
            StepKind::Repartition { input, .. } => {
                if !self.options.inline_repartition {
                    return Err(TaskError::InvalidPlan("repartition step within a task"));
                }
                let (input, sends_old) = self.step(input, old)?;
                (self.push("repartition", Repartition, &[(input, Side::Left)]), sends_old)
            }
            StepKind::Aggregate { input, carried, functions, window, emit_final } => {
                let carried = carried.iter().map(|&column| carried_column(input, column));
                let fold = fold(carried.collect::<Result<_, _>>()?, functions);
                let (input, _) = self.step(input, Old::Unneeded)?;
                let input = [(input, Side::Left)];
                let number = match window {
                    None => self.push("aggregate", Aggregate::new(fold, store(), sends_old), &input),
                    Some(window) => self.windowed(fold, window, *emit_final, sends_old, &input)?,
                };
                (number, sends_old)
            }
            StepKind::TableAggregate { input, key, carried, functions, .. } => {
                let fold = fold(compile_all(carried), functions);
                let (input, _) = self.step(input, Old::Needed)?;
                let aggregate = TableAggregate::new(compile_all(key), fold, store(), sends_old);
                (self.push("aggregate", aggregate, &[(input, Side::Left)]), sends_old)
            }
            StepKind::StreamStreamJoin { kind, left, right, before_ms, after_ms, grace_ms } => {
                let columns = [left.layout.value.len(), right.layout.value.len()];
                let filters = std::mem::take(&mut self.side_filters);
                let inputs = self.inputs(left, right)?;
                let width_ms = before_ms.saturating_add(*after_ms);
                let retention_ms = match grace_ms {
                    Some(grace_ms) => width_ms.saturating_add(*grace_ms),
                    None => width_ms.max(JOIN_RETENTION_MS),
                };
                let times = JoinTimes {
                    before_ms: *before_ms,
                    after_ms: *after_ms,
                    grace_ms: *grace_ms,
                    retention_ms,
                };
                let options = JoinOptions { store: store(), ..JoinOptions::new(retention_ms.max(1)) };
                let join = StreamStreamJoin::new(columns, outer_sides(*kind), filters, times, &options);
                (self.push("join", join, &inputs), false)
            }
            StepKind::StreamTableJoin { kind, left, right } => {
                let is_left = match kind {
                    JoinKind::Inner => false,
                    JoinKind::Left => true,
                    _ => return Err(TaskError::InvalidPlan("stream-table join is neither inner nor left")),
                };
                let is_windowed = right.layout.window.is_some();
                let join = StreamTableJoin::new(is_left, right.layout.value.len(), store(), is_windowed);
                let inputs = self.inputs(left, right)?;
                (self.push("join", join, &inputs), false)
            }
            StepKind::TableTableJoin { kind, left, right } => {
                let [left_outer, right_outer] = outer_sides(*kind);
                let side = |step: &Step, is_outer| {
                    let is_windowed = step.layout.window.is_some();
                    TableSide::new(step.layout.value.len(), is_outer, is_filtered(step), store(), is_windowed)
                };
                let join = TableTableJoin::new(side(left, left_outer), side(right, right_outer), sends_old);
                let inputs = self.inputs(left, right)?;
                (self.push("join", join, &inputs), sends_old)
            }
            StepKind::ForeignKeyJoin { kind, left, right, foreign_key } => {
                let is_left = match kind {
                    JoinKind::Inner => false,
                    JoinKind::Left => true,
                    _ => return Err(TaskError::InvalidPlan("foreign key join is neither inner nor left")),
                };
                let columns = [left.layout.value.len(), right.layout.value.len()];
                let sends_old = old == Old::Needed;
                let options = store();
                let join = ForeignKeyJoin::new(
                    compile(foreign_key),
                    is_left,
                    columns,
                    &options,
                    is_windowed,
                    sends_old,
                );
                let inputs = self.inputs(left, right)?;
                (self.push("fkjoin", join, &inputs), sends_old)
            }
        })
    }

    fn inputs(&mut self, left: &Step, right: &Step) -> Result<[(usize, Side); 2], TaskError> {
        let (left, _) = self.step(left, Old::Unneeded)?;
        let (right, _) = self.step(right, Old::Unneeded)?;
        Ok([(left, Side::Left), (right, Side::Right)])
    }

    fn windowed(
        &mut self,
        fold: Fold,
        window: &WindowSpec,
        emit_final: bool,
        sends_old: bool,
        input: &[(usize, Side)],
    ) -> Result<usize, TaskError> {
        let store = self.options.store.clone();
        let WindowSpec { grace_ms, retention_ms, .. } = *window;
        let (size_ms, advance_ms) = match window.kind {
            WindowKind::Tumbling { size_ms } => (size_ms, size_ms),
            WindowKind::Hopping { size_ms, advance_ms } => (size_ms, advance_ms),
            WindowKind::Session { gap_ms } => {
                // A session is kept as long as it can still grow.
                let retention_ms = retention_ms.max(gap_ms.saturating_add(grace_ms)).max(1);
                let settings = SessionSettings { gap_ms, grace_ms, retention_ms, emit_final, sends_old };
                let options = SessionOptions { store, ..SessionOptions::new(gap_ms.max(1), retention_ms) };
                let aggregate = SessionAggregate::new(fold, options, settings);
                return Ok(self.push("aggregate", aggregate, input));
            }
        };
        if advance_ms <= 0 || size_ms < advance_ms {
            return Err(TaskError::InvalidPlan("window advances by nothing or by more than its size"));
        }
        if size_ms / advance_ms > WINDOWS_PER_RECORD_MAX {
            return Err(TaskError::InvalidPlan("window advances by too little for its size"));
        }
        let retention_ms = retention_ms.max(size_ms.saturating_add(grace_ms));
        let holds_back = self.holds_back;
        let settings =
            WindowSettings { size_ms, advance_ms, grace_ms, retention_ms, emit_final, sends_old, holds_back };
        let options = WindowOptions { store, ..WindowOptions::new(advance_ms, retention_ms) };
        Ok(self.push("aggregate", WindowAggregate::new(fold, options, settings), input))
    }
}

/// Whether the left and the right side come out alone.
fn outer_sides(kind: JoinKind) -> [bool; 2] {
    match kind {
        JoinKind::Inner => [false, false],
        JoinKind::Left => [true, false],
        JoinKind::Right => [false, true],
        JoinKind::Full => [true, true],
    }
}

fn carried_column(input: &Step, column: usize) -> Result<Compiled, TaskError> {
    let (_, data_type) =
        input.layout.value.get(column).ok_or(TaskError::InvalidPlan("carried column does not exist"))?;
    Ok(compile(&Expr::column(ColumnRef::Value(column), data_type.clone())))
}

fn fold(carried: Vec<Compiled>, functions: &[AggregateFunction]) -> Fold {
    let functions = functions
        .iter()
        .map(|function| (Arc::clone(&function.call.code), compile_all(&function.args)))
        .collect();
    Fold::new(carried, functions)
}
