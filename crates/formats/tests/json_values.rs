//! ksqlDB's coercions between JSON and columns, case by case, and what may be passed through.

use formats::json::{
    ObjectEncoder, Projection, Scanner, Slot, decode, passes_through, scan_value, slot_bool, slot_f64,
    slot_i64, slot_str, slot_text, write_value,
};
use types::{DataType, Decimal, Value};

fn read(json: &str, data_type: &DataType) -> Result<Value, String> {
    let slot = scan_value(json.as_bytes()).map_err(|error| error.to_string())?;
    decode(json.as_bytes(), slot, data_type).map_err(|error| error.to_string())
}

fn check(data_type: &DataType, cases: &[(&str, Value)]) {
    for (json, value) in cases {
        assert_eq!(read(json, data_type), Ok(value.clone()), "{json} as {data_type}");
    }
}

fn check_error(data_type: &DataType, cases: &[(&str, &str)]) {
    for (json, error) in cases {
        assert_eq!(read(json, data_type), Err((*error).to_owned()), "{json} as {data_type}");
    }
}

#[test]
fn null_is_null_of_any_type() {
    for data_type in [DataType::Int, DataType::String, DataType::array(DataType::Bytes)] {
        check(&data_type, &[("null", Value::Null)]);
    }
}

#[test]
fn booleans_come_from_booleans_only() {
    check(&DataType::Boolean, &[("true", Value::Boolean(true)), ("false", Value::Boolean(false))]);
    check_error(
        &DataType::Boolean,
        &[
            ("\"true\"", "cannot convert JSON string to BOOLEAN"),
            ("1", "cannot convert JSON number to BOOLEAN"),
        ],
    );
}

#[test]
fn whole_numbers_come_from_numbers_and_texts() {
    let int = Value::Int;
    check(
        &DataType::Int,
        &[
            ("-0", int(0)),
            ("1", int(1)),
            ("1.9", int(1)),
            ("-1.9", int(-1)),
            ("1e3", int(1000)),
            ("\"12\"", int(12)),
            ("\"\\u0031\"", int(1)),
            ("-2147483648", int(i32::MIN)),
        ],
    );
    check_error(
        &DataType::Int,
        &[
            ("2147483648", "number out of range for INTEGER"),
            ("1e400", "number out of range for INTEGER"),
            ("\"1.5\"", "cannot convert the text of a JSON string to INTEGER"),
            ("\"\"", "cannot convert the text of a JSON string to INTEGER"),
            ("true", "cannot convert JSON boolean to INTEGER"),
            ("[1]", "cannot convert JSON array to INTEGER"),
        ],
    );
    check(
        &DataType::BigInt,
        &[
            ("998877665544332211", Value::BigInt(998_877_665_544_332_211)),
            ("-999999999999999999", Value::BigInt(-999_999_999_999_999_999)),
            ("9223372036854775807", Value::BigInt(i64::MAX)),
            ("-9223372036854775808", Value::BigInt(i64::MIN)),
        ],
    );
    check_error(&DataType::BigInt, &[("9223372036854775808", "number out of range for BIGINT")]);
}

#[test]
fn times_are_numbers() {
    check(&DataType::Date, &[("1", Value::Date(1))]);
    check(&DataType::Time, &[("10", Value::Time(10))]);
    check(&DataType::Timestamp, &[("1528224275715", Value::Timestamp(1_528_224_275_715))]);
    check_error(
        &DataType::Timestamp,
        &[("\"2020-01-01\"", "cannot convert the text of a JSON string to TIMESTAMP")],
    );
}

#[test]
fn doubles_come_from_numbers_and_texts() {
    check(
        &DataType::Double,
        &[
            ("1", Value::Double(1.0)),
            ("1234.589", Value::Double(1234.589)),
            ("\"-Infinity\"", Value::Double(f64::NEG_INFINITY)),
            ("\"1.5e3\"", Value::Double(1500.0)),
            ("\"NaN\"", Value::Double(f64::NAN)),
        ],
    );
    check_error(
        &DataType::Double,
        &[
            ("1e400", "number out of range for DOUBLE"),
            ("\"x\"", "cannot convert the text of a JSON string to DOUBLE"),
        ],
    );
}

