//! Bytes ⇄ values: the JSON scan that everything hot runs on, and the formats a topic can have.
//!
//! `json` finds the wanted fields of a record without building a tree and decodes one only when asked;
//! `format` holds one file per format with the general path, used for keys and whatever is not hot.

mod error;
pub mod format;
pub mod json;
mod registry;

pub use error::FormatError;
pub use format::{Columns, Deserializer, Format, Properties, Serializer};
pub use registry::{by_name, names};
