//! What a value, a type, a schema and a row are: the words every other crate speaks.
//!
//! No IO, no async, no clock.

mod cast;
mod civil;
mod compare;
mod data_type;
mod decimal;
pub mod decimal_type;
mod error;
mod iso_time;
pub mod java_time;
mod number_text;
mod ordered_row;
pub mod row;
mod schema;
mod value;
mod wide;

pub use cast::{CastError, cast, common_type, implicitly_castable, is_castable};
pub use compare::{equal, is_comparable, order};
pub use data_type::{DataType, Field};
pub use decimal::{Decimal, DecimalError, Rounding};
pub use error::{ErrorKind, EvalError};
pub use number_text::{bytes_from_base64, bytes_to_base64, double_text, parse_double};
pub use schema::{Column, Namespace, Schema};
pub use value::{Map, Text, Value};
