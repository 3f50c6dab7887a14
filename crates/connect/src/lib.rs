//! The outside world: events come in from files, and a generated network stands in for a real one.
//!
//! Everything here yields JSON texts and leaves their meaning to the reader. Nothing here looks at the clock:
//! pacing takes the present moment as an argument, generated events take a seed.

pub mod generate;
pub mod pace;
pub mod source;
pub mod story;
pub mod timestamp;

mod json;
mod random;

pub use pace::{Pace, Speed};
pub use source::{Event, FileOptions, FileReader, Progress, ReadCounts, ReadError, ReadFault};
pub use story::{Expectations, Story, StoryEvent};
pub use timestamp::{TimeError, TimeField, parse_time_ms};
