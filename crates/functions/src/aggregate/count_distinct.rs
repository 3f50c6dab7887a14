//! COUNT_DISTINCT: how many different values came, exact for few, estimated for many (HyperLogLog).
//!
//! ```text
//! state  BYTES, either
//!          0, then sorted 64-bit hashes (big endian)   up to HASHES_MAX, the count is exact
//!          1, then 2^12 registers of one byte          standard error 1.6 %
//! ```
//!
//! A register keeps the longest run of zeros (plus 1) among the hashes that belong to it; merging takes
//! the greater. Unlike ksqlDB, the sketch is this format and not that of a Java library.

use std::hash::{Hash, Hasher};

use types::{DataType, EvalError, Value};

use super::state::{call, first, wrong_state};
use crate::function::AggregateFunction;
use crate::registry::Aggregate;

const HASHES: u8 = 0;
const REGISTERS: u8 = 1;
/// Hashes kept before registers take less space.
const HASHES_MAX: usize = 512;
const REGISTER_BITS: u32 = 12;
const REGISTER_COUNT: usize = 1 << REGISTER_BITS;

pub(super) fn functions() -> Vec<AggregateFunction> {
    vec![
        AggregateFunction::new("COUNT_DISTINCT", "AGGREGATE", "Estimates how many different values came.")
            .overload("(T) → BIGINT", |resolved, _| {
                Ok(call(resolved, DataType::Bytes, DataType::BigInt, CountDistinct))
            }),
    ]
}

struct CountDistinct;

impl Aggregate for CountDistinct {
    fn initial(&self) -> Value {
        Value::bytes([HASHES])
    }

    fn add(&self, state: &mut Value, args: &[Value]) -> Result<(), EvalError> {
        if !first(args).is_null() {
            insert(state, hash_of(first(args)))?;
        }
        Ok(())
    }

    fn merge(&self, left: &Value, right: &Value) -> Result<Value, EvalError> {
        let (left, right) = if parts(left)?.0 == REGISTERS { (left, right) } else { (right, left) };
        let mut merged = left.clone();
        match parts(right)? {
            (HASHES, hashes) => {
                for hash in hashes.chunks_exact(8) {
                    insert(&mut merged, read_hash(hash))?;
                }
            }
            (_, registers) => {
                let greater = parts(left)?.1.iter().zip(registers).map(|(l, r)| *l.max(r));
                merged = Value::bytes(std::iter::once(REGISTERS).chain(greater).collect::<Vec<_>>());
            }
        }
        Ok(merged)
    }

    fn finish(&self, state: &Value) -> Result<Value, EvalError> {
        Ok(Value::BigInt(match parts(state)? {
            (HASHES, hashes) => (hashes.len() / 8) as i64,
            (_, registers) => estimate(registers),
        }))
    }
}

fn parts(state: &Value) -> Result<(u8, &[u8]), EvalError> {
    let Value::Bytes(bytes) = state else { return Err(wrong_state()) };
    match bytes.split_first() {
        Some((&HASHES, hashes)) if hashes.len() % 8 == 0 && hashes.len() / 8 <= HASHES_MAX => {
            Ok((HASHES, hashes))
        }
        Some((&REGISTERS, registers)) if registers.len() == REGISTER_COUNT => Ok((REGISTERS, registers)),
        _ => Err(wrong_state()),
    }
}

fn read_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

fn insert(state: &mut Value, hash: u64) -> Result<(), EvalError> {
    let (kind, content) = parts(state)?;
    if kind == REGISTERS {
        let (at, run) = register(hash);
        if content[at] < run {
            set_byte(state, at + 1, run);
        }
        return Ok(());
    }
    let place = content.as_chunks::<8>().0.binary_search(&hash.to_be_bytes());
    let Err(at) = place else { return Ok(()) };
    let (before, after) = content.split_at(at * 8);
    let hashes = [&[HASHES][..], before, &hash.to_be_bytes(), after].concat();
    *state = Value::bytes(if hashes.len() / 8 > HASHES_MAX { to_registers(&hashes[1..]) } else { hashes });
    Ok(())
}

fn to_registers(hashes: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 1 + REGISTER_COUNT];
    bytes[0] = REGISTERS;
    for hash in hashes.chunks_exact(8) {
        let (at, run) = register(read_hash(hash));
        bytes[at + 1] = bytes[at + 1].max(run);
    }
    bytes
}

/// In place unless the state is shared.
fn set_byte(state: &mut Value, at: usize, byte: u8) {
    if let Value::Bytes(bytes) = state {
        match std::sync::Arc::get_mut(bytes) {
            Some(bytes) => bytes[at] = byte,
            None => {
                let mut copy = bytes.to_vec();
                copy[at] = byte;
                *bytes = copy.into();
            }
        }
    }
}

/// The upper bits choose the register, the others give the run.
fn register(hash: u64) -> (usize, u8) {
    let rest = hash << REGISTER_BITS | 1 << (REGISTER_BITS - 1);
    ((hash >> (64 - REGISTER_BITS)) as usize, rest.leading_zeros() as u8 + 1)
}

/// The estimator of Flajolet et al. (2007), with linear counting while registers are empty.
fn estimate(registers: &[u8]) -> i64 {
    let m = REGISTER_COUNT as f64;
    let sum: f64 = registers.iter().map(|run| 2f64.powi(-i32::from(*run))).sum();
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    let empty = registers.iter().filter(|run| **run == 0).count();
    let estimate = if raw <= 2.5 * m && empty > 0 { m * (m / empty as f64).ln() } else { raw };
    estimate.round() as i64
}

/// A hash that stays the same after a restart, as stored states need: FNV-1a, then mixed.
fn hash_of(value: &Value) -> u64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    value.hash(&mut hasher);
    let mut hash = hasher.0;
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NULL, aggregate, value};

    fn count(numbers: std::ops::Range<i32>) -> (Value, i64) {
        let mut state = CountDistinct.initial();
        for number in numbers {
            CountDistinct.add(&mut state, &[value(number)]).unwrap();
        }
        let count = CountDistinct.finish(&state).unwrap().as_i64().unwrap();
        (state, count)
    }

    #[test]
    fn few_values_are_counted_exactly() {
        let call = aggregate("COUNT_DISTINCT", &[DataType::String], &[]);
        let mut state = call.code.initial();
        for text in ["a", "b", "a", "c"] {
            call.code.add(&mut state, &[value(text)]).unwrap();
        }
        call.code.add(&mut state, &[NULL]).unwrap();
        assert_eq!(call.code.finish(&state), Ok(Value::BigInt(3)));
        assert_eq!(count(0..HASHES_MAX as i32).1, HASHES_MAX as i64);
    }

    #[test]
    fn many_values_are_estimated_within_five_percent() {
        for n in [513, 3000, 10_000, 100_000] {
            let estimate = count(0..n).1;
            assert!((estimate - i64::from(n)).abs() * 20 < i64::from(n), "{estimate} for {n}");
        }
    }

    #[test]
    fn merged_states_are_those_of_all_values() {
        for (left, right, all) in [
            (0..10, 5..20, 0..20),
            (0..400, 300..800, 0..800),
            (0..5, 0..2000, 0..2000),
            (0..900, 800..1700, 0..1700),
        ] {
            assert_eq!(CountDistinct.merge(&count(left).0, &count(right).0), Ok(count(all).0));
        }
    }

    #[test]
    fn broken_state_is_an_error() {
        for bytes in [vec![], vec![0, 1], vec![1, 0], vec![2]] {
            assert!(CountDistinct.finish(&Value::bytes(bytes)).is_err());
        }
    }
}
