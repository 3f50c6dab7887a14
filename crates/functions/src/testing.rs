//! Calls functions the way the planner does, for the tests.

use types::{DataType, EvalError, Value};

use crate::adapter::IntoResult;
use crate::registry::{Arg, ArgType, FunctionError, Lambda};
use crate::{AggregateCall, library};

pub(crate) const NULL: Value = Value::Null;

pub(crate) fn value(value: impl IntoResult) -> Value {
    value.into_result().unwrap()
}

pub(crate) fn list<const N: usize>(items: [impl IntoResult; N]) -> Value {
    Value::array(items.into_iter().map(value).collect())
}

pub(crate) fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::map(entries.into_iter().map(|(key, value)| (Value::text(key), value)))
}

pub(crate) fn type_of(value: &Value) -> DataType {
    let first = |items: &[Value]| items.iter().find(|v| !v.is_null()).map_or(DataType::Int, type_of);
    match value {
        Value::Null | Value::String(_) => DataType::String,
        Value::Boolean(_) => DataType::Boolean,
        Value::Int(_) => DataType::Int,
        Value::BigInt(_) => DataType::BigInt,
        Value::Double(_) => DataType::Double,
        Value::Decimal(v) => DataType::Decimal { precision: 20, scale: v.scale() },
        Value::Bytes(_) => DataType::Bytes,
        Value::Date(_) => DataType::Date,
        Value::Time(_) => DataType::Time,
        Value::Timestamp(_) => DataType::Timestamp,
        Value::Array(items) => DataType::array(first(items)),
        Value::Map(entries) => {
            let values: Vec<_> = entries.values().cloned().collect();
            DataType::map(DataType::String, first(&values))
        }
        Value::Struct(fields) => {
            DataType::structure(fields.iter().zip('A'..).map(|(v, name)| (name.to_string(), type_of(v))))
        }
    }
}

fn arg_types(args: &[Value]) -> Vec<ArgType<'_>> {
    let arg = |value| match value {
        &Value::Null => ArgType::Null,
        value => ArgType::Value(type_of(value), Some(value)),
    };
    args.iter().map(arg).collect()
}

/// Calls a scalar function on literals.
pub(crate) fn call(name: &str, args: &[Value]) -> Result<Value, EvalError> {
    let call = library().scalar(name, &arg_types(args)).unwrap();
    (call.code)(&args.iter().cloned().map(Arg::Value).collect::<Vec<_>>())
}

/// Resolves a scalar function on literals.
pub(crate) fn resolve_error(name: &str, args: &[Value]) -> FunctionError {
    library().scalar(name, &arg_types(args)).err().expect("call is expected to be refused")
}

/// Calls a scalar function on values and one or two lambdas whose bodies have that type.
pub(crate) fn call_lambda(
    name: &str,
    args: &[Value],
    lambdas: &[(usize, DataType, Lambda<'_>)],
) -> Result<Value, EvalError> {
    let bodies: Vec<_> =
        lambdas.iter().map(|(_, data_type, _)| move |_: &[DataType]| Ok(data_type.clone())).collect();
    let mut types = arg_types(args);
    types.extend(lambdas.iter().zip(&bodies).map(|((count, ..), body)| ArgType::Lambda(*count, body)));
    let call = library().scalar(name, &types).unwrap();
    let mut args: Vec<_> = args.iter().cloned().map(Arg::Value).collect();
    args.extend(lambdas.iter().map(|(.., lambda)| Arg::Lambda(*lambda)));
    (call.code)(&args)
}

pub(crate) fn check(name: &str, args: &[Value], expect: &Value) {
    assert_eq!(call(name, args).as_ref(), Ok(expect), "{name}({args:?})");
}

/// `cases!("NAME": (args) => result; …)`
macro_rules! cases {
    ($name:literal: $(($($arg:expr),*) => $expect:expr;)*) => {$(
        $crate::testing::check(
            $name,
            &[$($crate::testing::value($arg)),*],
            &$crate::testing::value($expect),
        );
    )*};
}
pub(crate) use cases;

/// `fails!("NAME": (args); …)`: rows that go to the processing log.
macro_rules! fails {
    ($name:literal: $(($($arg:expr),*);)*) => {$(
        let args = [$($crate::testing::value($arg)),*];
        let result = $crate::testing::call($name, &args);
        assert!(result.is_err(), "{}({args:?}) = {result:?}", $name);
    )*};
}
pub(crate) use fails;

/// Resolves an aggregate on columns of these types followed by literals.
pub(crate) fn aggregate(name: &str, columns: &[DataType], literals: &[Value]) -> AggregateCall {
    let mut types: Vec<_> = columns.iter().map(|t| ArgType::Value(t.clone(), None)).collect();
    types.extend(arg_types(literals));
    library().aggregate(name, &types).unwrap()
}

/// The state after these rows.
pub(crate) fn state_after(call: &AggregateCall, rows: &[Vec<Value>]) -> Value {
    let mut state = call.code.initial();
    for row in rows {
        call.code.add(&mut state, row).unwrap();
    }
    state
}

/// The results after each row.
pub(crate) fn results(call: &AggregateCall, rows: &[Vec<Value>]) -> Vec<Value> {
    let mut state = call.code.initial();
    rows.iter()
        .map(|row| {
            call.code.add(&mut state, row).unwrap();
            call.code.finish(&state).unwrap()
        })
        .collect()
}

/// One-column rows.
pub(crate) fn rows<const N: usize>(items: [impl IntoResult; N]) -> Vec<Vec<Value>> {
    items.into_iter().map(|item| vec![value(item)]).collect()
}
