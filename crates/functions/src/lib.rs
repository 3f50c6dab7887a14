//! The SQL function library: scalar, aggregate and table functions.
//!
//! One function is one file under `scalar/`, `aggregate/` or `table/`. No IO.

mod registry;

pub use registry::{
    Aggregate, AggregateCall, Arg, ArgType, FunctionDoc, FunctionError, Lambda, ParamType, ScalarCall,
    ScalarCode, TableCall, TableCode,
};
