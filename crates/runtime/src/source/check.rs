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

/// Kinds there are at most.
const KINDS_MAX: usize = 16;

/// Which looks of a slot are fine: for each kind, below how many bytes.
#[derive(Clone, Copy, Debug)]
struct Fine([u32; KINDS_MAX]);

impl Fine {
    fn new(check: Check) -> Self {
        use Kind::*;
        let any: &[Kind] = &[True, False, Integer, Number, Exponent, String, EscapedString, Object, Array];
        let (kinds, len_max): (&[Kind], u32) = match check {
            Check::Anything => (any, u32::MAX - 1),
            Check::Boolean => (&[True, False], u32::MAX - 1),
            // Nine characters are in range.
            Check::Int => (&[Integer], 9),
            Check::BigInt => (&[Integer], 18),
            // Without exponent a number this short is finite.
            Check::Double => (&[Integer, Number], 40),
            Check::Texts => (&[Array], u32::MAX - 1),
            Check::TextMap | Check::Fields => (&[Object], u32::MAX - 1),
            Check::Decoded => (&[], 0),
        };
        let mut below = [0; KINDS_MAX];
        kinds.iter().for_each(|kind| below[*kind as usize] = len_max + 1);
        [Missing, Null].iter().for_each(|kind| below[*kind as usize] = u32::MAX);
        Self(below)
    }

    #[inline(always)]
    fn is_fine(&self, slot: &Slot) -> bool {
        slot.len < self.0[slot.kind as usize % KINDS_MAX]
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
