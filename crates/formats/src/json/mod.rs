//! JSON, read by finding slices instead of building a tree, and written from columns.
//!
//! `Scanner` validates a record and gives a `Slot` per wanted column; `decode` turns one slot into a
//! value; `ObjectEncoder` writes a row, passing untouched input through as bytes.

mod block;
mod decode;
mod encode;
mod error;
mod key_order;
mod lexer;
mod number;
mod pass_through;
mod projection;
mod scan;
mod text;
mod walk;

pub use decode::{
    DecodeError, DecodeReason, decode, decode_onto, slot_bool, slot_f64, slot_i64, slot_str, slot_text,
};
pub use encode::{ObjectEncoder, ObjectWriter, write_value};
pub use error::{Reason, ScanError};
pub use lexer::DEPTH_MAX;
pub(crate) use number::decimal as decimal_from_text;
pub use pass_through::{RecordWriter, passes_through};
pub use projection::{PATH_LEN_MAX, PATHS_MAX, Projection, ProjectionError};
pub use scan::{Kind, Scanner, Slot, Top, scan_value};
pub use walk::{Json, push_string};
