//! The scanner against `serde_json` and a model of ksqlDB's rule for names, over generated and broken records.
//!
//! Differences that are meant: more than 128 levels (`serde_json` stops there, the scanner at 1,000), escapes of
//! half a surrogate pair (refused by `serde_json`, U+FFFD here) and a byte order mark.

// The lint spares `#[test]` functions but not those they share.
#![allow(clippy::unwrap_used)]

use formats::json::{
    DEPTH_MAX, Kind, ObjectEncoder, Projection, Reason, Scanner, Slot, Top, decode, scan_value, slot_text,
    write_value,
};
use proptest::prelude::*;
use types::{DataType, Value};

/// JSON with the order and repetition of keys.
#[derive(Clone, Debug)]
enum Json {
    Plain(&'static str),
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Keys that repeat, differ in case only, need escapes, are long or are not ASCII.
const KEYS: [&str; 14] = [
    "a",
    "A",
    "b",
    "id.orig_h",
    "ID.ORIG_H",
    "sixteen_in_all",
    "SIXTEEN_IN_ALL",
    "a_key_of_more_than_sixteen_bytes",
    "a_key_of_more_than_thirty-two_bytes_in_all",
    "A_KEY_OF_MORE_THAN_SIXTEEN_BYTES",
    "é",
    "É",
    "q\"\\\n",
    "",
];

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        proptest::sample::select(vec!["null", "true", "false"]).prop_map(Json::Plain),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?".prop_map(Json::Number),
        "-?[1-9][0-9]{0,5}".prop_map(Json::Number),
        "[ -~]{0,40}".prop_map(Json::Text),
        "\\PC{0,20}".prop_map(Json::Text),
        "[\\\\\"\n\u{1}é𝄞a]{0,40}".prop_map(Json::Text),
    ];
    leaf.prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Json::Array),
            members(inner).prop_map(Json::Object),
        ]
    })
}

fn members(inner: impl Strategy<Value = Json>) -> impl Strategy<Value = Vec<(String, Json)>> {
    let key = proptest::sample::select(KEYS.to_vec()).prop_map(str::to_owned);
    proptest::collection::vec((key, inner), 0..8)
}

fn record() -> impl Strategy<Value = Json> {
    members(json()).prop_map(Json::Object)
}

/// Bytes that mean something to a scanner.
const STRUCTURAL: &[u8] = b"{}[]:,\"\\ \n0-.eEtfnu\x00\x1f\x80\xff";

/// How a record is written, taken from a list of choices in turn.
struct Style<'a> {
    choices: &'a [u8],
    next: usize,
}

impl Style<'_> {
    fn choose(&mut self) -> u8 {
        self.next += 1;
        self.choices.get(self.next % self.choices.len().max(1)).copied().unwrap_or(0)
    }

    fn space(&mut self, out: &mut String) {
        match self.choose() {
            0..200 => {}
            200..240 => out.push(' '),
            240..250 => out.push_str("\r\n\t"),
            _ => out.push_str("                    "),
        }
    }

    fn text(&mut self, text: &str, out: &mut String) {
        out.push('"');
        for char in text.chars() {
            match char {
                '"' | '\\' => out.extend(['\\', char]),
                '\n' => out.push_str("\\n"),
                '/' if self.choose() > 128 => out.push_str("\\/"),
                _ if char < ' ' || self.choose() > 245 => {
                    let mut units = [0; 2];
                    for unit in char.encode_utf16(&mut units) {
                        out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                _ => out.push(char),
            }
        }
        out.push('"');
    }

    fn json(&mut self, json: &Json, out: &mut String) {
        self.space(out);
        match json {
            Json::Plain(text) => out.push_str(text),
            Json::Number(text) => out.push_str(text),
            Json::Text(text) => self.text(text, out),
            Json::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    self.json(item, out);
                }
                self.space(out);
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    self.space(out);
                    self.text(key, out);
                    self.space(out);
                    out.push(':');
                    self.json(value, out);
                }
                self.space(out);
                out.push('}');
            }
        }
        self.space(out);
    }
}

fn write(json: &Json, choices: &[u8]) -> String {
    let mut out = String::new();
    Style { choices, next: 0 }.json(json, &mut out);
    out
}

/// The field a path leads to by ksqlDB's rule.
fn find<'a>(json: &'a Json, path: &[&str]) -> Option<&'a Json> {
    let Some((name, rest)) = path.split_first() else {
        return Some(json);
    };
    let Json::Object(members) = json else {
        return None;
    };
    let exact = members.iter().rfind(|(key, _)| key == name);
    let found = exact.or_else(|| members.iter().rfind(|(key, _)| key.to_uppercase() == *name))?;
    find(&found.1, rest)
}

