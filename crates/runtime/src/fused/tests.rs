//! The short way against the operators, on records good and bad.

use std::fmt;
use std::sync::Arc;

use formats::json::{Projection, Scanner, Slot, decode};
use plan::expr::{ColumnRef, CompareOp, Expr, ExprKind, LogicalOp};
use plan::step::{FormatSpec, QueryPlan, SinkStep, SourceStep, Step, StepKind};
use proptest::prelude::*;
use types::{DataType, Field, Value};

use super::*;
use crate::testing::{compare, divide, expr, filter, layout, map, number};
use crate::{Dispatch, Output, RawRecord, SourceBlock, SourceDecoder, Task, TaskOptions};

fn fields(fields: &[(&str, DataType)]) -> DataType {
    let field =
        |(name, data_type): &(&str, DataType)| Field { name: (*name).into(), data_type: data_type.clone() };
    DataType::Struct(fields.iter().map(field).collect::<Vec<_>>().into())
}

fn column_types() -> Vec<DataType> {
    use DataType::*;
    let inner = fields(&[("C", Int), ("D", String)]);
    vec![
        String,
        Boolean,
        Int,
        BigInt,
        Double,
        DataType::array(String),
        fields(&[("A", String), ("B", inner)]),
        String,
    ]
}

fn column(n: usize) -> Expr {
    Expr::column(ColumnRef::Value(n), column_types()[n].clone())
}

/// `V6->A`, `V6->B->C`, `V6->B->D`
fn nested(n: usize) -> Expr {
    let field = |operand: Expr, n: usize| {
        let Some(DataType::Struct(fields)) = operand.data_type.clone() else { panic!("no STRUCT") };
        expr(ExprKind::Field(operand.into(), n), fields[n].data_type.clone())
    };
    match n {
        0 => field(column(6), 0),
        n => field(field(column(6), 1), n - 1),
    }
}

fn text(text: &str) -> Expr {
    Expr::constant(Value::text(text), DataType::String)
}

fn text_column(n: usize) -> Expr {
    [column(0), column(7), nested(0), nested(2)][n].clone()
}

/// An expression that can be shown.
#[derive(Clone)]
struct Shown(Expr);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |expr: &Expr| Shown(expr.clone());
        match &self.0.kind {
            ExprKind::Constant(value) => write!(f, "{value:?}"),
            ExprKind::Column(column) => write!(f, "{column:?}"),
            ExprKind::Field(operand, n) => write!(f, "{:?}->{n}", shown(operand)),
            ExprKind::Compare(op, l, r) => write!(f, "({:?} {op:?} {:?})", shown(l), shown(r)),
            ExprKind::Logical(op, l, r) => write!(f, "({:?} {op:?} {:?})", shown(l), shown(r)),
            ExprKind::Not(operand) => write!(f, "NOT {:?}", shown(operand)),
            ExprKind::IsNull(operand, negated) => write!(f, "IS NULL({:?}, {negated})", shown(operand)),
            ExprKind::Like { expr, pattern, negated, .. } => {
                write!(f, "LIKE({:?}, {:?}, {negated})", shown(expr), shown(pattern))
            }
            ExprKind::In(operand, list, negated) => {
                let list: Vec<Shown> = list.iter().map(shown).collect();
                write!(f, "IN({:?}, {list:?}, {negated})", shown(operand))
            }
            ExprKind::Cast(operand) => write!(f, "CAST({:?})", shown(operand)),
            _ => write!(f, "another expression"),
        }
    }
}

fn op() -> impl Strategy<Value = CompareOp> {
    let any = prop::sample::select(vec![
        CompareOp::NotEqual,
        CompareOp::Less,
        CompareOp::LessEqual,
        CompareOp::Greater,
        CompareOp::GreaterEqual,
        CompareOp::IsDistinctFrom,
        CompareOp::IsNotDistinctFrom,
    ]);
    prop_oneof![1 => Just(CompareOp::Equal), 1 => any]
}

fn like(expr_: Expr, pattern: &str, negated: bool) -> Expr {
    let kind = ExprKind::Like { expr: expr_.into(), pattern: text(pattern).into(), escape: None, negated };
    expr(kind, DataType::Boolean)
}

/// Something that may fail.
fn quotient() -> Expr {
    divide(number(10), column(3))
}

