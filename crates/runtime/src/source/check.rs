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
pub(super) struct RecordCheck(Vec<Check>);

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
        Self(layout.types().iter().enumerate().map(check).collect())
    }

    /// Returns what is wrong with the first column that cannot be decoded.
    #[inline]
    pub(super) fn check(&self, record: &[u8], slots: &[Slot], layout: &JsonLayout) -> Result<(), String> {
        for (n, (slot, check)) in slots.iter().zip(&self.0).enumerate() {
            if !is_fine(slot, *check) {
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

#[inline(always)]
fn is_fine(slot: &Slot, check: Check) -> bool {
    match (check, slot.kind) {
        (_, Kind::Missing | Kind::Null) | (Check::Anything, _) => true,
        (Check::Boolean, kind) => matches!(kind, Kind::True | Kind::False),
        // Nine characters are in range.
        (Check::Int, kind) => kind == Kind::Integer && slot.len <= 9,
        (Check::BigInt, kind) => kind == Kind::Integer && slot.len <= 18,
        // Without exponent a number this short is finite.
        (Check::Double, Kind::Integer | Kind::Number) => slot.len <= 40,
        // Without exponent a number this short is finite.
        (Check::Texts, kind) => kind == Kind::Array,
        (Check::TextMap | Check::Fields, kind) => kind == Kind::Object,
        (Check::Double | Check::Decoded, _) => false,
    }
}
