//! JSON: an object with a field for each column, or the bare value of a single column.
//!
//! Where speed counts, records are read with `json::Scanner` and written with `json::ObjectEncoder`; this
//! is the same for one record at a time, without memory of key order.

use std::sync::Arc;

use types::{DataType, Field, Value};

use super::{
    Columns, Deserializer, Format, NoneFormat, Properties, Serializer, check_no_delimiter, check_row,
};
use crate::FormatError;
use crate::json::{Kind, ObjectEncoder, decode, scan_value, write_value};

/// The format JSON.
#[derive(Debug)]
pub(crate) struct Json;

/// The shape of a record.
#[derive(Debug)]
enum JsonSerde {
    /// The bare value.
    Single(DataType),
    /// An object.
    Object { columns: DataType, count: usize, encoder: ObjectEncoder },
}

impl JsonSerde {
    fn new(columns: Columns<'_>, properties: &Properties) -> Result<Self, FormatError> {
        Json.check(columns, properties)?;
        let wrapped = properties.wrap_single_value.unwrap_or(!properties.is_key);
        if let [(_, data_type)] = columns
            && !wrapped
        {
            return Ok(Self::Single(data_type.clone()));
        }
        let fields: Arc<[Field]> = columns
            .iter()
            .map(|(name, data_type)| Field { name: name.clone(), data_type: data_type.clone() })
            .collect();
        Ok(Self::Object {
            columns: DataType::Struct(fields),
            count: columns.len(),
            encoder: ObjectEncoder::new(columns),
        })
    }
}

/// Whether all maps inside have keys that JSON can write.
fn has_string_keys(data_type: &DataType) -> bool {
    match data_type {
        DataType::Array(item) => has_string_keys(item),
        DataType::Map(key, value) => **key == DataType::String && has_string_keys(value),
        DataType::Struct(fields) => fields.iter().all(|field| has_string_keys(&field.data_type)),
        _ => true,
    }
}

impl Format for Json {
    fn name(&self) -> &'static str {
        "JSON"
    }

    fn check(&self, columns: Columns<'_>, properties: &Properties) -> Result<(), FormatError> {
        check_no_delimiter(self, properties)?;
        if properties.wrap_single_value.is_some() && columns.len() != 1 {
            return Err(FormatError::WrappingOfManyColumns);
        }
        if !columns.iter().all(|(_, data_type)| has_string_keys(data_type)) {
            return Err(FormatError::MapKeyNotString);
        }
        Ok(())
    }

    fn deserializer(
        &self,
        columns: Columns<'_>,
        properties: &Properties,
    ) -> Result<Box<dyn Deserializer>, FormatError> {
        if properties.is_key && columns.is_empty() {
            return Ok(Box::new(NoneFormat));
        }
        Ok(Box::new(JsonSerde::new(columns, properties)?))
    }

    fn serializer(
        &self,
        columns: Columns<'_>,
        properties: &Properties,
    ) -> Result<Box<dyn Serializer>, FormatError> {
        if properties.is_key && columns.is_empty() {
            return Ok(Box::new(NoneFormat));
        }
        Ok(Box::new(JsonSerde::new(columns, properties)?))
    }
}

impl Deserializer for JsonSerde {
    fn deserialize(&self, bytes: Option<&[u8]>) -> Result<Option<Vec<Value>>, FormatError> {
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        let slot = scan_value(bytes)?;
        if slot.kind == Kind::Null {
            return Ok(None);
        }
        let data_type = match self {
            Self::Single(data_type) => return Ok(Some(vec![decode(bytes, slot, data_type)?])),
            Self::Object { columns, .. } => columns,
        };
        match decode(bytes, slot, data_type)? {
            Value::Struct(row) => Ok(Some(Arc::unwrap_or_clone(row))),
            _ => Ok(None),
        }
    }
}

