//! Functions that only ksqlDB's own tests have; what they do is read off the cases that call them.

use std::sync::Arc;

use functions::{
    Aggregate, AggregateCall, AggregateFunction, AnyFunction, Arg, Library, Scalar, ScalarCode, Table,
    TableCode,
};
use types::{DataType, EvalError, Value, double_text};

/// The built-in functions and those of the tests.
pub fn library() -> Library {
    let scalars = scalars().into_iter().map(AnyFunction::Scalar);
    let aggregates = aggregates().into_iter().map(AnyFunction::Aggregate);
    let tables = tables().into_iter().map(AnyFunction::Table);
    functions::library().with_extra(scalars.chain(aggregates).chain(tables))
}

fn scalars() -> Vec<Scalar> {
    let scalar = |name| Scalar::new(name, "OTHER", "A function of the tests.");
    vec![
        scalar("TEST_UDF")
            .overload("() → STRUCT<A STRING>", code(|_| Ok(Value::structure(vec![Value::text("foo")]))))
            .overload("(INT, STRING) → STRING", code(|_| Ok(Value::text("doStuffIntString"))))
            .overload("(BIGINT, STRING) → STRING", code(|_| Ok(Value::text("doStuffLongString"))))
            .overload("(BIGINT, BIGINT, STRING) → STRING", code(|_| Ok(Value::text("doStuffLongLongString"))))
            .overload("(BIGINT...) → STRING", code(|_| Ok(Value::text("doStuffLongVarargs"))))
            .overload(
                "(STRUCT<A STRING>) → STRING",
                code(|args| match args.first() {
                    Some(Value::Struct(fields)) => Ok(fields.first().cloned().unwrap_or_default()),
                    _ => Ok(Value::Null),
                }),
            ),
        scalar("BAD_UDF").overload("(INT) → STRING", code(|_| Err(EvalError::new("boom")))).overload(
            "(BOOLEAN) → INT",
            code(|args| match args.first() {
                Some(Value::Boolean(true)) => Err(EvalError::new("you asked me to throw")),
                _ => Ok(Value::Int(0)),
            }),
        ),
        scalar("WHENCONDITION").overload("(BOOLEAN, BOOLEAN) → BOOLEAN", code(first_if_second)),
        scalar("WHENRESULT").overload("(INT, BOOLEAN) → INT", code(first_if_second)),
        scalar("TOSTRUCT").overload(
            "(STRING) → STRUCT<A STRING>",
            code(|args| Ok(Value::structure(vec![args.first().cloned().unwrap_or_default()]))),
        ),
    ]
}

fn code(compute: impl Fn(&[Value]) -> Result<Value, EvalError> + Send + Sync + 'static) -> ScalarCode {
    Arc::new(move |args| {
        let values = args.iter().map(|arg| match arg {
            Arg::Value(value) => value.clone(),
            Arg::Lambda(_) => Value::Null,
        });
        compute(&values.collect::<Vec<_>>())
    })
}

/// Fails unless the second argument is true: shows that a branch is computed only when taken.
fn first_if_second(args: &[Value]) -> Result<Value, EvalError> {
    match args {
        [first, Value::Boolean(true)] => Ok(first.clone()),
        _ => Err(EvalError::new("a branch is computed that is not taken")),
    }
}

fn tables() -> Vec<Table> {
    let table = |name| Table::new(name, "TABLE", "A function of the tests.");
    let seven = |form: fn(&str) -> String| {
        let types = ["INT", "BIGINT", "DOUBLE", "BOOLEAN", "STRING", "DECIMAL", "STRUCT<A STRING>"];
        format!("({}) → STRING", types.map(form).join(", "))
    };
    // Each argument, or the first item of each, as Java's `toString` has it.
    let texts = || -> TableCode {
        Arc::new(|args| {
            let first = |value: &Value| match value {
                Value::Array(items) => items.first().cloned().unwrap_or_default(),
                Value::Map(entries) => entries.values().next().cloned().unwrap_or_default(),
                value => value.clone(),
            };
            Ok(args.iter().map(|arg| Value::text(java_text(&first(arg)))).collect())
        })
    };
    let itself =
        || -> TableCode { Arc::new(|args| Ok(args.iter().filter(|arg| !arg.is_null()).cloned().collect())) };
    vec![
        table("TEST_UDTF")
            .overload("(T) → T", itself())
            // The test function declares ten digits more than it gets.
            .overload_with("(DECIMAL) → DECIMAL", move |call| {
                if let Some(&DataType::Decimal { precision, scale }) = call.param(0) {
                    let precision = (precision + 10).min(types::decimal_type::PRECISION_MAX);
                    call.returns = DataType::Decimal { precision, scale };
                }
                itself()
            })
            .overload(&seven(str::to_owned), texts())
            .overload(&seven(|item| format!("ARRAY<{item}>")), texts())
            .overload(&seven(|value| format!("MAP<STRING, {value}>")), texts()),
        table("THROWING_UDTF").overload(
            "(BOOLEAN) → INT",
            Arc::new(|args| match args.first() {
                Some(Value::Boolean(true)) => Err(EvalError::new("you asked me to throw")),
                _ => Ok(vec![Value::Int(0)]),
            }),
        ),
    ]
}