fn leaf() -> impl Strategy<Value = Shown> {
    let int = |n: i32| Expr::constant(Value::Int(n), DataType::Int);
    let double = |n: i32| Expr::constant(Value::Double(f64::from(n) / 2.0), DataType::Double);
    let truth = |truth: bool| Expr::constant(Value::Boolean(truth), DataType::Boolean);
    prop_oneof![
        4 => (op(), 0..4usize, "[ab]{0,2}").prop_map(|(op, c, t)| Shown(compare(op, text_column(c), text(&t)))),
        2 => (op(), -1..3i32).prop_map(move |(op, n)| Shown(compare(op, column(2), int(n)))),
        1 => (op(), -1..3i32).prop_map(move |(op, n)| Shown(compare(op, int(n), nested(1)))),
        2 => (op(), -1..3i64).prop_map(|(op, n)| Shown(compare(op, column(3), number(n)))),
        1 => (op(), -1..3i32).prop_map(move |(op, n)| Shown(compare(op, column(4), double(n)))),
        1 => (op(), any::<bool>()).prop_map(move |(op, b)| Shown(compare(op, column(1), truth(b)))),
        1 => Just(Shown(column(1))),
        4 => (0..4usize, "[ab%_]{0,3}", any::<bool>()).prop_map(|(c, p, no)| Shown(like(text_column(c), &p, no))),
        1 => (0..4usize, prop::collection::vec("[ab]{0,2}", 1..3), any::<bool>()).prop_map(|(c, list, negated)| {
            let list = list.iter().map(|t| text(t)).collect();
            Shown(expr(ExprKind::In(text_column(c).into(), list, negated), DataType::Boolean))
        }),
        1 => (0..8usize, any::<bool>()).prop_map(|(n, negated)| {
            Shown(expr(ExprKind::IsNull(column(n).into(), negated), DataType::Boolean))
        }),
        1 => Just(Shown(compare(CompareOp::Greater, quotient(), number(4)))),
        1 => Just(Shown(compare(
            CompareOp::Greater,
            expr(ExprKind::Cast(column(0).into()), DataType::BigInt),
            number(0),
        ))),
    ]
}

fn predicate() -> impl Strategy<Value = Shown> {
    let logical = |op, l: Shown, r: Shown| {
        Shown(expr(ExprKind::Logical(op, l.0.into(), r.0.into()), DataType::Boolean))
    };
    leaf().prop_recursive(3, 8, 2, move |inner| {
        prop_oneof![
            3 => (inner.clone(), inner.clone()).prop_map(move |(l, r)| logical(LogicalOp::And, l, r)),
            2 => (inner.clone(), inner.clone()).prop_map(move |(l, r)| logical(LogicalOp::Or, l, r)),
            1 => inner.prop_map(|operand| Shown(expr(ExprKind::Not(operand.0.into()), DataType::Boolean))),
        ]
    })
}

fn projection() -> impl Strategy<Value = Vec<Shown>> {
    let column = prop_oneof![
        6 => (0..8usize).prop_map(|n| Shown(column(n))),
        3 => (0..3usize).prop_map(|n| Shown(nested(n))),
        1 => Just(Shown(quotient())),
        1 => Just(Shown(expr(ExprKind::Cast(column(0).into()), DataType::Int))),
        1 => Just(Shown(expr(ExprKind::Concat(column(0).into(), column(7).into()), DataType::String))),
        1 => Just(Shown(Expr::column(ColumnRef::RowTime, DataType::BigInt))),
        1 => Just(Shown(Expr::constant(Value::Null, DataType::Double))),
    ];
    prop::collection::vec(column, 1..6)
}

fn json_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "\"[ab]{0,2}\"",
        1 => "\"(a|b|\\\\n|\\\\u0061|\\\\u[dD]83[dD]|é|\\\\\\\\|\\\\/){0,3}\"",
        1 => Just("1".to_owned()),
        1 => Just("-0".to_owned()),
        1 => Just("{\"a\": [1.50, null]}".to_owned()),
        1 => Just("null".to_owned()),
    ]
}

