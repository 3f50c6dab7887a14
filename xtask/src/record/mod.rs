//! Records of topics to rows of queries, and back.
//!
//! Knows formats and plans, no log and no test format.

mod record_time;
mod sink_encoder;
mod source_decoder;
mod windowed_key;

pub use sink_encoder::{EncodedRecord, SinkEncoder};
pub use source_decoder::{DecodeError, RawRecord, SourceDecoder};
pub use windowed_key::{join_window, split_window};
