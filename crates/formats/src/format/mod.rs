//! What a format is, and the general path from bytes to values and back: for keys and whatever is not hot.
//!
//! One file a format; `registry` knows their names.

mod delimited;
mod json;
mod kafka;
mod none;

use std::sync::Arc;

use types::{DataType, Value};

use crate::FormatError;

pub(crate) use {delimited::Delimited, json::Json, kafka::Kafka, none::None as NoneFormat};

/// The columns a format reads or writes, in their order: those of the key or those of the value.
pub type Columns<'a> = &'a [(Arc<str>, DataType)];

/// What a statement says about a format besides its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// KEY_DELIMITER or VALUE_DELIMITER: a character, `SPACE` or `TAB`.
    pub delimiter: Option<String>,
    /// WRAP_SINGLE_VALUE: whether a single column is a field of an object. By default a value is and a
    /// key is not.
    pub wrap_single_value: Option<bool>,
    /// Whether the columns are those of the key.
    pub is_key: bool,
}

/// A way to have columns as bytes.
pub trait Format: Send + Sync + std::fmt::Debug {
    /// Returns the name in upper case, as in `VALUE_FORMAT='JSON'`.
    fn name(&self) -> &'static str;

    /// Checks that the format can do these columns with these properties.
    fn check(&self, columns: Columns<'_>, properties: &Properties) -> Result<(), FormatError>;

    /// Returns whether the format has the property `delimiter`.
    fn has_delimiter(&self) -> bool {
        false
    }

    /// Makes what turns bytes into rows.
    fn deserializer(
        &self,
        columns: Columns<'_>,
        properties: &Properties,
    ) -> Result<Box<dyn Deserializer>, FormatError>;

    /// Makes what turns rows into bytes.
    fn serializer(
        &self,
        columns: Columns<'_>,
        properties: &Properties,
    ) -> Result<Box<dyn Serializer>, FormatError>;
}

/// Turns the key or value of records into rows.
pub trait Deserializer: Send + Sync + std::fmt::Debug {
    /// Returns one value a column; `None` if the record has no key or value.
    fn deserialize(&self, bytes: Option<&[u8]>) -> Result<Option<Vec<Value>>, FormatError>;
}

/// Turns rows into the key or value of records.
pub trait Serializer: Send + Sync + std::fmt::Debug {
    /// Writes a row behind what `out` has already; returns whether the record has the key or value at
    /// all. After an error `out` is as before.
    fn serialize(&self, row: Option<&[Value]>, out: &mut Vec<u8>) -> Result<bool, FormatError>;
}

/// The type without its parameters, as messages name it.
fn base_type(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "BOOLEAN",
        DataType::Int => "INTEGER",
        DataType::BigInt => "BIGINT",
        DataType::Double => "DOUBLE",
        DataType::Decimal { .. } => "DECIMAL",
        DataType::String => "STRING",
        DataType::Bytes => "BYTES",
        DataType::Date => "DATE",
        DataType::Time => "TIME",
        DataType::Timestamp => "TIMESTAMP",
        DataType::Array(_) => "ARRAY",
        DataType::Map(..) => "MAP",
        DataType::Struct(_) => "STRUCT",
    }
}

fn unsupported_type(format: &dyn Format, (column, data_type): &(Arc<str>, DataType)) -> FormatError {
    FormatError::UnsupportedType {
        format: format.name(),
        base_type: base_type(data_type),
        column: column.to_string(),
    }
}

/// The columns as messages list them: `` `K` STRING KEY, `V` INTEGER KEY ``.
fn column_list(columns: Columns<'_>, is_key: bool) -> String {
    let key = if is_key { " KEY" } else { "" };
    let columns = columns.iter().map(|(name, data_type)| format!("`{name}` {data_type}{key}"));
    columns.collect::<Vec<_>>().join(", ")
}

fn check_no_delimiter(format: &dyn Format, properties: &Properties) -> Result<(), FormatError> {
    match properties.delimiter {
        Some(_) => Err(FormatError::UnsupportedProperty { format: format.name(), property: "delimiter" }),
        None => Ok(()),
    }
}

fn check_unwrapped_only(format: &dyn Format, properties: &Properties) -> Result<(), FormatError> {
    match properties.wrap_single_value {
        Some(true) => Err(FormatError::UnsupportedWrapping { format: format.name(), value: true }),
        _ => Ok(()),
    }
}

fn check_row(row: &[Value], expected: usize) -> Result<(), FormatError> {
    if row.len() == expected { Ok(()) } else { Err(FormatError::WrongRow { expected }) }
}

fn utf8(bytes: &[u8]) -> Result<&str, FormatError> {
    std::str::from_utf8(bytes).map_err(|error| FormatError::InvalidUtf8 { offset: error.valid_up_to() })
}
