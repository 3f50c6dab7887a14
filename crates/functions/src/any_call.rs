//! Property tests over the whole library: whatever the arguments, a call answers or errs.

use std::sync::Arc;

use proptest::prelude::*;
use types::{DataType, Decimal, EvalError, Value};

use crate::testing::type_of;
use crate::{AggregateCall, Arg, ArgType, FunctionKind, library};

fn plain_value() -> impl Strategy<Value = Value> {
    let numbers = [i64::MIN, i64::MAX, -1, 0, 1, 2, 5, 31, 1000, 1 << 31];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        prop_oneof![any::<i32>(), -3..20].prop_map(Value::Int),
        proptest::sample::select(numbers.to_vec()).prop_map(Value::BigInt),
        any::<f64>().prop_map(Value::Double),
        (any::<i64>(), 0u8..=19).prop_map(|(v, scale)| Value::Decimal(Decimal::new(v.into(), scale))),
        "\\PC{0,8}".prop_map(Value::text),
        "[\\[\\]{}\"a1:,.$?#%/&=+()*\\\\]{0,12}".prop_map(Value::text),
        proptest::sample::select(vec![
            "DAYS",
            "hex",
            "utf8",
            "yyyy-MM-dd HH:mm",
            "UTC",
            "ASC",
            "[1,{}]",
            "$.a"
        ])
        .prop_map(Value::text),
        proptest::collection::vec(any::<u8>(), 0..17).prop_map(Value::bytes),
        any::<i32>().prop_map(Value::Date),
        (0..86_400_000).prop_map(Value::Time),
        any::<i64>().prop_map(Value::Timestamp),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => plain_value(),
        1 => proptest::collection::vec(plain_value(), 0..4).prop_map(|items| {
            let item_type = items.iter().find(|v| !v.is_null()).map(type_of);
            let items = items.into_iter().filter(|v| v.is_null() || Some(type_of(v)) == item_type);
            Value::array(items.collect())
        }),
        1 => ("[a-c]", plain_value()).prop_map(|(key, value)| Value::map([(Value::text(key), value)])),
    ]
}

fn arg_type(value: &Value, is_literal: bool) -> ArgType<'_> {
    match value {
        Value::Null => ArgType::Null,
        value => ArgType::Value(type_of(value), is_literal.then_some(value)),
    }
}

/// A row whose values have the types of the call.
fn fits(params: &[DataType], row: &[Value]) -> bool {
    params.len() == row.len()
        && params.iter().zip(row).all(|(param, value)| value.is_null() || *param == type_of(value))
}

fn feed(call: &AggregateCall, rows: &[Vec<Value>]) -> Result<Value, EvalError> {
    let mut state = call.code.initial();
    for row in rows.iter().filter(|row| fits(&call.params, row)) {
        call.code.add(&mut state, row)?;
    }
    Ok(state)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn scalar_call_answers_or_errs(args in proptest::collection::vec(any_value(), 0..5), is_literal: bool) {
        for doc in library().docs().iter().filter(|doc| doc.kind == "SCALAR") {
            let mut types: Vec<_> = args.iter().map(|arg| arg_type(arg, is_literal)).collect();
            if doc.signatures[0].contains("INTERVALUNIT") && !types.is_empty() {
                types[0] = ArgType::Interval;
            }
            if let Ok(call) = library().scalar(doc.name, &types) {
                let args: Vec<_> = args.iter().cloned().map(Arg::Value).collect();
                let _ = (call.code)(&args);
            }
        }
    }

    #[test]
    fn undone_row_leaves_the_result_as_it_was(
        numbers in proptest::collection::vec(-1000..1000i32, 1..20),
        undone in -1000..1000i32,
    ) {
        let rows: Vec<_> = numbers.iter().map(|n| vec![Value::Int(*n)]).collect();
        for name in ["COUNT", "SUM", "AVG", "COLLECT_LIST", "ATTR"] {
            let call = library().aggregate(name, &[ArgType::Value(DataType::Int, None)]).unwrap();
            prop_assert!(call.code.can_undo());
            let before = feed(&call, &rows).unwrap();
            let mut state = before.clone();
            call.code.add(&mut state, &[Value::Int(undone)]).unwrap();
            call.code.undo(&mut state, &[Value::Int(undone)]).unwrap();
            prop_assert_eq!(call.code.finish(&state), call.code.finish(&before), "{}", name);
        }
    }

    #[test]
    fn merged_halves_are_the_whole(
        left in proptest::collection::vec(proptest::option::of(-50..50i32), 0..20),
        right in proptest::collection::vec(proptest::option::of(-50..50i32), 0..20),
    ) {
        let rows = |half: &[Option<i32>]| -> Vec<Vec<Value>> {
            half.iter().map(|n| vec![n.map_or(Value::Null, Value::Int)]).collect()
        };
        for name in ["COUNT", "SUM", "AVG", "MIN", "MAX", "COLLECT_LIST", "COLLECT_SET", "ATTR", "COUNT_DISTINCT",
            "TOPK", "TOPKDISTINCT", "EARLIEST_BY_OFFSET", "LATEST_BY_OFFSET"] {
            let three = Value::Int(3);
            let mut types = vec![ArgType::Value(DataType::Int, None)];
            if name.starts_with("TOPK") || name.ends_with("OFFSET") {
                types.push(ArgType::Value(DataType::Int, Some(&three)));
            }
            let call = library().aggregate(name, &types).unwrap();
            let (left, right) = (rows(&left), rows(&right));
            let states = (feed(&call, &left).unwrap(), feed(&call, &right).unwrap());
            let merged = call.code.merge(&states.0, &states.1).unwrap();
            let whole = feed(&call, &[left, right].concat()).unwrap();
            prop_assert_eq!(call.code.finish(&merged), call.code.finish(&whole), "{}", name);
        }
    }

    #[test]
    fn foreign_state_is_an_error_and_no_panic(state in any_value(), other in any_value(), row in any_value()) {
        for doc in library().docs() {
            if library().kind(doc.name) != Some(FunctionKind::Aggregate) {
                continue;
            }
            let k = Value::Int(2);
            for types in [vec![arg_type(&row, false)], vec![arg_type(&row, false), arg_type(&k, true)],
                vec![arg_type(&row, false), arg_type(&row, false)]] {
                let Ok(call) = library().aggregate(doc.name, &types) else { continue };
                let (code, mut state) = (Arc::clone(&call.code), state.clone());
                let args = vec![row.clone(); call.params.len()];
                let _ = (code.add(&mut state, &args), code.undo(&mut state, &args));
                let _ = (code.merge(&state, &other), code.finish(&state));
            }
        }
    }
}
