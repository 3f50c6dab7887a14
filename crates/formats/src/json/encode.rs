//! Rows as JSON objects: names escaped once, values written or passed through.

use types::{DataType, Value};

use super::text::write_string;

/// Writes rows of the same columns as JSON objects.
#[derive(Clone, Debug)]
pub struct ObjectEncoder {
    columns: Vec<EncodedColumn>,
}

#[derive(Clone, Debug)]
struct EncodedColumn {
    /// `,"NAME":`
    prefix: Box<[u8]>,
    data_type: DataType,
}

impl ObjectEncoder {
    /// Makes an encoder for columns of these names and types.
    pub fn new<S: AsRef<str>>(columns: &[(S, DataType)]) -> Self {
        let columns = columns.iter().map(|(name, data_type)| {
            let mut prefix = vec![b','];
            write_string(name.as_ref(), &mut prefix);
            prefix.push(b':');
            EncodedColumn { prefix: prefix.into(), data_type: data_type.clone() }
        });
        Self { columns: columns.collect() }
    }

    /// Begins an object behind what `out` has already.
    #[inline]
    pub fn begin<'a>(&'a self, out: &'a mut Vec<u8>) -> ObjectWriter<'a> {
        let start = out.len();
        ObjectWriter { columns: &self.columns, out, start }
    }

    /// Writes a whole row; columns without a value are `null`.
    pub fn write_row(&self, row: &[Value], out: &mut Vec<u8>) {
        let mut writer = self.begin(out);
        for column in 0..self.columns.len() {
            writer.push_value(column, row.get(column).unwrap_or(&Value::Null));
        }
        writer.finish();
    }
}

/// An object being written, column by column in any order, each once.
#[derive(Debug)]
pub struct ObjectWriter<'a> {
    columns: &'a [EncodedColumn],
    out: &'a mut Vec<u8>,
    start: usize,
}

impl ObjectWriter<'_> {
    /// Writes a column's value.
    ///
    /// # Panics
    /// If there is no such column.
    #[inline]
    pub fn push_value(&mut self, column: usize, value: &Value) {
        let column = &self.columns[column];
        self.out.extend_from_slice(&column.prefix);
        write_value(value, &column.data_type, self.out);
    }

    /// Writes a column as the bytes of a JSON value; see `passes_through`.
    ///
    /// # Panics
    /// If there is no such column.
    #[inline]
    pub fn push_raw(&mut self, column: usize, token: &[u8]) {
        let prefix = &*self.columns[column].prefix;
        self.out.reserve(prefix.len() + token.len());
        self.out.extend_from_slice(prefix);
        self.out.extend_from_slice(token);
    }

    /// Ends the object.
    #[inline]
    pub fn finish(self) {
        // Every column starts with a comma; the first one's place is the brace's.
        match self.out.get_mut(self.start) {
            Some(first) => *first = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }
}

/// Writes a value as ksqlDB does: Java's digits, BYTES in base64, times as numbers, NULL as `null`.
pub fn write_value(value: &Value, data_type: &DataType, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::Int(number) | Value::Date(number) | Value::Time(number) => {
            out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
        }
        Value::BigInt(number) | Value::Timestamp(number) => {
            out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
        }
        Value::Double(number) if number.is_finite() => {
            out.extend_from_slice(types::double_text(*number).as_bytes());
        }
        // JSON has no such numbers; Jackson writes them as strings.
        Value::Double(number) => write_string(&types::double_text(*number), out),
        Value::Decimal(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::String(text) => write_string(text, out),
        Value::Bytes(bytes) => write_string(&types::bytes_to_base64(bytes), out),
        Value::Array(items) => {
            let item_type = if let DataType::Array(item) = data_type { item } else { data_type };
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_value(item, item_type, out);
            }
            out.push(b']');
        }
        Value::Map(entries) => {
            let value_type = if let DataType::Map(_, value) = data_type { value } else { data_type };
            out.push(b'{');
            for (i, (key, value)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(key.as_str().unwrap_or("null"), out);
                out.push(b':');
                write_value(value, value_type, out);
            }
            out.push(b'}');
        }
        Value::Struct(values) => {
            let fields = if let DataType::Struct(fields) = data_type { &fields[..] } else { &[] };
            out.push(b'{');
            for (i, (field, value)) in fields.iter().zip(values.iter()).enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(&field.name, out);
                out.push(b':');
                write_value(value, &field.data_type, out);
            }
            out.push(b'}');
        }
    }
}
