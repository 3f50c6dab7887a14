//! Whether all columns of a record can be decoded, told from their looks where that is enough.
//!
//! A record with a wrong type is refused as a whole, as in ksqlDB, although its columns are decoded only when an
//! expression asks. Most fields of most records are seen to be fine by their kind and length; others are decoded.

use formats::json::{Kind, Slot, decode};
use types::DataType;

use crate::eval::JsonLayout;

/// What makes a slot fine at a glance.
#[derive(Clone, Copy, Debug)]
enum Check {
    /// STRING: anything is.
    Anything,
    Boolean,
    Int,
    BigInt,
    Double,
    /// ARRAY<STRING>
    Texts,
    /// MAP<STRING, STRING>
    TextMap,
    /// A STRUCT whose fields have slots, which are looked at by themselves.
    Fields,
    /// Nothing short of decoding tells.
    Decoded,
}

/// Checks records of one layout.
#[derive(Debug)]
pub(super) struct RecordCheck(Vec<Fine>);

/// Which looks of a slot are fine.
#[derive(Clone, Copy, Debug)]
struct Fine {
    /// One bit for each `Kind`.
    kinds: u16,
    len_max: u32,
}

impl Fine {
    fn new(check: Check) -> Self {
        use Kind::*;
        let (kinds, len_max): (&[Kind], u32) = match check {
            Check::Anything => {
                (&[True, False, Integer, Number, Exponent, String, EscapedString, Object, Array], u32::MAX)
            }
            Check::Boolean => (&[True, False], u32::MAX),
            // Nine characters are in range.
            Check::Int => (&[Integer], 9),
            Check::BigInt => (&[Integer], 18),
            // Without exponent a number this short is finite.
            Check::Double => (&[Integer, Number], 40),
            Check::Texts => (&[Array], u32::MAX),
            Check::TextMap | Check::Fields => (&[Object], u32::MAX),
            Check::Decoded => (&[], u32::MAX),
        };
        let bits = [Missing, Null].iter().chain(kinds).fold(0, |bits, kind| bits | 1 << *kind as u16);
        Self { kinds: bits, len_max }
    }

    #[inline(always)]
    fn is_fine(self, slot: &Slot) -> bool {
        (self.kinds >> (slot.kind as u16) & 1 == 1) & (slot.len <= self.len_max)
    }
}

impl RecordCheck {
    pub(super) fn new(layout: &JsonLayout) -> Self {
        let check = |(slot, data_type): (usize, &DataType)| match data_type {
            DataType::String => Check::Anything,
            DataType::Boolean => Check::Boolean,
            DataType::Int => Check::Int,
            DataType::BigInt | DataType::Timestamp => Check::BigInt,
            DataType::Double => Check::Double,
            DataType::Array(item) if **item == DataType::String => Check::Texts,
            DataType::Map(key, item) if **key == DataType::String && **item == DataType::String => {
                Check::TextMap
            }
            DataType::Struct(_) if layout.has_fields(slot) => Check::Fields,
            _ => Check::Decoded,
        };
        Self(layout.types().iter().enumerate().map(check).map(Fine::new).collect())
    }

    /// Returns what is wrong with the first column that cannot be decoded.
    #[inline]
    pub(super) fn check(&self, record: &[u8], slots: &[Slot], layout: &JsonLayout) -> Result<(), String> {
        // All of them without a branch: mostly all are fine.
        let all_fine = slots.iter().zip(&self.0).fold(true, |all, (slot, fine)| all & fine.is_fine(slot));
        if all_fine { Ok(()) } else { self.look_closer(record, slots, layout) }
    }

    #[inline(never)]
    fn look_closer(&self, record: &[u8], slots: &[Slot], layout: &JsonLayout) -> Result<(), String> {
        for (n, (slot, fine)) in slots.iter().zip(&self.0).enumerate() {
            if !fine.is_fine(slot) {
                decode_whole(record, slots, n, layout)?;
            }
        }
        Ok(())
    }
}

/// Decodes a slot; an error is that of its column, so that it says where in the column.
#[cold]
fn decode_whole(record: &[u8], slots: &[Slot], n: usize, layout: &JsonLayout) -> Result<(), String> {
    let types = layout.types();
    let Err(error) = decode(record, slots[n], &types[n]) else { return Ok(()) };
    let columns = slots.iter().zip(types).zip(layout.names());
    for ((slot, data_type), name) in columns {
        decode(record, *slot, data_type).map_err(|error| format!("column {}: {error}", sql::quote(name)))?;
    }
    Err(error.to_string())
}
