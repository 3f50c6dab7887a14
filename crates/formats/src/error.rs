//! What can go wrong between bytes and values.
//!
//! The texts about a statement's formats are ksqlDB's own, as people search for them and the conformance
//! cases compare them; those about a record are ours.

use types::ErrorKind;

use crate::json::{DecodeError, ScanError};

/// An error of a format: of the statement that chose it, or of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// No format has that name.
    #[error("Unknown format: {name}")]
    UnknownFormat {
        /// As written.
        name: String,
    },
    /// A format of ksqlDB that is not built yet.
    #[error("format '{name}' is not supported yet, use {instead} instead")]
    NotSupportedYet {
        /// The format.
        name: &'static str,
        /// What serves meanwhile.
        instead: &'static str,
    },
    /// The format has no way to write such a type.
    #[error("The '{format}' format does not support type '{base_type}', column: `{column}`")]
    UnsupportedType {
        /// The format.
        format: &'static str,
        /// The type without its parameters.
        base_type: &'static str,
        /// The column that has it.
        column: String,
    },
    /// JSON keys are strings.
    #[error("JSON only supports MAP types with STRING keys")]
    MapKeyNotString,
    /// KAFKA has room for one column.
    #[error("The 'KAFKA' format only supports a single field. Got: [{columns}]")]
    SingleColumnOnly {
        /// The columns with their types.
        columns: String,
    },
    /// NONE has room for no column.
    #[error("The 'NONE' format can only be used when no columns are defined. Got: [{columns}]")]
    NoColumnsOnly {
        /// The columns with their types.
        columns: String,
    },
    /// The format has no such property.
    #[error("{format} does not support the following configs: [{property}]")]
    UnsupportedProperty {
        /// The format.
        format: &'static str,
        /// The property.
        property: &'static str,
    },
    /// WRAP_SINGLE_VALUE is not for this format.
    #[error("Format '{format}' does not support 'WRAP_SINGLE_VALUE' set to '{value}'.")]
    UnsupportedWrapping {
        /// The format.
        format: &'static str,
        /// The value asked for.
        value: bool,
    },
    /// WRAP_SINGLE_VALUE is for one column.
    #[error("'WRAP_SINGLE_VALUE' is only valid for single-field value schemas")]
    WrappingOfManyColumns,
    /// The delimiter is no character.
    #[error(
        "Invalid delimiter value: '{delimiter}'. Delimiter must be a single character or TAB,SPACE\n\
         Example valid value: ';'"
    )]
    InvalidDelimiter {
        /// As written.
        delimiter: String,
    },
    /// The delimiter is empty or blank.
    #[error(
        "Delimiter cannot be empty, if you meant to have a tab or space for delimiter, please use the \
         special values 'TAB' or 'SPACE'\nExample valid value: ';'"
    )]
    EmptyDelimiter,
    /// The record is not JSON.
    #[error(transparent)]
    MalformedJson(#[from] ScanError),
    /// A field of a JSON record does not fit its column.
    #[error(transparent)]
    Json(#[from] DecodeError),
    /// The record has not one field for each column.
    #[error("Unexpected field count, csvFields:{found} schemaFields:{expected}")]
    FieldCount {
        /// Fields of the record.
        found: usize,
        /// Columns.
        expected: usize,
    },
    /// The record is empty or has only line ends.
    #[error("no fields in record")]
    NoFields,
    /// A quote is open at the end, or something follows a closed one.
    #[error("malformed quoted field at byte {offset}")]
    MalformedQuote {
        /// Where the field begins.
        offset: usize,
    },
    /// The bytes are not text.
    #[error("invalid UTF-8 at byte {offset}")]
    InvalidUtf8 {
        /// The first byte that is wrong.
        offset: usize,
    },
    /// A field's text is not of its column's type.
    #[error("cannot convert the text of column \"{column}\" to {data_type}")]
    InvalidText {
        /// The column.
        column: String,
        /// Its type.
        data_type: types::DataType,
    },
    /// A record has not the length its type has.
    #[error("size of data received for {data_type} is {found} bytes, not {expected}")]
    WrongLength {
        /// The column's type.
        data_type: types::DataType,
        /// Bytes of the record.
        found: usize,
        /// Bytes of the type.
        expected: usize,
    },
    /// A row has not the columns the format was made for: an error of ours.
    #[error("row does not have the {expected} columns of the format")]
    WrongRow {
        /// Columns of the format.
        expected: usize,
    },
}

impl FormatError {
    /// Returns who has to act on the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownFormat { .. }
            | Self::NotSupportedYet { .. }
            | Self::UnsupportedType { .. }
            | Self::MapKeyNotString
            | Self::SingleColumnOnly { .. }
            | Self::NoColumnsOnly { .. }
            | Self::UnsupportedProperty { .. }
            | Self::UnsupportedWrapping { .. }
            | Self::WrappingOfManyColumns
            | Self::InvalidDelimiter { .. }
            | Self::EmptyDelimiter => ErrorKind::User,
            Self::MalformedJson(_)
            | Self::Json(_)
            | Self::FieldCount { .. }
            | Self::NoFields
            | Self::MalformedQuote { .. }
            | Self::InvalidUtf8 { .. }
            | Self::InvalidText { .. }
            | Self::WrongLength { .. } => ErrorKind::Data,
            Self::WrongRow { .. } => ErrorKind::Internal,
        }
    }
}
