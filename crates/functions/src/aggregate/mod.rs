//! The aggregate functions: one value for a group of rows.
//!
//! The state of each is a `Value`, drawn in its file; arrays and structs in it are changed in place
//! when nobody else holds them (`state.rs`).

mod attr;
mod average;
mod by_offset;
mod collect;
mod correlation;
mod count;
mod count_distinct;
mod extremes;
mod histogram;
mod standard_deviation;
mod state;
mod sum;
mod sum_list;
mod top_k;

use crate::function::AggregateFunction;

/// Returns every aggregate function.
pub(crate) fn all() -> Vec<AggregateFunction> {
    [
        attr::functions(),
        average::functions(),
        by_offset::functions(),
        collect::functions(),
        correlation::functions(),
        count::functions(),
        count_distinct::functions(),
        extremes::functions(),
        histogram::functions(),
        standard_deviation::functions(),
        sum::functions(),
        sum_list::functions(),
        top_k::functions(),
    ]
    .concat()
}