fn paths() -> Vec<Vec<&'static str>> {
    let mut paths: Vec<Vec<&str>> = KEYS.iter().map(|key| vec![*key]).collect();
    paths.extend([
        vec!["A", "A"],
        vec!["A", "b"],
        vec!["a", "A"],
        vec!["A", "A", "É"],
        vec!["B", "A"],
        vec!["A"],
    ]);
    paths
}

/// Whether the slot shows what the model has.
fn check(record: &str, slot: &Slot, model: Option<&Json>, path: &[&str]) {
    let raw = slot.raw(record.as_bytes());
    let context = || format!("{path:?} in {record}");
    match model {
        None => assert_eq!(slot.kind, Kind::Missing, "{}", context()),
        Some(Json::Plain(text)) => assert_eq!(raw, text.as_bytes(), "{}", context()),
        Some(Json::Number(text)) => {
            assert_eq!(raw, text.as_bytes(), "{}", context());
            let kind = match (text.contains(['e', 'E']), text.contains('.')) {
                (true, _) => Kind::Exponent,
                (false, true) => Kind::Number,
                (false, false) => Kind::Integer,
            };
            assert_eq!(slot.kind, kind, "{}", context());
        }
        Some(Json::Text(text)) => {
            assert!(matches!(slot.kind, Kind::String | Kind::EscapedString), "{}", context());
            assert_eq!(slot.kind == Kind::EscapedString, raw.contains(&b'\\'), "{}", context());
            assert_eq!(slot_text(record.as_bytes(), slot).unwrap(), text.as_str(), "{}", context());
        }
        Some(json @ (Json::Array(_) | Json::Object(_))) => {
            let kind = if matches!(json, Json::Array(_)) { Kind::Array } else { Kind::Object };
            assert_eq!(slot.kind, kind, "{}", context());
            let theirs: serde_json::Value = serde_json::from_str(&write(json, &[])).unwrap();
            let ours: serde_json::Value = serde_json::from_slice(raw).unwrap();
            assert_eq!(ours, theirs, "{}", context());
        }
    }
}

/// Whether both take the record or both refuse it, but for the differences that are meant.
fn check_same_verdict(record: &[u8], scanner: &mut Scanner, slots: &mut [Slot]) {
    let theirs = serde_json::from_slice::<serde_json::Value>(record);
    let ours = scan_value(record);
    let has_half_pair =
        record.windows(3).any(|bytes| bytes[..2] == *b"\\u" && bytes[2].eq_ignore_ascii_case(&b'd'));
    let shown = String::from_utf8_lossy(record);
    if !(has_half_pair && ours.is_ok()) {
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{ours:?} {theirs:?} {shown:?}");
    }
    let scanned = scanner.scan(record, slots);
    match ours.map(|slot| slot.kind) {
        Ok(Kind::Object) => assert_eq!(scanned, Ok(Top::Object), "{shown:?}"),
        Ok(Kind::Null) => assert_eq!(scanned, Ok(Top::Null), "{shown:?}"),
        Ok(_) => assert_eq!(scanned.unwrap_err().reason, Reason::NotAnObject, "{shown:?}"),
        // The reason may be another: this one wants an object, and checks keys before the rest.
        Err(error) => {
            assert!(scanned.is_err(), "{shown:?}");
            assert!(error.offset as usize <= record.len());
        }
    }
}

