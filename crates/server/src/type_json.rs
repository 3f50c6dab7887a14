//! Types as ksqlDB describes them: `{"type":"ARRAY","fields":null,"memberSchema":{…}}`.

use types::{Column, DataType, Namespace};

use crate::json::{self, Members};

/// Appends the description of a type.
pub fn push_type(out: &mut Vec<u8>, data_type: &DataType) {
    json::push_object(out, |o| {
        o.text("type", base_name(data_type));
        match data_type {
            DataType::Struct(fields) => o.objects("fields", fields.iter(), |o, field| {
                o.text("name", &field.name);
                push_type(o.name("schema"), &field.data_type);
            }),
            _ => o.null("fields"),
        }
        match data_type {
            DataType::Array(member) | DataType::Map(_, member) => push_type(o.name("memberSchema"), member),
            _ => o.null("memberSchema"),
        }
        if let DataType::Decimal { precision, scale } = data_type {
            o.object("parameters", |o| {
                o.plain("precision", precision);
                o.plain("scale", scale);
            });
        }
    });
}

/// Writes a column of a source or result: name, type and where it lives.
pub fn column(o: &mut Members<'_>, column: &Column) {
    o.text("name", &column.name);
    push_type(o.name("schema"), &column.data_type);
    match &column.namespace {
        Namespace::Key => o.text("type", "KEY"),
        Namespace::Value => {}
        Namespace::Header(key) => {
            o.text("type", "HEADER");
            if let Some(key) = key {
                o.text("headerKey", key);
            }
        }
    }
}

fn base_name(data_type: &DataType) -> &'static str {
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