impl Serializer for JsonSerde {
    fn serialize(&self, row: Option<&[Value]>, out: &mut Vec<u8>) -> Result<bool, FormatError> {
        let Some(row) = row else {
            return Ok(false);
        };
        match self {
            Self::Single(data_type) => {
                check_row(row, 1)?;
                // As in ksqlDB a bare NULL is no record value at all, not the text `null`.
                if row[0].is_null() {
                    return Ok(false);
                }
                write_value(&row[0], data_type, out);
            }
            Self::Object { count, encoder, .. } => {
                check_row(row, *count)?;
                encoder.write_row(row, out);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(columns: &[(&str, DataType)]) -> Vec<(Arc<str>, DataType)> {
        columns.iter().map(|(name, data_type)| ((*name).into(), data_type.clone())).collect()
    }

    fn read(columns: Columns<'_>, properties: &Properties, text: &str) -> Result<Option<Vec<Value>>, String> {
        let deserializer = Json.deserializer(columns, properties).map_err(|error| error.to_string())?;
        deserializer.deserialize(Some(text.as_bytes())).map_err(|error| error.to_string())
    }

    fn write(columns: Columns<'_>, properties: &Properties, row: &[Value]) -> Option<String> {
        let mut out = Vec::new();
        let is_some = Json.serializer(columns, properties).unwrap().serialize(Some(row), &mut out).unwrap();
        is_some.then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_single_key_is_bare_and_a_single_value_is_wrapped() {
        let columns = columns(&[("K", DataType::Double)]);
        let key = Properties { is_key: true, ..Properties::default() };
        assert_eq!(read(&columns, &key, "654.321"), Ok(Some(vec![Value::Double(654.321)])));
        assert_eq!(write(&columns, &key, &[Value::Double(1e10)]).unwrap(), "1.0E10");
        let value = Properties::default();
        assert_eq!(read(&columns, &value, r#"{"k":1}"#), Ok(Some(vec![Value::Double(1.0)])));
        assert_eq!(write(&columns, &value, &[Value::Null]).unwrap(), r#"{"K":null}"#);
        assert!(read(&columns, &value, "1").is_err());
    }

    #[test]
    fn wrap_single_value_false_makes_a_value_bare() {
        let columns = columns(&[("V", DataType::array(DataType::String))]);
        let bare = Properties { wrap_single_value: Some(false), ..Properties::default() };
        let row = vec![Value::array(vec![Value::text("1"), Value::Null])];
        assert_eq!(read(&columns, &bare, "[1, null]"), Ok(Some(row.clone())));
        assert_eq!(write(&columns, &bare, &row).unwrap(), r#"["1",null]"#);
        assert_eq!(read(&columns, &bare, "null"), Ok(None));
        assert_eq!(write(&columns, &bare, &[Value::Null]), None);
    }

    #[test]
    fn several_key_columns_are_an_object() {
        let columns = columns(&[("A", DataType::Int), ("B", DataType::String)]);
        let key = Properties { is_key: true, ..Properties::default() };
        let row = vec![Value::Int(1), Value::text("x")];
        assert_eq!(write(&columns, &key, &row).unwrap(), r#"{"A":1,"B":"x"}"#);
        assert_eq!(read(&columns, &key, r#"{"b":"x","a":1,"c":2}"#), Ok(Some(row)));
    }

    #[test]
    fn a_key_without_columns_is_no_key() {
        let key = Properties { is_key: true, ..Properties::default() };
        assert_eq!(read(&[], &key, "1"), Ok(None));
        assert_eq!(write(&[], &key, &[]), None);
        assert_eq!(write(&[], &Properties::default(), &[]).unwrap(), "{}");
    }

    #[test]
    fn a_wrong_field_is_named() {
        let columns = columns(&[("S", DataType::structure([("F", DataType::array(DataType::Int))]))]);
        let error = read(&columns, &Properties::default(), r#"{"S":{"F":[1,true]}}"#).unwrap_err();
        assert_eq!(error, "cannot convert JSON boolean to INTEGER at \"$.S.F[1]\"");
    }

    #[test]
    fn what_json_cannot_do_is_refused() {
        let map = columns(&[("M", DataType::array(DataType::map(DataType::Int, DataType::Int)))]);
        let refused = |columns: Columns<'_>, properties| Json.check(columns, &properties).unwrap_err();
        assert_eq!(refused(&map, Properties::default()), FormatError::MapKeyNotString);
        let delimiter = Properties { delimiter: Some(",".into()), ..Properties::default() };
        assert_eq!(
            refused(&[], delimiter).to_string(),
            "JSON does not support the following configs: [delimiter]"
        );
        let wrap = Properties { wrap_single_value: Some(true), ..Properties::default() };
        let two = columns(&[("A", DataType::Int), ("B", DataType::Int)]);
        assert_eq!(refused(&two, wrap), FormatError::WrappingOfManyColumns);
    }
}
