//! SQL types: ksqlDB's thirteen base types and the nested ones.

use std::fmt;
use std::sync::Arc;

/// The type of a column or expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// `BOOLEAN`
    Boolean,
    /// `INTEGER`: 32 bits, signed
    Int,
    /// `BIGINT`: 64 bits, signed
    BigInt,
    /// `DOUBLE`: IEEE 754, 64 bits
    Double,
    /// `DECIMAL(precision, scale)`
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: u8,
    },
    /// `STRING`, also written `VARCHAR`
    String,
    /// `BYTES`
    Bytes,
    /// `DATE`
    Date,
    /// `TIME`
    Time,
    /// `TIMESTAMP`
    Timestamp,
    /// `ARRAY<item>`
    Array(Arc<DataType>),
    /// `MAP<key, value>`
    Map(Arc<DataType>, Arc<DataType>),
    /// `STRUCT<name type, …>`
    Struct(Arc<[Field]>),
}

/// One field of a STRUCT.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// As declared: upper case unless it was quoted.
    pub name: Arc<str>,
    /// The field's type.
    pub data_type: DataType,
}

impl DataType {
    /// `ARRAY<item>`
    pub fn array(item: DataType) -> Self {
        Self::Array(Arc::new(item))
    }

    /// `MAP<key, value>`
    pub fn map(key: DataType, value: DataType) -> Self {
        Self::Map(Arc::new(key), Arc::new(value))
    }

    /// `STRUCT<…>`
    pub fn structure(fields: impl IntoIterator<Item = (impl Into<Arc<str>>, DataType)>) -> Self {
        Self::Struct(
            fields.into_iter().map(|(name, data_type)| Field { name: name.into(), data_type }).collect(),
        )
    }

    /// Whether values of the type are numbers.
    pub fn is_numeric(&self) -> bool {
        matches!(self, Self::Int | Self::BigInt | Self::Double | Self::Decimal { .. })
    }

    /// Whether the type is ARRAY, MAP or STRUCT.
    pub fn is_nested(&self) -> bool {
        matches!(self, Self::Array(_) | Self::Map(..) | Self::Struct(_))
    }
}

/// As ksqlDB writes types in DESCRIBE and in result headers: `` STRUCT<`A` STRING> ``.
impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::Int => f.write_str("INTEGER"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            Self::String => f.write_str("STRING"),
            Self::Bytes => f.write_str("BYTES"),
            Self::Date => f.write_str("DATE"),
            Self::Time => f.write_str("TIME"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::Array(item) => write!(f, "ARRAY<{item}>"),
            Self::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            Self::Struct(fields) => {
                f.write_str("STRUCT<")?;
                for (i, field) in fields.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "`{}` {}", field.name.replace('`', "``"), field.data_type)?;
                }
                f.write_str(">")
            }
        }
    }
}
