//! What a value, a type, a schema and a row are: the words every other crate speaks.
//!
//! No IO, no async, no clock.

mod data_type;
mod decimal;
pub mod decimal_type;
mod error;
mod number_text;
mod schema;
mod value;
mod wide;

pub use data_type::{DataType, Field};
pub use decimal::{Decimal, DecimalError, Rounding};
pub use error::{ErrorKind, EvalError};
pub use number_text::{bytes_from_base64, bytes_to_base64, double_text, parse_double};
pub use schema::{Column, Namespace, Schema};
pub use value::{Map, Text, Value};