fn scanner() -> (Scanner, Vec<Slot>) {
    let projection = Projection::new(&paths()).unwrap();
    let slots = vec![Slot::MISSING; projection.slot_count()];
    (Scanner::new(projection), slots)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn wanted_fields_are_found_whatever_came_before(
        records in proptest::collection::vec((record(), proptest::collection::vec(any::<u8>(), 1..50)), 1..6),
    ) {
        let (mut scanner, mut slots) = scanner();
        for (json, choices) in records {
            let record = write(&json, &choices);
            prop_assert_eq!(scanner.scan(record.as_bytes(), &mut slots), Ok(Top::Object), "{}", record);
            for (slot, path) in slots.iter().zip(paths()) {
                check(&record, slot, find(&json, &path), &path);
            }
            // Without memory of keys the same is found.
            let (mut fresh, mut fresh_slots) = self::scanner();
            fresh.scan(record.as_bytes(), &mut fresh_slots).unwrap();
            prop_assert_eq!(&slots, &fresh_slots);
        }
    }

    #[test]
    fn fields_left_out_and_shuffled_are_found(
        orders in proptest::collection::vec(
            (Just((0..30).collect::<Vec<usize>>()).prop_shuffle(), any::<u32>(), any::<bool>()), 1..12),
    ) {
        let names: Vec<String> = (0..30).map(|i| format!("FIELD_{i}")).collect();
        let projection = Projection::columns(&names[..20]).unwrap();
        let mut slots = vec![Slot::MISSING; projection.slot_count()];
        let mut scanner = Scanner::new(projection);
        for (mut order, present, sorted) in orders {
            if sorted {
                order.sort();
            }
            order.retain(|i| present >> i & 1 == 1);
            let members = order.iter().map(|i| (format!("field_{i}"), Json::Number(i.to_string())));
            let record = write(&Json::Object(members.collect()), &[]);
            scanner.scan(record.as_bytes(), &mut slots).unwrap();
            for (i, slot) in slots.iter().enumerate() {
                let expected = if order.contains(&i) { i.to_string() } else { String::new() };
                prop_assert_eq!(slot.raw(record.as_bytes()), expected.as_bytes());
            }
        }
    }

    #[test]
    fn broken_records_are_refused_like_serde_json_does(
        json in record(),
        choices in proptest::collection::vec(any::<u8>(), 1..50),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), 0u8..4, any::<u8>()), 0..4),
    ) {
        let (mut scanner, mut slots) = scanner();
        let mut record = write(&json, &choices).into_bytes();
        check_same_verdict(&record, &mut scanner, &mut slots);
        for (place, edit, byte) in edits {
            if record.is_empty() {
                break;
            }
            let at = place.index(record.len());
            let structural = STRUCTURAL[usize::from(byte) % STRUCTURAL.len()];
            match edit {
                0 => record[at] ^= 1 << (byte % 8),
                1 => drop(record.remove(at)),
                2 => record.insert(at, structural),
                _ => record[at] = structural,
            }
            check_same_verdict(&record, &mut scanner, &mut slots);
        }
    }

    #[test]
    fn records_cut_at_any_byte_are_refused(json in record(), choices in proptest::collection::vec(any::<u8>(), 1..50)) {
        let (mut scanner, mut slots) = scanner();
        let record = write(&json, &choices);
        let whole = record.trim_end().len();
        for len in 0..record.len() {
            let result = scanner.scan(&record.as_bytes()[..len], &mut slots);
            prop_assert_eq!(result.is_ok(), len >= whole, "{} of {:?}", len, record);
        }
    }

    #[test]
    fn random_bytes_are_refused_like_serde_json_does(
        record in proptest::collection::vec(proptest::sample::select(b"{}[]:,\"\\ 019-+.eEtrufalsn\x80".to_vec()), 0..12),
    ) {
        let (mut scanner, mut slots) = scanner();
        check_same_verdict(&record, &mut scanner, &mut slots);
    }

    #[test]
    fn written_rows_are_read_back(
        numbers in proptest::collection::vec(any::<i64>(), 0..4),
        double in any::<f64>(),
        text in "\\PC{0,20}[\"\\\\\u{1}\n]{0,3}",
        bytes in proptest::collection::vec(any::<u8>(), 0..20),
        entries in proptest::collection::btree_map("[a-c]{0,2}", any::<i32>(), 0..4),
    ) {
        let item = DataType::structure([("N", DataType::BigInt), ("missing", DataType::String)]);
        let columns = [
            ("D", DataType::Double),
            ("T", DataType::String),
            ("X", DataType::Bytes),
            ("a", DataType::array(item)),
            ("M", DataType::map(DataType::String, DataType::Int)),
            ("W", DataType::Timestamp),
        ];
        let row = vec![
            Value::Double(double),
            Value::text(&text),
            Value::bytes(bytes),
            Value::array(numbers.iter().map(|&n| Value::structure(vec![Value::BigInt(n), Value::Null])).collect()),
            Value::map(entries.into_iter().map(|(key, value)| (Value::text(key), Value::Int(value)))),
            Value::Timestamp(numbers.first().copied().unwrap_or(0)),
        ];
        let mut out = b"before".to_vec();
        ObjectEncoder::new(&columns).write_row(&row, &mut out);
        let record = out.strip_prefix(b"before").unwrap();
        let mut scanner = Scanner::new(Projection::columns(&columns.clone().map(|(name, _)| name)).unwrap());
        let mut slots = vec![Slot::MISSING; columns.len()];
        scanner.scan(record, &mut slots).unwrap();
        for ((slot, (_, data_type)), value) in slots.iter().zip(&columns).zip(&row) {
            // A zero in JSON has no sign, as Jackson reads it.
            let read = if *value == Value::Double(-0.0) { Value::Double(0.0) } else { value.clone() };
            prop_assert_eq!(decode(record, *slot, data_type).unwrap(), read);
            let mut token = Vec::new();
            write_value(value, data_type, &mut token);
            prop_assert_eq!(slot.raw(record), token);
        }
    }
}

