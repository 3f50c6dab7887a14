//! Expressions on decoded rows and on JSON give the same.

use std::sync::Arc;

use formats::json::{Projection, Scanner, Slot};
use functions::{Arg, ParamType, ScalarCall};
use plan::expr::{CallArg, ColumnRef, CompareOp, Expr, ExprKind, LogicalOp};
use types::{DataType, Value};

use super::{Columns, JsonLayout, JsonRow, Row, compile};
use crate::testing::{column, compare, expr, number};

fn row<'a>(columns: Columns<'a>) -> Row<'a> {
    Row { key: &[], columns, rowtime: 7, partition: 1, offset: 2, window: Some((0, 10)) }
}

fn eval(expr: &Expr, values: &[Value]) -> Value {
    compile(expr).eval(&row(Columns::Values(values))).unwrap()
}

fn text(text: &str) -> Expr {
    Expr::constant(Value::text(text), DataType::String)
}

fn truth(value: Option<bool>) -> Expr {
    Expr::constant(value.map_or(Value::Null, Value::Boolean), DataType::Boolean)
}

fn name() -> Expr {
    column(0, DataType::String)
}

fn like(pattern: &str) -> Expr {
    let (operand, pattern) = (name().into(), text(pattern).into());
    expr(ExprKind::Like { expr: operand, pattern, escape: None, negated: false }, DataType::Boolean)
}

fn one_of(operand: Expr, list: Vec<Expr>, negated: bool) -> Expr {
    expr(ExprKind::In(operand.into(), list, negated), DataType::Boolean)
}

#[test]
fn and_or_are_three_valued() {
    let all = [Some(true), Some(false), None];
    for left in all {
        for right in all {
            let and = match (left, right) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
            let not = |value: Option<bool>| value.map(|value| !value);
            let or = not(match (not(left), not(right)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            });
            for (op, expect) in [(LogicalOp::And, and), (LogicalOp::Or, or)] {
                let kind = ExprKind::Logical(op, truth(left).into(), truth(right).into());
                assert_eq!(eval(&expr(kind, DataType::Boolean), &[]).as_bool(), expect, "{left:?} {right:?}");
            }
        }
    }
}

#[test]
fn null_in_a_list_equals_nothing() {
    let list = || vec![text("a"), truth(None)];
    assert_eq!(eval(&one_of(name(), list(), true), &[Value::text("b")]), Value::Boolean(true));
    assert_eq!(eval(&one_of(name(), list(), true), &[Value::text("a")]), Value::Boolean(false));
}

#[test]
fn constant_failure_is_kept_for_each_row() {
    let failing = compile(&crate::testing::divide(number(1), number(0)));
    assert!(failing.eval(&row(Columns::Values(&[]))).is_err());
}

#[test]
fn failing_item_is_null_alone() {
    let failing = crate::testing::divide(number(1), column(0, DataType::BigInt));
    let kind = ExprKind::Array(vec![number(7), failing.clone()]);
    let array = expr(kind, DataType::array(DataType::BigInt));
    assert_eq!(eval(&array, &[Value::BigInt(0)]), Value::array(vec![Value::BigInt(7), Value::Null]));
    let cast = expr(ExprKind::Cast(failing.into()), DataType::String);
    assert_eq!(eval(&cast, &[Value::BigInt(0)]), Value::Null);
    let note = std::cell::Cell::new(None);
    compile(&cast).eval_noting(&row(Columns::Values(&[Value::BigInt(0)])), &note).unwrap();
    assert_eq!(note.take().unwrap().0, "division by zero");
}

#[test]
fn nested_lambdas_see_the_outer_parameters() {
    // APPLY(1, x => APPLY(2, y => x + y))
    let code: functions::ScalarCode = Arc::new(|args: &[Arg<'_>]| match args {
        [Arg::Value(value), Arg::Lambda(body)] => body(std::slice::from_ref(value)),
        _ => Ok(Value::Null),
    });
    let call = ScalarCall {
        params: vec![ParamType::Value(DataType::BigInt), ParamType::Lambda(vec![DataType::BigInt])],
        returns: DataType::BigInt,
        code,
        is_pure: true,
    };
    let apply = |to: i64, first: usize, body: Expr| {
        let body = CallArg::Lambda { first, params: 1, body: body.into() };
        let args = vec![CallArg::Expr(number(to)), body];
        expr(ExprKind::Call { name: "APPLY".into(), call: call.clone(), args }, DataType::BigInt)
    };
    let param = |n| Expr::column(ColumnRef::Param(n), DataType::BigInt);
    let add = ExprKind::Arithmetic(plan::expr::ArithmeticOp::Add, param(0).into(), param(1).into());
    assert_eq!(eval(&apply(1, 0, apply(2, 1, expr(add, DataType::BigInt))), &[]), Value::BigInt(3));
}

