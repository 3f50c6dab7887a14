//! What a value, a type, a schema and a row are: the words every other crate speaks.
//!
//! No IO, no async, no clock.

mod cast;
mod compare;
mod data_type;
mod decimal;
mod error;
pub mod java_time;
mod number_text;
pub mod row;
mod schema;
mod value;

pub use cast::{CastError, cast, implicitly_castable};
pub use compare::{equal, is_comparable, order};
pub use data_type::{DataType, Field};
pub use decimal::{Decimal, DecimalError};
pub use error::{ErrorKind, EvalError};
pub use number_text::{bytes_from_base64, bytes_to_base64, double_text};
pub use schema::{Column, Namespace, Schema};
pub use value::{Map, Text, Value};
