//! Records, set apart by zero bytes, read by one scanner, with `serde_json` as judge: the same are taken, the same
//! fields found, the same values made of them.
//!
//! Differences that are meant: a byte order mark is skipped, more than `DEPTH_MAX` levels are refused, a zero has no
//! sign, and half a surrogate pair becomes U+FFFD, where `serde_json` refuses the string as soon as its text is wanted.

#![no_main]

use std::fmt;

use formats::json::{
    Kind, Projection, Reason, Scanner, Slot, Top, decode, scan_value, slot_bool, slot_f64, slot_i64,
    slot_str, slot_text, write_value,
};
use libfuzzer_sys::fuzz_target;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use types::{DataType, Value};

/// Wanted fields: repeated, nested, differing in case only, needing escapes.
const PATHS: &[&[&str]] = &[
    &["A"],
    &["a"],
    &["B"],
    &["ID.ORIG_H"],
    &["É"],
    &["Q\"\\"],
    &["A", "B"],
    &["A", "a"],
    &["B", "A", "B"],
    &["A"],
    &["A_KEY_OF_MORE_THAN_SIXTEEN_BYTES"],
    &[""],
];

fuzz_target!(|data: &[u8]| {
    let projection = Projection::new(PATHS).expect("the paths are few and short");
    let mut slots = vec![Slot::MISSING; projection.slot_count()];
    let mut scanner = Scanner::new(projection);
    for record in data.split(|&byte| byte == 0) {
        check_record(record, &mut scanner, &mut slots);
    }
});

fn check_record(record: &[u8], scanner: &mut Scanner, slots: &mut [Slot]) {
    let judged: Option<&RawValue> =
        serde_json::from_slice(record.strip_prefix(b"\xef\xbb\xbf").unwrap_or(record)).ok();
    let ours = scan_value(record);
    let scanned = scanner.scan(record, slots);
    match (&ours, judged) {
        (Ok(slot), Some(raw)) => {
            assert_eq!(slot.raw(record), raw.get().as_bytes());
            check_slot(record, slot, raw);
            match slot.kind {
                Kind::Object => assert_eq!(scanned, Ok(Top::Object)),
                Kind::Null => assert_eq!(scanned, Ok(Top::Null)),
                _ => assert_eq!(scanned.expect_err("no object").reason, Reason::NotAnObject),
            }
        }
        (Err(error), None) => {
            assert!(error.offset as usize <= record.len());
            assert!(scanned.expect_err("not JSON").offset as usize <= record.len());
            drop(error.to_string());
        }
        (Err(error), Some(_)) => {
            assert_eq!(error.reason, Reason::TooDeep, "refused, but is JSON");
            assert!(scanned.is_err());
        }
        (Ok(_), None) => panic!("taken, but is not JSON"),
    }
    if scanned == Ok(Top::Object)
        && let Some(raw) = judged
    {
        for (slot, path) in slots.iter().zip(PATHS) {
            // No opinion on records with keys that have no text.
            let Some(found) = find(raw, path) else { return };
            let expected = found.map_or("", RawValue::get);
            assert_eq!(slot.raw(record), expected.as_bytes(), "{path:?}");
            match found {
                Some(raw) => check_slot(record, slot, raw),
                None => assert_eq!(slot.kind, Kind::Missing),
            }
        }
    }
}

/// The members of an object with their order and repetitions.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// The field a path leads to by ksqlDB's rule; the outer `None` means that the judge cannot say.
#[allow(clippy::option_option)]
fn find<'a>(raw: &'a RawValue, path: &[&str]) -> Option<Option<&'a RawValue>> {
    let Some((name, rest)) = path.split_first() else { return Some(Some(raw)) };
    if !raw.get().starts_with('{') {
        return Some(None);
    }
    let Members(members) = serde_json::from_str(raw.get()).ok()?;
    let exact = members.iter().rfind(|(key, _)| key == name);
    match exact.or_else(|| members.iter().rfind(|(key, _)| key.to_uppercase() == *name)) {
        Some((_, value)) => find(value, rest),
        None => Some(None),
    }
}

