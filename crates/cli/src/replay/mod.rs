//! Events of files on their way to topics: read on one thread, sent from another, acknowledged in order.

mod answer;
mod batch;
mod clock;
mod limits;
mod reading;
mod sender;

pub use batch::{Batch, RECORDS_MAX};
pub use clock::parse_offset_ms;
pub use limits::Limits;
pub use reading::{Outcome, Plan, Read, read};
pub use sender::Sender;
