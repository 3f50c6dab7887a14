//! NONE: no columns, no bytes. The key format of streams without a key.

use types::Value;

use super::{Columns, Deserializer, Format, Properties, Serializer, check_no_delimiter, column_list};
use crate::FormatError;

/// The format NONE.
#[derive(Debug)]
pub(crate) struct None;

impl Format for None {
    fn name(&self) -> &'static str {
        "NONE"
    }

    fn check(&self, columns: Columns<'_>, properties: &Properties) -> Result<(), FormatError> {
        check_no_delimiter(self, properties)?;
        if let Some(value) = properties.wrap_single_value {
            return Err(FormatError::UnsupportedWrapping { format: self.name(), value });
        }
        if columns.is_empty() {
            return Ok(());
        }
        Err(FormatError::NoColumnsOnly { columns: column_list(columns, properties.is_key) })
    }

    fn deserializer(
        &self,
        columns: Columns<'_>,
        properties: &Properties,
    ) -> Result<Box<dyn Deserializer>, FormatError> {
        self.check(columns, properties)?;
        Ok(Box::new(Self))
    }

    fn serializer(
        &self,
        columns: Columns<'_>,
        properties: &Properties,
    ) -> Result<Box<dyn Serializer>, FormatError> {
        self.check(columns, properties)?;
        Ok(Box::new(Self))
    }
}

impl Deserializer for None {
    fn deserialize(&self, _bytes: Option<&[u8]>) -> Result<Option<Vec<Value>>, FormatError> {
        Ok(Option::None)
    }
}

impl Serializer for None {
    fn serialize(&self, _row: Option<&[Value]>, _out: &mut Vec<u8>) -> Result<bool, FormatError> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use types::DataType;

    use super::*;

    #[test]
    fn columns_are_refused_as_ksqldb_says() {
        let columns = [("K".into(), DataType::String)];
        let error = None.check(&columns, &Properties { is_key: true, ..Properties::default() });
        assert_eq!(
            error.unwrap_err().to_string(),
            "The 'NONE' format can only be used when no columns are defined. Got: [`K` STRING KEY]"
        );
    }

    #[test]
    fn whatever_comes_is_no_row() {
        let deserializer = None.deserializer(&[], &Properties::default()).unwrap();
        assert_eq!(deserializer.deserialize(Some(b"x")), Ok(Option::None));
        let serializer = None.serializer(&[], &Properties::default()).unwrap();
        assert_eq!(serializer.serialize(Some(&[]), &mut Vec::new()), Ok(false));
    }
}