fn check_slot(record: &[u8], slot: &Slot, raw: &RawValue) {
    let text_type = DataType::String;
    for data_type in [
        DataType::Boolean,
        DataType::Int,
        DataType::BigInt,
        DataType::Double,
        DataType::Decimal { precision: 9, scale: 2 },
        DataType::Bytes,
        DataType::Timestamp,
        text_type.clone(),
        DataType::array(text_type.clone()),
        DataType::array(DataType::BigInt),
        DataType::map(text_type.clone(), text_type.clone()),
        DataType::structure([("A", DataType::array(DataType::Double)), ("B", text_type)]),
    ] {
        let value = decode(record, *slot, &data_type);
        if let Some(expected) = model(raw, &data_type) {
            assert_eq!(value.as_ref().ok(), expected.as_ref(), "{data_type} of {raw}");
        }
        match (&data_type, &value) {
            (DataType::BigInt, Ok(Value::BigInt(number))) => {
                assert_eq!(slot_i64(record, slot), Some(*number))
            }
            (DataType::BigInt, _) => assert_eq!(slot_i64(record, slot), None),
            (DataType::Double, Ok(Value::Double(number))) => {
                assert_eq!(slot_f64(record, slot).map(f64::to_bits), Some(number.to_bits()));
            }
            (DataType::Double, _) => assert_eq!(slot_f64(record, slot), None),
            (DataType::Boolean, Ok(Value::Boolean(bit))) => assert_eq!(slot_bool(slot), Some(*bit)),
            (DataType::String, Ok(Value::String(text))) => {
                assert_eq!(slot_text(record, slot).as_deref(), Some(text.as_str()));
                assert!(slot_str(record, slot).is_none_or(|plain| plain == text.as_str()));
            }
            _ => {}
        }
        match value {
            Ok(value) => check_written_out(&value, &data_type),
            Err(error) => drop(error.to_string()),
        }
    }
}

/// A decoded value reads back from its own writing.
fn check_written_out(value: &Value, data_type: &DataType) {
    let mut written = Vec::new();
    write_value(value, data_type, &mut written);
    let shown = String::from_utf8_lossy(&written);
    let slot = scan_value(&written).unwrap_or_else(|error| panic!("{error}: {shown}"));
    assert_eq!(decode(&written, slot, data_type).as_ref(), Ok(value), "{shown}");
}

/// What the judge makes of a token: a value, `Some(None)` for none of this type, `None` where it cannot say.
#[allow(clippy::option_option)]
fn model(raw: &RawValue, data_type: &DataType) -> Option<Option<Value>> {
    let token = raw.get();
    if token == "null" {
        return Some(Some(Value::Null));
    }
    let is_number = token.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let is_integer = is_number && !token.contains(['.', 'e', 'E']);
    Some(match data_type {
        DataType::Boolean => token.parse().ok().map(Value::Boolean),
        DataType::BigInt if is_integer => token.parse().ok().map(Value::BigInt),
        DataType::Int if is_integer => token.parse().ok().map(Value::Int),
        DataType::Double if is_number => {
            // Adding it takes a zero's sign away.
            let number = token.parse::<f64>().ok().filter(|number| number.is_finite());
            number.map(|number| Value::Double(number + 0.0))
        }
        DataType::String if token.starts_with('"') => {
            Some(Value::text(serde_json::from_str::<String>(token).ok()?))
        }
        DataType::Array(item) if token.starts_with('[') => {
            let items: Vec<&RawValue> = serde_json::from_str(token).ok()?;
            let items: Option<Vec<_>> = items.into_iter().map(|raw| model(raw, item)).collect();
            items?.into_iter().collect::<Option<_>>().map(Value::array)
        }
        DataType::Map(_, item) if token.starts_with('{') => {
            let Members(members) = serde_json::from_str(token).ok()?;
            let entries: Option<Vec<_>> =
                members.into_iter().map(|(key, raw)| Some((Value::text(key), model(raw, item)?))).collect();
            let entries: Option<Vec<_>> =
                entries?.into_iter().map(|(key, value)| Some((key, value?))).collect();
            entries.map(Value::map)
        }
        DataType::Struct(fields) if token.starts_with('{') => {
            let mut values = Vec::new();
            for field in fields.iter() {
                values.push(match find(raw, &[&*field.name])? {
                    Some(raw) => model(raw, &field.data_type)?,
                    None => Some(Value::Null),
                });
            }
            values.into_iter().collect::<Option<_>>().map(Value::structure)
        }
        // The wrong kind of token for an array, a map or a struct.
        DataType::Array(_) | DataType::Map(..) | DataType::Struct(_) => None,
        _ => return None,
    })
}