#[test]
fn nesting_is_bounded_and_costs_no_stack() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth: usize| {
            let innermost = if open == "[" { "[]" } else { "{}" };
            format!("{}{innermost}{}", open.repeat(depth - 1), close.repeat(depth - 1))
        };
        assert!(scan_value(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(scan_value(nested(DEPTH_MAX + 1).as_bytes()).unwrap_err().reason, Reason::TooDeep);
        let (mut scanner, mut slots) = scanner();
        let inside = |depth| format!("{{\"a\":{{\"a\":{}}}}}", nested(depth));
        assert_eq!(scanner.scan(inside(DEPTH_MAX - 2).as_bytes(), &mut slots), Ok(Top::Object));
        let error = scanner.scan(inside(DEPTH_MAX - 1).as_bytes(), &mut slots).unwrap_err();
        assert_eq!(error.reason, Reason::TooDeep);
    }
    assert_eq!(scan_value("[".repeat(1_000_000).as_bytes()).unwrap_err().reason, Reason::TooDeep);
}

#[test]
fn a_byte_order_mark_is_skipped_and_null_is_no_object() {
    let (mut scanner, mut slots) = scanner();
    assert_eq!(scanner.scan(b"\xef\xbb\xbf {\"a\":1}", &mut slots), Ok(Top::Object));
    assert_eq!(slots[0].offset, 9);
    assert_eq!(scanner.scan(b" null ", &mut slots), Ok(Top::Null));
    assert!(slots.iter().all(|slot| slot.kind == Kind::Missing));
    assert_eq!(scanner.scan(b"[1]", &mut slots).unwrap_err().reason, Reason::NotAnObject);
    assert_eq!(scanner.scan(b"", &mut slots).unwrap_err().reason, Reason::Truncated);
    let error = scanner.scan(b"{\"a\":\"\xff\"}", &mut slots).unwrap_err();
    assert_eq!(error.to_string(), "malformed JSON at byte 6: invalid UTF-8");
}

#[test]
fn half_a_surrogate_pair_is_the_replacement_character() {
    for (text, expected) in [
        (r#""\ud834\udd1e""#, "𝄞"),
        (r#""\ud834""#, "\u{fffd}"),
        (r#""\udd1e\ud834x""#, "\u{fffd}\u{fffd}x"),
        (r#""\ud834\u0041""#, "\u{fffd}A"),
        (r#""\ud834\n""#, "\u{fffd}\n"),
    ] {
        let slot = scan_value(text.as_bytes()).unwrap();
        assert_eq!(slot_text(text.as_bytes(), &slot).unwrap(), expected, "{text}");
    }
}

#[test]
fn more_keys_than_are_remembered_are_still_found() {
    let (mut scanner, mut slots) = scanner();
    for round in 0..3 {
        let unwanted = (0..3_000).map(|i| (format!("key {round} {i}"), Json::Plain("true")));
        let wanted = [("a".to_owned(), Json::Number(round.to_string()))];
        let record = write(&Json::Object(unwanted.chain(wanted).collect()), &[]);
        scanner.scan(record.as_bytes(), &mut slots).unwrap();
        assert_eq!(slots[0].raw(record.as_bytes()), round.to_string().as_bytes());
        assert_eq!(slots[1].raw(record.as_bytes()), round.to_string().as_bytes());
    }
}

#[test]
fn a_new_order_of_keys_is_learned_and_still_right() {
    let names: Vec<String> = (0..20).map(|i| format!("F{i}")).collect();
    let mut scanner = Scanner::new(Projection::columns(&names).unwrap());
    let mut slots = vec![Slot::MISSING; names.len()];
    for round in 0..2_000usize {
        // The order turns round after a thousand records.
        let place = |i: usize| if round < 1_000 { i } else { i * 7 % 20 };
        let members = (0..20).map(|i| (names[place(i)].clone(), Json::Number(place(i).to_string())));
        let record = write(&Json::Object(members.collect()), &[]);
        scanner.scan(record.as_bytes(), &mut slots).unwrap();
        for (i, slot) in slots.iter().enumerate() {
            assert_eq!(slot.raw(record.as_bytes()), i.to_string().as_bytes());
        }
    }
}