fn java_text(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Boolean(v) => v.to_string(),
        Value::Double(v) => double_text(*v).to_string(),
        Value::Decimal(v) => v.to_string(),
        Value::String(v) => v.to_string(),
        Value::Struct(fields) => {
            format!("Struct{{A={}}}", fields.first().map(java_text).unwrap_or_default())
        }
        other => other.as_i64().map(|v| v.to_string()).unwrap_or_default(),
    }
}

fn aggregates() -> Vec<AggregateFunction> {
    let aggregate = |name| AggregateFunction::new(name, "AGGREGATE", "A function of the tests.");
    let adds_up = |name, signature: &str| {
        aggregate(name).overload(signature, |resolved, _| {
            // Literal arguments are there from the beginning.
            let literals = resolved.literals.iter().zip(&resolved.is_literal);
            let initial = literals.filter(|(_, is_literal)| **is_literal).filter_map(|(v, _)| v.as_ref());
            let initial = initial.map(size_of_value).sum();
            Ok(AggregateCall {
                params: resolved.row_params(),
                state: DataType::BigInt,
                returns: DataType::BigInt,
                code: Arc::new(AddUp { initial }),
            })
        })
    };
    let collects = |name, signature: &str| {
        aggregate(name).overload(signature, |resolved, _| {
            Ok(AggregateCall {
                params: resolved.row_params(),
                state: resolved.returns.clone(),
                returns: resolved.returns.clone(),
                code: Arc::new(CollectWhole),
            })
        })
    };
    vec![
        adds_up("TEST_UDAF", "(BIGINT) → BIGINT"),
        adds_up("VAR_ARG", "(BIGINT, STRING...) → BIGINT"),
        adds_up("MID_VAR_ARG", "(BIGINT, STRING..., INT literal, INT literal) → BIGINT"),
        adds_up("MULTI_ARG", "(BIGINT, STRING, INT literal, STRING literal...) → BIGINT"),
        adds_up("FOUR_ARG", "(BIGINT, STRING, STRING, STRING, INT literal, STRING literal...) → BIGINT"),
        adds_up("FIVE_ARG", "(BIGINT, STRING, STRING, STRING, INT, INT literal, STRING literal...) → BIGINT"),
        collects("GENERIC_VAR_ARG", "(T, INT, K...) → ARRAY<T>"),
        collects("OBJ_COL_ARG", "(INT, ANY...) → ARRAY<INT>"),
    ]
}

/// Numbers count as such, texts by their length, NULL not at all.
fn size_of_value(value: &Value) -> i64 {
    match value {
        Value::String(text) => i64::try_from(text.chars().count()).unwrap_or(i64::MAX),
        other => other.as_i64().unwrap_or(0),
    }
}

struct AddUp {
    initial: i64,
}

impl Aggregate for AddUp {
    fn initial(&self) -> Value {
        Value::BigInt(self.initial)
    }

    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        let sum = args.iter().map(size_of_value).fold(state.as_i64().unwrap_or(0), i64::wrapping_add);
        *state = Value::BigInt(sum);
        Ok(())
    }

    fn undo(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        let sum = args.iter().map(size_of_value).fold(state.as_i64().unwrap_or(0), i64::wrapping_sub);
        *state = Value::BigInt(sum);
        Ok(())
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
        let sum = left.as_i64().unwrap_or(0).wrapping_add(right.as_i64().unwrap_or(0));
        Ok(Value::BigInt(sum.wrapping_sub(self.initial)))
    }

    fn finish(&self, state: &Value) -> Result<Value, EvalError> {
        Ok(state.clone())
    }
}

/// The first argument of the rows whose arguments are all there.
struct CollectWhole;

impl Aggregate for CollectWhole {
    fn initial(&self) -> Value {
        Value::array(Vec::new())
    }

    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        if let (Value::Array(items), false) = (state, args.iter().any(Value::is_null)) {
            Arc::make_mut(items).extend(args.first().cloned());
        }
        Ok(())
    }

    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
        match (left, right) {
            (Value::Array(left), Value::Array(right)) => Ok(Value::array([&left[..], right].concat())),
            _ => Err(EvalError::new("state is not an array")),
        }
    }

    fn finish(&self, state: &Value) -> Result<Value, EvalError> {
        Ok(state.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use functions::ArgType;

    #[test]
    fn literals_are_counted_once() {
        let (five, text) = (Value::Int(5), Value::text("abc"));
        let args = [
            ArgType::Value(DataType::BigInt, None),
            ArgType::Value(DataType::String, None),
            ArgType::Value(DataType::Int, Some(&five)),
            ArgType::Value(DataType::String, Some(&text)),
        ];
        let call = library().aggregate("multi_arg", &args).unwrap();
        let mut state = call.code.initial();
        for _ in 0..2 {
            call.code.add(&mut state, &[Value::BigInt(1), Value::text("ab")]).unwrap();
        }
        assert_eq!(state, Value::BigInt(5 + 3 + 2 * 3));
    }

    #[test]
    fn a_branch_that_is_not_taken_fails() {
        assert!(first_if_second(&[Value::Int(1), Value::Boolean(true)]).is_ok());
        assert!(first_if_second(&[Value::Int(1), Value::Boolean(false)]).is_err());
    }
}
