//! The table functions: rows for each row.

mod cube_explode;
mod explode;

use crate::function::Table;

/// Returns every table function.
pub(crate) fn all() -> Vec<Table> {
    [cube_explode::functions(), explode::functions()].concat()
}
