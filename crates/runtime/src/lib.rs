//! Running a query: expressions, operators and tasks.
//!
//! A task is one query's steps on one partition: single-threaded, no IO, no clock. Records go in one by one and
//! all their consequences come out before the next one is taken.

mod change;
mod codec;
mod dispatch;
mod error;
pub mod eval;
mod fused;
mod operator;
mod sink;
mod source;
mod task;
#[cfg(test)]
mod testing;
mod view;

pub use change::{Emitted, ErrorReason, Output, RowError, SourceRecord};
pub use dispatch::Dispatch;
pub use error::TaskError;
pub use eval::{Columns, Compiled, JsonLayout, JsonRow, Row, compile};
pub use fused::Fused;
pub use sink::{EncodeError, Encoded, SinkEncoder, partition_of};
pub use source::{DecodeError, Header as SourceHeader, RawRecord, SourceBlock, SourceDecoder, SourceError};
pub use state::Options as StoreOptions;
pub use task::{Counters, Task, TaskOptions};
pub use view::{MaterializedView, ViewRow};
