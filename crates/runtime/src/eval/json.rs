//! Columns that still are JSON: decoded when asked for, compared as they are where that gives the same answer.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use formats::json::{
    Kind, PATH_LEN_MAX, Slot, decode, decode_onto, slot_bool, slot_f64, slot_i64, slot_str, slot_text,
};
use plan::expr::CompareOp;
use types::{DataType, EvalError, Value};

/// Levels of STRUCT fields that have slots of their own; fields below are found when they are decoded.
const LEVELS_MAX: usize = PATH_LEN_MAX - 1;

/// Slots a layout has at most, unless there are more columns.
const SLOTS_MAX: usize = 2_000;

/// What the slots of a record are: its columns, then the fields of STRUCT columns, those of one STRUCT side by side.
#[derive(Clone, Debug)]
pub struct JsonLayout {
    /// The columns' names, for errors.
    names: Vec<Arc<str>>,
    types: Vec<DataType>,
    /// The slot of the first field; 0 for slots that are no STRUCT, or whose fields have no slots.
    first_fields: Vec<u32>,
    columns: usize,
}

impl JsonLayout {
    /// Makes the layout of columns, and the paths to look for in records.
    pub fn new(columns: &[(Arc<str>, DataType)]) -> (Self, Vec<Vec<Arc<str>>>) {
        let mut paths: Vec<Vec<Arc<str>>> = columns.iter().map(|(name, _)| vec![name.clone()]).collect();
        let mut types: Vec<DataType> = columns.iter().map(|(_, data_type)| data_type.clone()).collect();
        let mut first_fields = vec![0; types.len()];
        let mut slot = 0;
        while slot < types.len() {
            if let DataType::Struct(fields) = types[slot].clone()
                && paths[slot].len() <= LEVELS_MAX
                && types.len() + fields.len() <= SLOTS_MAX
                && !fields.is_empty()
            {
                first_fields[slot] = types.len() as u32;
                for field in fields.iter() {
                    let mut path = paths[slot].clone();
                    path.push(field.name.clone());
                    paths.push(path);
                    types.push(field.data_type.clone());
                    first_fields.push(0);
                }
            }
            slot += 1;
        }
        let names = columns.iter().map(|(name, _)| name.clone()).collect();
        (Self { names, types, first_fields, columns: columns.len() }, paths)
    }

    /// Returns the number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Returns the columns' names.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Returns the type of each slot.
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// Returns whether the fields of a STRUCT have slots.
    pub fn has_fields(&self, slot: usize) -> bool {
        self.first_fields.get(slot).is_some_and(|first| *first > 0)
    }

    /// The slot of a STRUCT's field.
    pub(crate) fn field(&self, slot: usize, field: usize) -> Option<usize> {
        let first = *self.first_fields.get(slot)? as usize;
        match self.types.get(slot) {
            Some(DataType::Struct(fields)) if first > 0 && field < fields.len() => Some(first + field),
            _ => None,
        }
    }
}

/// A record with the places of its columns.
#[derive(Clone, Copy)]
pub struct JsonRow<'a> {
    /// The record's bytes.
    pub record: &'a [u8],
    /// Where each column, and each field of a STRUCT, is.
    pub slots: &'a [Slot],
    /// What the slots are.
    pub layout: &'a JsonLayout,
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

    /// Appends a column's value; NULL when there is none. Nothing is appended on an error.
    pub(crate) fn append(&self, column: usize, values: &mut Vec<Value>) -> Result<(), EvalError> {
        match self.column(column) {
            None => values.push(Value::Null),
            Some((slot, data_type)) => decode_onto(self.record, slot, data_type, values)
                .map_err(|error| EvalError::new(error.to_string()))?,
        }
        Ok(())
    }

    /// The slot of a STRUCT's field, where it has one.
    pub(crate) fn field(&self, slot: usize, field: usize) -> Option<usize> {
        self.layout.field(slot, field)
    }

    /// A column's slot and type.
    #[inline]
    pub(crate) fn column(&self, column: usize) -> Option<(&'a Slot, &'a DataType)> {
        self.slots.get(column).zip(self.layout.types.get(column))
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

    /// The bytes of a STRING column that has escapes, as they stand in the record.
    pub(crate) fn escaped_text(&self, column: usize) -> Option<&'a [u8]> {
        match self.column(column)? {
            (slot, DataType::String) if slot.kind == Kind::EscapedString => {
                slot.raw(self.record).strip_prefix(b"\"")?.strip_suffix(b"\"")
            }
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

    /// The value of an INTEGER or BIGINT column; nothing for NULL and where it has to be decoded.
    pub(crate) fn number(&self, column: usize) -> Option<i64> {
        slot_i64(self.record, self.column(column)?.0)
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
        Some(Some(holds(op, order)))
    }
}

/// Whether a comparison is true of values in this order.
#[inline]
pub(super) fn holds(op: CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Equal | CompareOp::IsNotDistinctFrom => order.is_eq(),
        CompareOp::NotEqual | CompareOp::IsDistinctFrom => order.is_ne(),
        CompareOp::Less => order.is_lt(),
        CompareOp::LessEqual => order.is_le(),
        CompareOp::Greater => order.is_gt(),
        CompareOp::GreaterEqual => order.is_ge(),
    }
}
