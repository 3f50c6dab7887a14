//! Any bytes as a row, in both codecs: what is read is written and read the same, and keys sort as their values do.

#![no_main]

use libfuzzer_sys::fuzz_target;
use types::Value;
use types::row::{decode, decode_into, decode_ordered, encode, encode_ordered};

fuzz_target!(|data: &[u8]| {
    let mut values = Vec::new();
    if decode_into(data, &mut values).is_ok() {
        assert_eq!(decode(data, values.len()).as_ref(), Ok(&values));
    }
    check_values(&values);
    for arity in 0..4 {
        if let Ok(values) = decode_ordered(data, arity) {
            assert_eq!(values.len(), arity);
            check_values(&values);
        }
    }
});

fn check_values(values: &[Value]) {
    let mut bytes = Vec::new();
    encode(values, &mut bytes);
    assert_eq!(decode(&bytes, values.len()).as_deref(), Ok(values));
    let key = ordered(values);
    assert_eq!(decode_ordered(&key, values.len()).as_deref(), Ok(values));
    for pair in values.windows(2) {
        let (left, right) = pair.split_at(1);
        assert_eq!(ordered(left).cmp(&ordered(right)), left.cmp(right), "{left:?} {right:?}");
    }
}

fn ordered(values: &[Value]) -> Vec<u8> {
    let mut key = Vec::new();
    encode_ordered(values, &mut key);
    key
}