fn json_number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (-2..4i64).prop_map(|n| n.to_string()),
        1 => Just("-0".to_owned()),
        1 => "[1-9][0-9]{8,18}",
        1 => "-?[0-9]\\.[0-9]{1,18}",
        1 => "[0-9](\\.[05])?[eE][+-]?[0-9]{1,2}",
        1 => Just("null".to_owned()),
        1 => Just("\"1\"".to_owned()),
    ]
}

fn field(n: usize) -> BoxedStrategy<String> {
    let value = match n {
        0 | 7 => json_text().boxed(),
        1 => prop::sample::select(vec!["true", "false", "null"]).prop_map(str::to_owned).boxed(),
        2..=4 => json_number().boxed(),
        5 => prop::collection::vec(json_text(), 0..3)
            .prop_map(|items| format!("[{}]", items.join(",")))
            .boxed(),
        _ => {
            let inner = (json_number(), json_text()).prop_map(|(c, d)| format!("{{\"c\":{c}, \"D\":{d}}}"));
            let inner = prop_oneof![6 => inner, 1 => Just("null".to_owned()), 1 => Just("{}".to_owned())];
            let outer = (json_text(), inner).prop_map(|(a, b)| format!("{{\"A\":{a},\"b\" :{b}}}"));
            prop_oneof![8 => outer, 1 => Just("null".to_owned()), 1 => Just("\"no object\"".to_owned())]
                .boxed()
        }
    };
    let name = prop::sample::select(vec![format!("v{n}"), format!("V{n}")]);
    (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}")).boxed()
}

/// What is done to a good record.
#[derive(Clone, Debug)]
enum Damage {
    None,
    Cut(usize),
    Byte(usize, u8),
}

