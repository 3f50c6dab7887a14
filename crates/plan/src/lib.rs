//! Statements to plans: catalog, analysis, typed expressions, physical steps.
//!
//! No IO, no async, no clock; knows no connector and no HTTP.

mod budget;
pub mod catalog;
mod error;
mod explain;
pub mod expr;
mod format_check;
pub mod pull;
pub mod query;
pub mod scope;
mod settings;
pub mod statement;
pub mod step;
pub mod type_size;
pub mod typing;
mod walk;
pub mod with;

pub use budget::{Budget, STEPS_MAX};
pub use error::{PlanError, Result};
pub use explain::explain;
pub use settings::Settings;

use types::DataType;

/// The type of a projected expression; an untyped NULL becomes STRING.
pub(crate) fn project_type(expr: &expr::Expr) -> DataType {
    expr.data_type.clone().unwrap_or(DataType::String)
}

/// Refuses types that cannot be part of a key: maps, whose entries have no order.
pub(crate) fn check_key_type(data_type: &DataType) -> Result<()> {
    let has_map = match data_type {
        DataType::Map(..) => true,
        DataType::Array(item) => check_key_type(item).is_err(),
        DataType::Struct(fields) => fields.iter().any(|f| check_key_type(&f.data_type).is_err()),
        _ => false,
    };
    if has_map {
        return Err(PlanError::new("bad_key", format!("a key cannot contain a MAP, as {data_type} does")));
    }
    Ok(())
}

/// The candidate most like a misspelt word.
pub(crate) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    sql::nearest(word, candidates.iter().copied())
}