#[test]
fn arrays_count_from_one_and_from_the_end() {
    let array = Expr::constant(Value::array((1..=3).map(Value::BigInt).collect()), DataType::BigInt);
    let item = |index: i64, zero_based| {
        let (array, index) = (array.clone().into(), number(index).into());
        eval(&expr(ExprKind::ArrayItem { array, index, zero_based }, DataType::BigInt), &[])
    };
    assert_eq!([item(1, false), item(-1, false), item(0, true)], [1, 3, 1].map(Value::BigInt));
    assert_eq!(
        [item(0, false), item(4, false), item(-4, false), item(i64::MIN, false)],
        [const { Value::Null }; 4]
    );
}

#[test]
fn too_deep_an_expression_fails_for_each_row() {
    let deep =
        (0..600).fold(truth(Some(true)), |inner, _| expr(ExprKind::Not(inner.into()), DataType::Boolean));
    assert!(compile(&deep).test(&row(Columns::Values(&[]))).is_err());
}

#[test]
fn chain_of_conditions_may_be_long() {
    let chain = (0..5000).fold(truth(Some(true)), |left, _| {
        expr(ExprKind::Logical(LogicalOp::And, left.into(), like("a%").into()), DataType::Boolean)
    });
    assert!(compile(&chain).test(&row(Columns::Values(&[Value::text("ab")]))).unwrap());
    // Dropping the planned tree would take as deep a recursion as building it.
    std::mem::forget(chain);
}

/// A predicate has the same answer on the JSON record and on its decoded columns.
#[test]
fn json_columns_compare_as_decoded_ones() {
    let types = [DataType::String, DataType::BigInt, DataType::Boolean, DataType::Double, DataType::Int];
    let names = ["NAME", "COUNT", "OK", "SHARE", "SIZE"];
    let columns: Vec<_> = names.iter().map(|name| (*name).into()).zip(types.clone()).collect();
    let (layout, _) = JsonLayout::new(&columns);
    let records = [
        r#"{"NAME":"192.168.1.7","COUNT":5,"OK":true,"SHARE":0.5,"SIZE":3}"#,
        r#"{"NAME":"a\"b\u0041","COUNT":"6","OK":false,"SHARE":"1e3","SIZE":4}"#,
        r#"{"NAME":null,"COUNT":7.9,"OK":null,"SIZE":null}"#,
        r#"{"NAME":12,"COUNT":-1,"OK":true,"SHARE":2,"SIZE":-3}"#,
        r#"{}"#,
    ];
    let ops = [
        CompareOp::Equal,
        CompareOp::NotEqual,
        CompareOp::Less,
        CompareOp::GreaterEqual,
        CompareOp::IsDistinctFrom,
        CompareOp::IsNotDistinctFrom,
    ];
    let constants = [
        text("192.168.1.7"),
        number(6),
        truth(Some(true)),
        Expr::constant(Value::Double(1.0), DataType::Double),
        Expr::constant(Value::Int(3), DataType::Int),
    ];
    let mut predicates = vec![like("192.168.1%"), like("%b_"), like("12"), column(2, DataType::Boolean)];
    predicates.push(one_of(name(), vec![text("12"), text("a\"bA")], false));
    predicates.push(one_of(column(1, DataType::BigInt), vec![number(7), number(5)], true));
    for (n, constant) in constants.into_iter().enumerate() {
        let column = column(n, types[n].clone());
        predicates.push(expr(ExprKind::IsNull(column.clone().into(), false), DataType::Boolean));
        for op in ops {
            predicates.push(compare(op, column.clone(), constant.clone()));
            predicates.push(compare(op, constant.clone(), column.clone()));
        }
    }
    for record in records {
        let slots = slots(record.as_bytes(), &names);
        let json = Columns::Json(JsonRow { record: record.as_bytes(), slots: &slots, layout: &layout });
        let mut values = vec![];
        json.append_to(&mut values);
        for (n, predicate) in predicates.iter().enumerate() {
            let predicate = compile(predicate);
            let (raw, decoded) = (row(json), row(Columns::Values(&values)));
            assert_eq!(predicate.eval(&raw), predicate.eval(&decoded), "predicate {n} on {record}");
        }
    }
}

fn slots(record: &[u8], names: &[&str]) -> Vec<Slot> {
    let projection = Projection::columns(names).unwrap();
    let mut slots = vec![Slot::MISSING; projection.slot_count()];
    Scanner::new(projection).scan(record, &mut slots).unwrap();
    slots
}
