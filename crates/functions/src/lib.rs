//! The SQL function library: scalar, aggregate and table functions.
//!
//! One function is one file under `scalar/`, `aggregate/` or `table/`. No IO.

<<<<<<< HEAD
mod adapter;
mod aggregate;
#[cfg(test)]
mod any_call;
mod function;
mod java_regex;
mod library;
mod nearest;
mod prepared;
=======
>>>>>>> runtime
mod registry;

pub use registry::{
    Aggregate, AggregateCall, Arg, ArgType, FunctionDoc, FunctionError, Lambda, ParamType, ScalarCall,
    ScalarCode, TableCall, TableCode,
};
