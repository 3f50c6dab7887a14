//! Where events come from. One source, one file.

mod file;
mod input;
mod json_values;
mod lines;
mod zeek_tsv;

pub use file::{Event, FileOptions, FileReader, Progress, ReadCounts, ReadError, ReadFault};
pub use zeek_tsv::{RowError, ZeekTsv};
