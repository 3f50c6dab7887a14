//! Statements to plans: catalog, analysis, typed expressions, physical steps.
//!
//! No IO, no async, no clock; knows no connector and no HTTP.

pub mod expr;
pub mod step;
