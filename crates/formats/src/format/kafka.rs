//! KAFKA: one primitive column as Kafka's own serializers have it: numbers big-endian, text as UTF-8.

use types::{DataType, Value};

use super::{
    Columns, Deserializer, Format, Properties, Serializer, check_no_delimiter, check_row,
    check_unwrapped_only, column_list, unsupported_type, utf8,
};
use crate::FormatError;

/// The format KAFKA.
#[derive(Debug)]
pub(crate) struct Kafka;

/// The column, if there is one.
#[derive(Debug)]
struct KafkaSerde(Option<DataType>);

impl Format for Kafka {
    fn name(&self) -> &'static str {
        "KAFKA"
    }

    fn check(&self, columns: Columns<'_>, properties: &Properties) -> Result<(), FormatError> {
        check_no_delimiter(self, properties)?;
        check_unwrapped_only(self, properties)?;
        let supported = |data_type: &DataType| {
            use DataType::{BigInt, Bytes, Double, Int, String};
            matches!(data_type, Int | BigInt | Double | String | Bytes)
        };
        if let Some(column) = columns.iter().find(|(_, data_type)| !supported(data_type)) {
            return Err(unsupported_type(self, column));
        }
        if columns.len() > 1 {
            return Err(FormatError::SingleColumnOnly { columns: column_list(columns, properties.is_key) });
        }
        Ok(())
    }

    fn deserializer(
        &self,
        columns: Columns<'_>,
        properties: &Properties,
    ) -> Result<Box<dyn Deserializer>, FormatError> {
        self.check(columns, properties)?;
        Ok(Box::new(KafkaSerde(columns.first().map(|(_, data_type)| data_type.clone()))))
    }

    fn serializer(
        &self,
        columns: Columns<'_>,
        properties: &Properties,
    ) -> Result<Box<dyn Serializer>, FormatError> {
        self.check(columns, properties)?;
        Ok(Box::new(KafkaSerde(columns.first().map(|(_, data_type)| data_type.clone()))))
    }
}

/// The bytes of a number of fixed size.
fn fixed<const N: usize>(bytes: &[u8], data_type: &DataType) -> Result<[u8; N], FormatError> {
    bytes.try_into().map_err(|_| FormatError::WrongLength {
        data_type: data_type.clone(),
        found: bytes.len(),
        expected: N,
    })
}

impl Deserializer for KafkaSerde {
    fn deserialize(&self, bytes: Option<&[u8]>) -> Result<Option<Vec<Value>>, FormatError> {
        let (Some(bytes), Some(data_type)) = (bytes, &self.0) else {
            return Ok(None);
        };
        let value = match data_type {
            DataType::Int => Value::Int(i32::from_be_bytes(fixed(bytes, data_type)?)),
            DataType::BigInt => Value::BigInt(i64::from_be_bytes(fixed(bytes, data_type)?)),
            DataType::Double => Value::Double(f64::from_be_bytes(fixed(bytes, data_type)?)),
            DataType::Bytes => Value::bytes(bytes),
            _ => Value::text(utf8(bytes)?),
        };
        Ok(Some(vec![value]))
    }
}

impl Serializer for KafkaSerde {
    fn serialize(&self, row: Option<&[Value]>, out: &mut Vec<u8>) -> Result<bool, FormatError> {
        let Some(row) = row else {
            return Ok(false);
        };
        check_row(row, usize::from(self.0.is_some()))?;
        match row.first() {
            None | Some(Value::Null) => return Ok(false),
            Some(Value::Int(number)) => out.extend_from_slice(&number.to_be_bytes()),
            Some(Value::BigInt(number)) => out.extend_from_slice(&number.to_be_bytes()),
            Some(Value::Double(number)) => out.extend_from_slice(&number.to_be_bytes()),
            Some(Value::String(text)) => out.extend_from_slice(text.as_bytes()),
            Some(Value::Bytes(bytes)) => out.extend_from_slice(bytes),
            Some(_) => return Err(FormatError::WrongRow { expected: 1 }),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data_type: DataType, value: Value, bytes: &[u8]) {
        let columns = [("V".into(), data_type)];
        let mut out = Vec::new();
        let serializer = Kafka.serializer(&columns, &Properties::default()).unwrap();
        assert_eq!(serializer.serialize(Some(std::slice::from_ref(&value)), &mut out), Ok(true));
        assert_eq!(out, bytes);
        let deserializer = Kafka.deserializer(&columns, &Properties::default()).unwrap();
        assert_eq!(deserializer.deserialize(Some(bytes)), Ok(Some(vec![value])));
        assert_eq!(deserializer.deserialize(None), Ok(None));
        assert_eq!(serializer.serialize(Some(&[Value::Null]), &mut out), Ok(false));
    }

    #[test]
    fn primitives_are_as_kafka_writes_them() {
        check(DataType::Int, Value::Int(-2), &[0xff, 0xff, 0xff, 0xfe]);
        check(DataType::BigInt, Value::BigInt(258), &[0, 0, 0, 0, 0, 0, 1, 2]);
        check(DataType::Double, Value::Double(1.0), &[0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
        check(DataType::String, Value::text("né"), "né".as_bytes());
        check(DataType::Bytes, Value::bytes([0, 255]), &[0, 255]);
    }

    #[test]
    fn a_number_of_another_length_is_an_error() {
        let columns = [("V".into(), DataType::Int)];
        let deserializer = Kafka.deserializer(&columns, &Properties::default()).unwrap();
        let error = deserializer.deserialize(Some(b"12345")).unwrap_err();
        assert_eq!(error.to_string(), "size of data received for INTEGER is 5 bytes, not 4");
    }

    #[test]
    fn what_kafka_cannot_write_is_refused() {
        let check =
            |columns: Columns<'_>| Kafka.check(columns, &Properties::default()).unwrap_err().to_string();
        assert_eq!(
            check(&[("A".into(), DataType::array(DataType::Int))]),
            "The 'KAFKA' format does not support type 'ARRAY', column: `A`"
        );
        assert_eq!(
            check(&[("A".into(), DataType::Int), ("B".into(), DataType::String)]),
            "The 'KAFKA' format only supports a single field. Got: [`A` INTEGER, `B` STRING]"
        );
    }
}
