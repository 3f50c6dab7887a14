//! For tests: plans in a few words, records and results as lines of text.
//!
//! An input line is `source key: columns @time` (`@ms.µs` where that matters), an output line `key [window]: columns @time`; `null` for the columns is a
//! null value, `_` a NULL column.

use std::sync::Arc;

use functions::{Aggregate, AggregateCall};
use plan::expr::{ArithmeticOp, ColumnRef, CompareOp, Expr, ExprKind};
use plan::step::{
    AggregateFunction, FormatSpec, Layout, QueryPlan, SourceKind, SourceStep, Step, StepKind, WindowInfo,
    WindowSpec,
};
use sql::ast::WindowKind;
use types::{DataType, EvalError, Value};

use crate::{Columns, Emitted, Output, RowError, SourceRecord, Task, TaskOptions};

pub(crate) use DataType::{BigInt, String as Str};

pub(crate) fn layout(key: &[DataType], value: &[DataType]) -> Layout {
    let columns = |prefix: &str, types: &[DataType]| {
        types.iter().enumerate().map(|(i, t)| (format!("{prefix}{i}").into(), t.clone())).collect()
    };
    Layout { key: columns("K", key), value: columns("V", value), window: None }
}

pub(crate) fn source(kind: SourceKind, key: DataType, value: &[DataType]) -> Step {
    let format = FormatSpec { name: "JSON".into(), delimiter: None, wrap_single: None };
    let source = SourceStep {
        name: "S".into(),
        kind,
        topic: "s".into(),
        key_format: format.clone(),
        value_format: format,
        headers: vec![],
        timestamp: None,
        key_from_value: None,
    };
    Step { kind: StepKind::Source(source), layout: layout(&[key], value), output: kind }
}

pub(crate) fn stream(value: &[DataType]) -> Step {
    source(SourceKind::Stream, BigInt, value)
}

pub(crate) fn table(value: &[DataType]) -> Step {
    source(SourceKind::Table, BigInt, value)
}

pub(crate) fn column(n: usize, data_type: DataType) -> Expr {
    Expr::column(ColumnRef::Value(n), data_type)
}

pub(crate) fn number(n: i64) -> Expr {
    Expr::constant(Value::BigInt(n), BigInt)
}

pub(crate) fn expr(kind: ExprKind, data_type: DataType) -> Expr {
    Expr { kind, data_type: Some(data_type) }
}

pub(crate) fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
    expr(ExprKind::Compare(op, left.into(), right.into()), DataType::Boolean)
}

pub(crate) fn divide(left: Expr, right: Expr) -> Expr {
    expr(ExprKind::Arithmetic(ArithmeticOp::Divide, left.into(), right.into()), BigInt)
}

pub(crate) fn filter(input: Step, predicate: Expr) -> Step {
    let (layout, output) = (input.layout.clone(), input.output);
    Step { kind: StepKind::Filter { input: input.into(), predicate }, layout, output }
}

pub(crate) fn map(input: Step, key: Option<Vec<Expr>>, value: Vec<Expr>) -> Step {
    let types = |exprs: &[Expr]| exprs.iter().filter_map(|e| e.data_type.clone()).collect::<Vec<_>>();
    let mut layout_ = layout(key.as_deref().map(types).as_deref().unwrap_or(&[]), &types(&value));
    if key.is_none() {
        (layout_.key, layout_.window) = (input.layout.key.clone(), input.layout.window);
    }
    let output = input.output;
    Step { kind: StepKind::Map { input: input.into(), key, value }, layout: layout_, output }
}

pub(crate) fn join(left: Step, right: Step, kind: impl FnOnce(Box<Step>, Box<Step>) -> StepKind) -> Step {
    let mut layout = left.layout.clone();
    layout.value.extend(right.layout.value.iter().cloned());
    let output = left.output;
    Step { kind: kind(left.into(), right.into()), layout, output }
}

/// `SUM(column 0)`
pub(crate) fn sum() -> Vec<AggregateFunction> {
    struct Sum;
    fn long(value: &Value) -> i64 {
        value.as_i64().unwrap_or(0)
    }
    impl Aggregate for Sum {
        fn initial(&self) -> Value {
            Value::BigInt(0)
        }
        fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
            *state = Value::BigInt(long(state) + long(&args[0]));
            Ok(())
        }
        fn undo(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
            *state = Value::BigInt(long(state) - long(&args[0]));
            Ok(())
        }
        fn can_undo(&self) -> bool {
            true
        }
        fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
            Ok(Value::BigInt(long(left) + long(right)))
        }
        fn finish(&self, state: &Value) -> Result<Value, EvalError> {
            Ok(state.clone())
        }
        fn result_is_state(&self) -> bool {
            true
        }
    }
    let call = AggregateCall { params: vec![BigInt], state: BigInt, returns: BigInt, code: Arc::new(Sum) };
    vec![AggregateFunction { name: "SUM".into(), call, args: vec![column(0, BigInt)] }]
}