#[test]
fn decimals_fit_exactly_or_not_at_all() {
    let data_type = DataType::Decimal { precision: 6, scale: 4 };
    let decimal = |unscaled| Value::Decimal(Decimal::new(unscaled, 4));
    check(
        &data_type,
        &[
            ("10", decimal(100_000)),
            ("0.0001", decimal(1)),
            ("1.50000", decimal(15_000)),
            ("\"-1.5\"", decimal(-15_000)),
        ],
    );
    check_error(
        &data_type,
        &[
            ("100", "number out of range for DECIMAL(6, 4)"),
            ("0.00001", "number does not fit DECIMAL(6, 4) without rounding"),
            ("\"x\"", "cannot convert the text of a JSON string to DECIMAL(6, 4)"),
            ("{}", "cannot convert JSON object to DECIMAL(6, 4)"),
        ],
    );
}

#[test]
fn strings_take_the_text_of_anything() {
    let text = |text: &str| Value::text(text);
    check(
        &DataType::String,
        &[
            (r#""a\"\\\/\b\f\n\r\té""#, text("a\"\\/\u{8}\u{c}\n\r\té")),
            ("true", text("true")),
            ("12", text("12")),
            ("1.50", text("1.50")),
            ("1e3", text("1E+3")),
            (
                r#"{ "ITEMID" : 6, "CATEGORY": {"ID": 2, "NAME": "F\u006fod\n"}, "A": [1, "x", null] }"#,
                text(r#"{"ITEMID":6,"CATEGORY":{"ID":2,"NAME":"Food\n"},"A":[1,"x",null]}"#),
            ),
            (r#"["a",1, null,[2 ,"b"],{"c":["d", 1]}]"#, text(r#"[a, 1, null, [2, b], {"c":["d",1]}]"#)),
            ("[ ]", text("[]")),
        ],
    );
}

#[test]
fn bytes_are_base64() {
    check(&DataType::Bytes, &[("\"dmFyaWF0aW9ucw==\"", Value::bytes(*b"variations"))]);
    check_error(
        &DataType::Bytes,
        &[
            ("\"?\"", "cannot convert the text of a JSON string to BYTES"),
            ("1", "cannot convert JSON number to BYTES"),
        ],
    );
}

#[test]
fn nested_types_coerce_inside_and_name_the_place_of_an_error() {
    check(
        &DataType::array(DataType::String),
        &[("[1, 2, null]", Value::array(vec![Value::text("1"), Value::text("2"), Value::Null]))],
    );
    let map = DataType::map(DataType::String, DataType::Int);
    check(
        &map,
        &[(
            r#"{"b":"2","a":1,"b":3}"#,
            Value::map([(Value::text("a"), Value::Int(1)), (Value::text("b"), Value::Int(3))]),
        )],
    );
    check_error(
        &map,
        &[
            (r#"{"x\u001b":true}"#, r#"cannot convert JSON boolean to INTEGER at "$.x\u{1b}""#),
            ("[]", "cannot convert JSON array to MAP<STRING, INTEGER>"),
        ],
    );
    let structure = DataType::structure([("A", DataType::Int), ("b", DataType::Int), ("É", DataType::Int)]);
    let row = |a: Option<i32>, b: Option<i32>, e: Option<i32>| {
        Value::structure([a, b, e].map(|value| value.map_or(Value::Null, Value::Int)).into())
    };
    check(
        &structure,
        &[
            (r#"{"a":1,"B":2,"x":[3]}"#, row(Some(1), None, None)),
            (r#"{"A":1,"a":2,"b":3,"é":4}"#, row(Some(1), Some(3), Some(4))),
            (r#"{"a":2,"A":null}"#, row(None, None, None)),
            (r#"{"a":true,"a":2}"#, row(Some(2), None, None)),
            ("{}", row(None, None, None)),
        ],
    );
    let wrong_key = DataType::map(DataType::Int, DataType::Int);
    check_error(&wrong_key, &[("{}", "JSON only supports MAP types with STRING keys")]);
}

#[test]
fn slots_read_without_a_value() {
    let record = br#"{"I":7,"D":0.5,"T":"plain","E":"a\nb","B":true,"N":null}"#;
    let mut scanner = Scanner::new(Projection::columns(&["I", "D", "T", "E", "B", "N", "M"]).unwrap());
    let mut slots = vec![Slot::MISSING; 7];
    scanner.scan(record, &mut slots).unwrap();
    assert_eq!(slot_i64(record, &slots[0]), Some(7));
    assert_eq!(slot_f64(record, &slots[0]), Some(7.0));
    assert_eq!(slot_f64(record, &slots[1]), Some(0.5));
    assert_eq!(slot_str(record, &slots[2]), Some("plain"));
    assert_eq!(slot_str(record, &slots[3]), None);
    assert_eq!(slot_text(record, &slots[3]).unwrap(), "a\nb");
    assert_eq!(slot_bool(&slots[4]), Some(true));
    assert_eq!(slot_i64(record, &slots[5]), None);
    assert!(slots[5].is_null() && slots[6].is_null());
    // A slot of another record is nothing, not a panic.
    assert_eq!(slot_text(b"", &slots[2]).unwrap(), "");
}

#[test]
fn zero_has_no_sign() {
    let double = |token: &str| {
        let slot = scan_value(token.as_bytes()).unwrap();
        let value = decode(token.as_bytes(), slot, &DataType::Double).unwrap();
        (value, slot_f64(token.as_bytes(), &slot).map(f64::is_sign_negative))
    };
    for token in ["-0", "-0.0", "-0e5", "0.0", "-1e-400", "\"-0.0\""] {
        assert_eq!(double(token), (Value::Double(0.0), Some(false)), "{token}");
    }
}

#[test]
fn only_tokens_right_for_their_type_pass_through() {
    let decimal = DataType::Decimal { precision: 4, scale: 2 };
    for (token, data_type, expected) in [
        ("\"plain\"", DataType::String, true),
        (r#""C:\\a\n\u001F""#, DataType::String, true),
        (r#""C:\\a\u0041""#, DataType::String, false),
        (r#""a\/b""#, DataType::String, false),
        (r#""\u001f""#, DataType::String, false),
        (r#""\u000A""#, DataType::String, false),
        (r#""\ud834\udd1e""#, DataType::String, false),
        (r#""\uD834""#, DataType::String, false),
        ("1", DataType::String, false),
        ("null", DataType::String, true),
        ("true", DataType::Boolean, true),
        ("0", DataType::Int, true),
        ("-0", DataType::Int, false),
        ("-2147483648", DataType::Int, true),
        ("2147483648", DataType::Int, false),
        ("2147483648", DataType::BigInt, true),
        ("9223372036854775808", DataType::BigInt, false),
        ("1.0", DataType::BigInt, false),
        ("1", DataType::Double, false),
        ("0.1", DataType::Double, true),
        ("-0.0", DataType::Double, false),
        ("1.50", DataType::Double, false),
        ("0.0001", DataType::Double, false),
        ("1e3", DataType::Double, false),
        ("1e400", DataType::Double, false),
        ("0.00012345678901234567", DataType::Double, false),
        ("1.23456789012345678", DataType::Double, false),
        ("1.00", decimal, false),
        ("{}", DataType::structure([("A", DataType::Int)]), false),
    ] {
        let slot = scan_value(token.as_bytes()).unwrap();
        assert_eq!(passes_through(&slot, token.as_bytes(), &data_type), expected, "{token} as {data_type}");
    }
    assert!(!passes_through(&Slot::MISSING, b"", &DataType::String));
}

#[test]
fn values_are_written_as_ksqldb_does() {
    let entry = DataType::structure([("k\"", DataType::Double)]);
    for (value, data_type, json) in [
        (Value::Double(1e10), DataType::Double, "1.0E10"),
        (Value::Double(f64::NEG_INFINITY), DataType::Double, "\"-Infinity\""),
        (Value::Decimal(Decimal::new(101, 1)), DataType::Decimal { precision: 4, scale: 1 }, "10.1"),
        (Value::text("a\"\\\u{1f}\né/"), DataType::String, "\"a\\\"\\\\\\u001F\\né/\""),
        (Value::Date(-1), DataType::Date, "-1"),
        (
            Value::map([(Value::text("m"), Value::structure(vec![Value::Double(0.5)]))]),
            DataType::map(DataType::String, entry),
            r#"{"m":{"k\"":0.5}}"#,
        ),
    ] {
        let mut out = Vec::new();
        write_value(&value, &data_type, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), json);
    }
}

#[test]
fn a_row_without_columns_is_an_empty_object() {
    let columns: [(&str, DataType); 0] = [];
    let mut out = Vec::new();
    ObjectEncoder::new(&columns).write_row(&[], &mut out);
    assert_eq!(out, b"{}");
}