fn record() -> impl Strategy<Value = Option<Vec<u8>>> {
    let all: Vec<BoxedStrategy<String>> = (0..8).map(field).collect();
    let some =
        (all, prop::collection::vec(0..10usize, 0..10), any::<bool>()).prop_map(|(all, order, whole)| {
            // In the order of the columns, or some of them in any order, twice perhaps.
            let chosen: Vec<&str> = match whole {
                true => all.iter().map(|field| &**field).collect(),
                false => order.iter().map(|n| all.get(*n).map_or("\"other\":[{}]", |field| field)).collect(),
            };
            format!("{{{}}}", chosen.join(",")).into_bytes()
        });
    let damage = prop_oneof![
        8 => Just(Damage::None),
        1 => any::<usize>().prop_map(Damage::Cut),
        1 => (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
    ];
    let damaged = (some, damage).prop_map(|(mut bytes, damage)| {
        match damage {
            Damage::None => {}
            Damage::Cut(at) => bytes.truncate(at % bytes.len()),
            Damage::Byte(at, byte) => {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
        }
        Some(bytes)
    });
    prop_oneof![18 => damaged, 1 => Just(None), 1 => Just(Some(b"null".to_vec()))]
}

fn plan_of(predicates: Vec<Shown>, value: Vec<Shown>) -> QueryPlan {
    let json = FormatSpec { name: "JSON".into(), delimiter: None, wrap_single: None };
    let kafka = FormatSpec { name: "KAFKA".into(), ..json.clone() };
    let source = SourceStep {
        name: "S".into(),
        kind: SourceKind::Stream,
        topic: "s".into(),
        key_format: kafka.clone(),
        value_format: json.clone(),
        headers: vec![],
        timestamp: None,
        key_from_value: None,
    };
    let source = Step {
        kind: StepKind::Source(source),
        layout: layout(&[DataType::String], &column_types()),
        output: SourceKind::Stream,
    };
    let filtered = predicates.into_iter().fold(source, |input, predicate| filter(input, predicate.0));
    let value = value.into_iter().map(|column| column.0).collect();
    let sink = SinkStep {
        name: "T".into(),
        topic: "t".into(),
        key_format: kafka,
        value_format: json,
        timestamp: None,
    };
    QueryPlan { root: map(filtered, None, value), sink: Some(sink), limit: None }
}

fn source_step(mut step: &Step) -> &Step {
    while let [input] = step.inputs()[..] {
        step = input;
    }
    step
}

/// Key, value and time.
type Record = (Option<Vec<u8>>, Option<Vec<Value>>, i64);

/// A record written, and what was reported.
#[derive(Debug, PartialEq)]
struct Written {
    record: Option<Record>,
    errors: Vec<(&'static str, String)>,
}

struct Operators<'a> {
    encoder: &'a mut SinkEncoder,
    columns: &'a [(Arc<str>, DataType)],
    written: Written,
}

impl Output for Operators<'_> {
    fn emit(&mut self, row: Emitted<'_>) {
        let record = self.encoder.encode(&row).unwrap();
        self.written.record = Some(read_again(&record, self.columns));
    }
    fn error(&mut self, error: RowError<'_>) {
        self.written.errors.push((error.step, error.message.to_owned()));
    }
}

/// A record as its readers see it: digits and escapes may differ.
fn read_again(record: &Encoded<'_>, columns: &[(Arc<str>, DataType)]) -> Record {
    let value = record.value.map(|bytes| {
        let names: Vec<&str> = columns.iter().map(|(name, _)| &**name).collect();
        let projection = Projection::columns(&names).unwrap();
        let mut slots = vec![Slot::MISSING; projection.slot_count()];
        Scanner::new(projection).scan(bytes, &mut slots).unwrap();
        columns.iter().zip(&slots).map(|((_, t), slot)| decode(bytes, *slot, t).unwrap()).collect()
    });
    (record.key.map(<[u8]>::to_vec), value, record.timestamp)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn short_way_writes_and_reports_what_the_operators_do(
        queries in prop::collection::vec((prop::collection::vec(predicate(), 0..3), projection()), 1..5),
        records in prop::collection::vec((record(), prop::option::of("[a-c]{0,3}"), 0..9i64), 1..20),
    ) {
        let plans: Vec<QueryPlan> = queries.into_iter().map(|(p, value)| plan_of(p, value)).collect();
        let mut fused: Vec<Fused> = plans.iter().map(|plan| Fused::new(plan).unwrap()).collect();
        let source = source_step(&plans[0].root);
        let (mut single, mut blocks) = (SourceDecoder::new(source).unwrap(), SourceDecoder::new(source).unwrap());
        let raw: Vec<RawRecord<'_>> = records.iter().enumerate().map(|(n, (value, key, timestamp))| RawRecord {
            key: key.as_deref().map(str::as_bytes),
            value: value.as_deref(),
            headers: &[],
            timestamp: *timestamp,
            partition: 3,
            offset: n as i64,
        }).collect();
        let mut block = SourceBlock::default();
        raw.iter().for_each(|record| blocks.load_into(record, &mut block));
        let mut dispatch = Dispatch::new(fused.iter().map(Some));
        for (n, record) in raw.iter().enumerate() {
            match blocks.block_row(&block, n, record) {
                Ok(row) => dispatch.choose(n as u32, &row),
                Err(_) => dispatch.choose_for_all(n as u32),
            }
        }
        for (number, plan) in plans.iter().enumerate() {
            let mut task = Task::new(plan, &TaskOptions::default()).unwrap();
            let layout = &plan.root.layout;
            let mut encoder = SinkEncoder::new(plan.sink.as_ref().unwrap(), layout).unwrap();
            for (n, record) in raw.iter().enumerate() {
                let loaded = single.load(record);
                let of_block = blocks.block_row(&block, n, record);
                if let Err(error) = loaded {
                    prop_assert_eq!(of_block.err(), Some(&error));
                    prop_assert!(dispatch.chosen(number).contains(&(n as u32)));
                    continue;
                }
                let nothing = || Written { record: None, errors: vec![] };
                let mut slow = Operators { encoder: &mut encoder, columns: &layout.value, written: nothing() };
                task.process(0, &single.row(record), &mut slow).unwrap();
                let slow = slow.written;
                let row = of_block.unwrap();
                let mut fast = nothing();
                let mut errors = vec![];
                let mut lost = |error: RowError<'_>| errors.push((error.step, error.message.to_owned()));
                if fused[number].passes(&row, &mut lost) {
                    let written = fused[number].write(&row, record.key, &mut lost).unwrap();
                    fast.record = Some(read_again(&written, &layout.value));
                }
                fast.errors = errors;
                prop_assert_eq!(&fast, &slow);
                let has_effect = slow.record.is_some() || !slow.errors.is_empty();
                prop_assert!(!has_effect || dispatch.chosen(number).contains(&(n as u32)));
            }
            prop_assert!(dispatch.chosen(number).is_sorted_by(|a, b| a < b));
        }
    }
}