/// Sums column 0 by key.
pub(crate) fn aggregate(input: Step, window: Option<(WindowKind, i64)>, emit_final: bool) -> Step {
    let mut layout = layout(&[BigInt], &[BigInt]);
    let window = window.map(|(kind, grace_ms)| {
        let size_ms = match kind {
            WindowKind::Tumbling { size_ms } | WindowKind::Hopping { size_ms, .. } => size_ms,
            WindowKind::Session { gap_ms } => gap_ms,
        };
        layout.window = Some(match kind {
            WindowKind::Session { .. } => WindowInfo::Session,
            _ => WindowInfo::Time { size_ms },
        });
        WindowSpec { kind, grace_ms, retention_ms: size_ms + grace_ms }
    });
    let kind =
        StepKind::Aggregate { input: input.into(), carried: vec![], functions: sum(), window, emit_final };
    Step { kind, layout, output: SourceKind::Table }
}

pub(crate) fn plan(root: Step) -> QueryPlan {
    QueryPlan { root, sink: None, limit: None }
}

fn value(text: &str, data_type: &DataType) -> Value {
    match (text, data_type) {
        ("_", _) => Value::Null,
        (text, BigInt) => Value::BigInt(text.parse().unwrap()),
        (text, _) => Value::text(text),
    }
}

fn text(values: &[Value]) -> String {
    let text = |value: &Value| match value {
        Value::Null => "_".to_owned(),
        Value::String(text) => text.to_string(),
        Value::Array(items) => format!("[{}]", text(items)),
        other => other.as_i64().unwrap().to_string(),
    };
    values.iter().map(text).collect::<Vec<_>>().join(",")
}

#[derive(Default)]
pub(crate) struct Lines {
    pub rows: Vec<String>,
    pub errors: Vec<String>,
}

impl Output for Lines {
    fn emit(&mut self, row: Emitted<'_>) {
        let window = row.window.map(|(start, end)| format!(" [{start},{end}]")).unwrap_or_default();
        let value = row.value.map_or("null".to_owned(), text);
        self.rows.push(format!("{}{window}: {value} @{}", text(row.key), row.timestamp));
    }
    fn error(&mut self, error: RowError<'_>) {
        self.errors.push(error.message.to_owned());
    }
}

pub(crate) struct Running {
    pub task: Task,
    layouts: Vec<Layout>,
    pub lines: Lines,
}

fn source_layouts(step: &Step) -> Vec<Layout> {
    match &step.kind {
        StepKind::Source(_) => vec![step.layout.clone()],
        _ => step.inputs().into_iter().flat_map(source_layouts).collect(),
    }
}

impl Running {
    pub(crate) fn new(root: Step) -> Self {
        let options = TaskOptions { inline_repartition: true, materialize: true, ..TaskOptions::default() };
        let layouts = source_layouts(&root);
        Self { task: Task::new(&plan(root), &options).unwrap(), layouts, lines: Lines::default() }
    }

    pub(crate) fn feed(&mut self, input: &str) -> &mut Self {
        for line in input.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (head, rest) = line.split_once(": ").unwrap();
            let (source, key) = head.split_once(' ').unwrap();
            let (columns, time) = rest.split_once(" @").unwrap();
            let (time, micros) = time.split_once('.').unwrap_or((time, "0"));
            let source: usize = source.parse().unwrap();
            let layout = &self.layouts[source];
            let key = (key != "null").then(|| vec![value(key, &layout.key[0].1)]);
            let columns: Option<Vec<Value>> = (columns != "null")
                .then(|| columns.split(',').zip(&layout.value).map(|(text, c)| value(text, &c.1)).collect());
            let record = SourceRecord {
                micros: micros.parse().unwrap(),
                key: key.as_deref(),
                value: columns.as_deref().map(Columns::Values),
                timestamp: time.parse().unwrap(),
                partition: 0,
                offset: 0,
                window: None,
            };
            self.task.process(source, &record, &mut self.lines).unwrap();
        }
        self
    }

    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines.rows)
    }
}

/// Feeds the input and compares all rows that come out.
#[track_caller]
pub(crate) fn check(root: Step, input: &str, expect: &str) {
    let mut running = Running::new(root);
    running.feed(input);
    let expect: Vec<&str> = expect.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(running.take(), expect);
}
