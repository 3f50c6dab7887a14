//! One value of a column.
//!
//! Owned and cheap to clone: text up to 24 bytes is inline (IP addresses, Zeek uids), longer text is on
//! the heap, and nested values are shared. `Ord`, `Eq` and `Hash` are *total* (for keys of maps and
//! sorting); SQL's three-valued comparison is in `compare`.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::Decimal;

/// Text with up to 24 bytes stored inline.
pub type Text = compact_str::CompactString;

/// Entries of a MAP, ordered by key so that every output is deterministic.
pub type Map = BTreeMap<Value, Value>;

/// One value of a column; the type is known from the schema.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// SQL NULL, of any type.
    #[default]
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// INTEGER.
    Int(i32),
    /// BIGINT.
    BigInt(i64),
    /// DOUBLE.
    Double(f64),
    /// DECIMAL(p, s).
    Decimal(Decimal),
    /// STRING.
    String(Text),
    /// BYTES.
    Bytes(Arc<[u8]>),
    /// DATE: days since 1970-01-01.
    Date(i32),
    /// TIME: milliseconds since midnight.
    Time(i32),
    /// TIMESTAMP: milliseconds since 1970-01-01T00:00Z.
    Timestamp(i64),
    /// ARRAY.
    Array(Arc<Vec<Value>>),
    /// MAP.
    Map(Arc<Map>),
    /// STRUCT: the fields in the order of the type.
    Struct(Arc<Vec<Value>>),
}

impl Value {
    /// A STRING value.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::String(Text::new(text))
    }

    /// An ARRAY value.
    pub fn array(items: Vec<Value>) -> Self {
        Self::Array(Arc::new(items))
    }

    /// A MAP value.
    pub fn map(entries: impl IntoIterator<Item = (Value, Value)>) -> Self {
        Self::Map(Arc::new(entries.into_iter().collect()))
    }

    /// A STRUCT value, fields in the order of its type.
    pub fn structure(fields: Vec<Value>) -> Self {
        Self::Struct(Arc::new(fields))
    }

    /// A BYTES value.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::Bytes(bytes.into())
    }

    /// Whether this is SQL NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a STRING, else `None`.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number of an INTEGER, BIGINT, DATE, TIME or TIMESTAMP, else `None`.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Int(v) | Self::Date(v) | Self::Time(v) => Some(v.into()),
            Self::BigInt(v) | Self::Timestamp(v) => Some(v),
            _ => None,
        }
    }

    /// Any number as DOUBLE, else `None`.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::Int(v) => Some(v.into()),
            Self::BigInt(v) => Some(v as f64),
            Self::Double(v) => Some(v),
            Self::Decimal(v) => Some(v.to_f64()),
            _ => None,
        }
    }

    /// A BOOLEAN, else `None`.
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Self::Boolean(v) => Some(v),
            _ => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Boolean(_) => 1,
            Self::Int(_) => 2,
            Self::BigInt(_) => 3,
            Self::Double(_) => 4,
            Self::Decimal(_) => 5,
            Self::String(_) => 6,
            Self::Bytes(_) => 7,
            Self::Date(_) => 8,
            Self::Time(_) => 9,
            Self::Timestamp(_) => 10,
            Self::Array(_) => 11,
            Self::Map(_) => 12,
            Self::Struct(_) => 13,
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b))
            | (Self::Date(a), Self::Date(b))
            | (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::BigInt(a), Self::BigInt(b)) | (Self::Timestamp(a), Self::Timestamp(b)) => a.cmp(b),
            (Self::Double(a), Self::Double(b)) => a.total_cmp(b),
            // Equal numbers of different scale are different keys, as with Java's BigDecimal.equals.
            (Self::Decimal(a), Self::Decimal(b)) => a.cmp(b).then(a.scale().cmp(&b.scale())),
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (Self::Array(a), Self::Array(b)) | (Self::Struct(a), Self::Struct(b)) => a.cmp(b),
            (Self::Map(a), Self::Map(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            // Whether two texts are equal shows faster than their order.
            (Self::String(a), Self::String(b)) => a.as_bytes() == b.as_bytes(),
            (Self::BigInt(a), Self::BigInt(b)) => a == b,
            _ => self.cmp(other).is_eq(),
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Self::Null => {}
            Self::Boolean(v) => v.hash(state),
            Self::Int(v) | Self::Date(v) | Self::Time(v) => v.hash(state),
            Self::BigInt(v) | Self::Timestamp(v) => v.hash(state),
            Self::Double(v) => v.to_bits().hash(state),
            Self::Decimal(v) => (v.unscaled(), v.scale()).hash(state),
            Self::String(v) => v.hash(state),
            Self::Bytes(v) => v.hash(state),
            Self::Array(v) | Self::Struct(v) => v.hash(state),
            Self::Map(v) => v.hash(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_small() {
        assert!(size_of::<Value>() <= 32);
    }
}
