//! The SQL function library: scalar, aggregate and table functions.
//!
//! One function is one file under `scalar/`, `aggregate/` or `table/`; close families share one. Each
//! file tells a function's name, description and signatures (`signature.rs`) and lifts plain Rust into
//! its code (`adapter.rs`); `library.rs` finds the overload for a call. No IO.

mod adapter;
mod aggregate;
#[cfg(test)]
mod any_call;
mod function;
mod java_regex;
mod library;
mod nearest;
mod prepared;
mod registry;
mod result_size;
mod scalar;
mod signature;
mod table;
#[cfg(test)]
mod testing;

pub use function::{AggregateFunction, Function, Limits, Scalar, Table};
pub use library::{AnyFunction, FunctionKind, Library, library};
pub use registry::{
    Aggregate, AggregateCall, Arg, ArgType, FunctionDoc, FunctionError, Lambda, ParamType, ScalarCall,
    ScalarCode, TableCall, TableCode,
};
pub use result_size::{RESULT_BYTES_MAX, RESULT_ITEMS_MAX, bounded, check_bytes};
pub use signature::{Resolved, Signature};
