//! How large a type can be.
//!
//! A name made by CREATE TYPE stands for a whole type, and a column for the type that another query gave it, so a short
//! statement can double what was there before. Each type that is made is measured; what is inside was when it was made.

use types::DataType;

use crate::error::{PlanError, Result};

/// Levels of a type. Values can be written and read to `types::row::NESTING_MAX` levels.
pub const TYPE_HEIGHT_MAX: usize = 64;
/// Parts of a type, all its levels together.
pub const TYPE_PARTS_MAX: usize = 10_000;

/// Parts of all columns of a stream, table or result.
pub const COLUMN_PARTS_MAX: usize = 100_000;

const _: () = assert!(TYPE_HEIGHT_MAX < types::row::NESTING_MAX as usize);

/// Returns how many parts a type has, unless they or its levels are too many.
pub fn measured(data_type: &DataType) -> Result<usize> {
    let mut left = TYPE_PARTS_MAX;
    count(data_type, TYPE_HEIGHT_MAX, &mut left)?;
    Ok(TYPE_PARTS_MAX - left)
}

fn count(data_type: &DataType, levels: usize, left: &mut usize) -> Result<()> {
    let Some(levels) = levels.checked_sub(1) else {
        return Err(PlanError::new(
            "type_too_large",
            format!("type has more than the {TYPE_HEIGHT_MAX} levels allowed"),
        )
        .hint("nest its STRUCTs, ARRAYs and MAPs less deeply"));
    };
    let Some(rest) = left.checked_sub(1) else { return Err(too_many_parts()) };
    *left = rest;
    match data_type {
        DataType::Array(item) => count(item, levels, left),
        DataType::Map(key, value) => {
            count(key, levels, left)?;
            count(value, levels, left)
        }
        DataType::Struct(fields) => fields.iter().try_for_each(|field| count(&field.data_type, levels, left)),
        _ => Ok(()),
    }
}

/// Refuses columns that have too many parts together.
pub fn check_columns<'t>(columns: impl IntoIterator<Item = &'t DataType>) -> Result<()> {
    let mut parts = 0;
    columns.into_iter().try_for_each(|data_type| count_column(data_type, &mut parts))
}

/// Adds a column's parts to those of the columns before it, unless they are too many together.
pub(crate) fn count_column(data_type: &DataType, parts: &mut usize) -> Result<()> {
    *parts += measured(data_type)?;
    if *parts <= COLUMN_PARTS_MAX {
        return Ok(());
    }
    let message = format!("columns have more than the {COLUMN_PARTS_MAX} parts allowed together");
    Err(PlanError::new("too_many_columns", message)
        .hint("each column counts, and each part of its type; leave out what is not read"))
}

/// The error for a type of more than `TYPE_PARTS_MAX` parts.
pub(crate) fn too_many_parts() -> PlanError {
    PlanError::new("type_too_large", format!("type has more than the {TYPE_PARTS_MAX} parts allowed"))
        .hint("each field, item, key and value counts, also those in the types it names")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(inner: DataType) -> DataType {
        DataType::structure([("A", inner.clone()), ("B", inner)])
    }

    #[test]
    fn a_type_that_doubles_is_refused_before_all_of_it_was_seen() {
        let mut data_type = DataType::Int;
        for level in 0..60 {
            assert_eq!(measured(&data_type).is_ok(), level <= 12, "level {level}");
            data_type = pair(data_type);
        }
        let error = measured(&data_type).unwrap_err();
        assert_eq!(error.message, "type has more than the 10000 parts allowed");
    }

    #[test]
    fn levels_are_bounded() {
        let nested = |levels| (1..levels).fold(DataType::Int, |inner, _| DataType::array(inner));
        assert_eq!(measured(&nested(TYPE_HEIGHT_MAX)).unwrap(), TYPE_HEIGHT_MAX);
        assert!(measured(&nested(TYPE_HEIGHT_MAX + 1)).unwrap_err().message.contains("64 levels"));
    }
}
