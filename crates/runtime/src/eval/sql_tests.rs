//! Expressions as they are written, computed on one row.

use functions::library;
use plan::catalog::Catalog;
use plan::expr::ColumnRef;
use plan::scope::{Scope, ScopeColumn};
use plan::typing::Typing;
use types::{DataType, EvalError, Value};

use super::{Columns, Row, compile};

/// Computes an expression with columns N (INT), S (STRING), A (ARRAY<INT>).
fn eval(sql: &str) -> Result<Value, EvalError> {
    let columns = [
        ("N", DataType::Int, Value::Int(7)),
        ("S", DataType::String, Value::text("mimikatz")),
        ("A", DataType::array(DataType::Int), Value::array((1..=40).map(Value::Int).collect())),
    ];
    let scope = Scope {
        columns: columns
            .iter()
            .enumerate()
            .map(|(i, (name, data_type, _))| ScopeColumn {
                source: "T".into(),
                name: (*name).into(),
                column: ColumnRef::Value(i),
                data_type: data_type.clone(),
                is_pseudo: false,
            })
            .collect(),
        params: vec![],
    };
    let catalog = Catalog::default();
    let typed = Typing::new(library(), &catalog, scope).expr(&sql::parse_expression(sql).unwrap()).unwrap();
    let values = columns.map(|(_, _, value)| value);
    let columns = Columns::Values(&values);
    compile(&typed).eval(&Row { key: &[], columns, rowtime: 0, partition: 0, offset: 0, window: None })
}

fn check(sql: &str, expect: Value) {
    assert_eq!(eval(sql), Ok(expect), "{sql}");
}

fn error(sql: &str) -> String {
    eval(sql).unwrap_err().to_string()
}

#[test]
fn operand_of_a_simple_case_is_computed_once_and_compared_with_each() {
    check("CASE N + 1 WHEN 7 THEN 'a' WHEN 8 THEN 'b' ELSE 'c' END", Value::text("b"));
    check("CASE LCASE(S) WHEN 'x' THEN 1 END", Value::Null);
    check("CASE CASE N + 0 WHEN 7 THEN 1 ELSE 2 END + 1 WHEN 2 THEN 'yes' END", Value::text("yes"));
    check("CASE RANDOM() WHEN -1.0 THEN 1 ELSE 2 END", Value::Int(2));
    check("CASE '7' || '' WHEN S THEN 1 ELSE N END", Value::Int(7));
}

#[test]
fn operand_of_between_is_computed_once() {
    check("N + 1 BETWEEN 8 AND 9", Value::Boolean(true));
    check("N + 1 NOT BETWEEN 8 AND 9", Value::Boolean(false));
    check("NULLIF(N, 7) BETWEEN 1 AND 9", Value::Boolean(false));
    check("CASE WHEN LEN(S) BETWEEN N AND N + 1 THEN 1 ELSE 0 END", Value::Int(1));
}

#[test]
fn operands_and_parameters_of_lambdas_do_not_mix() {
    check("TRANSFORM(ARRAY[1, 2], x => CASE x + N WHEN 8 THEN x ELSE -x END)", list([1, -2]));
    check("CASE N + 1 WHEN REDUCE(ARRAY[1], N, (s, x) => s + x) THEN 1 ELSE 0 END", Value::Int(1));
    check(
        "FILTER(A, x => x + 1 BETWEEN 2 AND REDUCE(ARRAY[x], 3, (s, y) => CASE s + y WHEN 4 THEN 3 ELSE s END))",
        list([1, 2]),
    );
    check(
        "TRANSFORM(ARRAY[1, 2], x => TRANSFORM(ARRAY[10], y => CASE x + y WHEN 11 THEN x ELSE y END)[1])",
        list([1, 10]),
    );
}

fn list<const N: usize>(items: [i32; N]) -> Value {
    Value::array(items.map(Value::Int).to_vec())
}

#[test]
fn levels_count_as_written() {
    let nested = |levels: usize| {
        format!("{}N + 0{}", "CASE ".repeat(levels), " WHEN 7 THEN 8 WHEN 8 THEN 7 END".repeat(levels))
    };
    check(&nested(90), Value::Int(7));
    let within_else = |levels: usize| {
        format!("{}N + 1{}", "CASE N + 0 WHEN 8 THEN 1 ELSE ".repeat(levels), " END".repeat(levels))
    };
    check(&within_else(90), Value::Int(8));
}

#[test]
fn a_text_joined_to_itself_again_and_again_is_refused() {
    for doubled in
        ["s || s", "CONCAT(s, s)", "CONCAT_WS('-', s, s)", "TO_JSON_STRING(s)", "ENCODE(s, 'utf8', 'hex')"]
    {
        let message = error(&format!("LEN(REDUCE(A, '\"' || S, (s, i) => {doubled}))"));
        assert!(message.contains("longer than 16777216 bytes") || message.contains("steps"), "{message}");
    }
    assert!(error("ARRAY_LENGTH(REDUCE(A, A, (s, i) => ARRAY_CONCAT(s, s)))").contains("1000000 items"));
}

#[test]
fn a_text_that_grows_with_each_call_is_refused() {
    let nested = |inner: &str| format!("{}{inner}{}", "TO_JSON_STRING(".repeat(90), ")".repeat(90));
    let message = "result of TO_JSON_STRING is longer than 16777216 bytes";
    assert_eq!(error(&nested("'\"'")), message);
    assert_eq!(error(&nested("S || '\"'")), message);
}

#[test]
fn lambdas_within_lambdas_end() {
    let message = error("TRANSFORM(A, x => TRANSFORM(A, y => RPAD(S, 1000000, 'x')))");
    assert!(message.starts_with("lambdas of one value take more than 10000000 steps"), "{message}");
    check("ARRAY_LENGTH(TRANSFORM(A, x => TRANSFORM(A, y => LEN(RPAD(S, 100, 'x')))))", Value::Int(40));
}
