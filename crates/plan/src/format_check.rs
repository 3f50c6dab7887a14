//! Which columns a format can hold.

use types::{Column, DataType};

use crate::error::{PlanError, Result};
use crate::step::FormatSpec;

/// Checks that a format can hold the columns.
pub fn check_columns(format: &FormatSpec, columns: &[&Column], is_key: bool) -> Result<()> {
    let place = if is_key { "key" } else { "value" };
    let refuse = |message: String| Err(PlanError::new("format_mismatch", message));
    match format.name.as_str() {
        "KAFKA" if columns.len() > 1 => {
            let names: Vec<&str> = columns.iter().map(|c| &*c.name).collect();
            return refuse(format!("the KAFKA format holds one {place} column, not {}", names.join(", ")))
                .map_err(|e| e.hint(format!("use {}_FORMAT='JSON'", place.to_uppercase())));
        }
        "NONE" if !columns.is_empty() => {
            return refuse(format!("the NONE format holds no {place} columns"));
        }
        _ => {}
    }
    for column in columns {
        if is_key {
            crate::check_key_type(&column.data_type)?;
        }
        if !fits(&format.name, &column.data_type) {
            return refuse(format!(
                "the {} format cannot hold column \"{}\" of type {}",
                format.name, column.name, column.data_type
            ));
        }
    }
    match (format.wrap_single, format.name.as_str()) {
        (Some(true), "DELIMITED" | "KAFKA") => {
            refuse(format!("the {} format does not support WRAP_SINGLE_VALUE=true", format.name))
        }
        _ => Ok(()),
    }
}

fn fits(format: &str, data_type: &DataType) -> bool {
    match format {
        "DELIMITED" => !data_type.is_nested(),
        "KAFKA" => matches!(
            data_type,
            DataType::Int | DataType::BigInt | DataType::Double | DataType::String | DataType::Bytes
        ),
        "JSON" => match data_type {
            DataType::Array(item) => fits(format, item),
            DataType::Map(key, value) => **key == DataType::String && fits(format, value),
            DataType::Struct(fields) => fields.iter().all(|f| fits(format, &f.data_type)),
            _ => true,
        },
        _ => true,
    }
}
