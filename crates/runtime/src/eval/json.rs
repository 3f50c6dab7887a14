//! Columns that still are JSON: decoded when asked for, compared as they are where that gives the same answer.

use std::borrow::Cow;

use formats::json::{Kind, Slot, decode, slot_bool, slot_f64, slot_i64, slot_str, slot_text};
use plan::expr::CompareOp;
use types::{DataType, EvalError, Value};

/// A record with the places of its columns.
#[derive(Clone, Copy)]
pub struct JsonRow<'a> {
    /// The record's bytes.
    pub record: &'a [u8],
    /// Where each column is.
    pub slots: &'a [Slot],
    /// The type of each column.
    pub types: &'a [DataType],
}

impl<'a> JsonRow<'a> {
    /// Decodes a column; NULL when there is none.
    pub fn value(&self, column: usize) -> Result<Value, EvalError> {
        match self.column(column) {
            None => Ok(Value::Null),
            Some((slot, data_type)) => {
                decode(self.record, *slot, data_type).map_err(|error| EvalError::new(error.to_string()))
            }
        }
    }

    fn column(&self, column: usize) -> Option<(&'a Slot, &'a DataType)> {
        self.slots.get(column).zip(self.types.get(column))
    }

    /// Whether a column is NULL, as far as that shows without decoding.
    pub(crate) fn is_null(&self, column: usize) -> bool {
        self.column(column).is_none_or(|(slot, _)| slot.is_null())
    }

    /// The text of a STRING column, `None` in it for NULL; nothing for other columns.
    pub(crate) fn text(&self, column: usize) -> Option<Option<Cow<'a, str>>> {
        match self.column(column)? {
            (slot, DataType::String) if slot.is_null() => Some(None),
            (slot, DataType::String) => match slot_str(self.record, slot) {
                Some(text) => Some(Some(Cow::Borrowed(text))),
                None => slot_text(self.record, slot).map(Some),
            },
            _ => None,
        }
    }

    /// The bytes of a STRING column that stands in the record as it is, without escapes.
    pub(crate) fn plain_text(&self, column: usize) -> Option<&'a [u8]> {
        match self.column(column)? {
            (slot, DataType::String) if slot.kind == Kind::String => {
                slot.raw(self.record).strip_prefix(b"\"")?.strip_suffix(b"\"")
            }
            _ => None,
        }
    }

    /// The value of a BOOLEAN column, `None` in it for NULL; nothing where it has to be decoded.
    pub(crate) fn truth(&self, column: usize) -> Option<Option<bool>> {
        match self.column(column)? {
            (slot, DataType::Boolean) if slot.is_null() => Some(None),
            (slot, DataType::Boolean) => slot_bool(slot).map(Some),
            _ => None,
        }
    }

    /// Compares a column with a constant of its type; nothing where it has to be decoded.
    pub(crate) fn compare(&self, column: usize, op: CompareOp, constant: &Value) -> Option<Option<bool>> {
        let (slot, data_type) = self.column(column)?;
        if slot.is_null() {
            return Some(super::node::compare(op, &Value::Null, constant));
        }
        let order = match (data_type, constant) {
            (DataType::String, Value::String(constant)) => match self.plain_text(column) {
                Some(text) => text.cmp(constant.as_bytes()),
                None => self.text(column)??.as_bytes().cmp(constant.as_bytes()),
            },
            (DataType::BigInt, Value::BigInt(constant)) => slot_i64(self.record, slot)?.cmp(constant),
            (DataType::Int, Value::Int(constant)) => {
                i32::try_from(slot_i64(self.record, slot)?).ok()?.cmp(constant)
            }
            (DataType::Double, Value::Double(constant)) => {
                slot_f64(self.record, slot)?.partial_cmp(constant)?
            }
            (DataType::Boolean, Value::Boolean(constant)) => slot_bool(slot)?.cmp(constant),
            _ => return None,
        };
        Some(Some(match op {
            CompareOp::Equal | CompareOp::IsNotDistinctFrom => order.is_eq(),
            CompareOp::NotEqual | CompareOp::IsDistinctFrom => order.is_ne(),
            CompareOp::Less => order.is_lt(),
            CompareOp::LessEqual => order.is_le(),
            CompareOp::Greater => order.is_gt(),
            CompareOp::GreaterEqual => order.is_ge(),
        }))
    }
}
