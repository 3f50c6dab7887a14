//! Tables as ksqlDB's command line prints them.

mod list;
mod rows;

pub use list::ListTable;
pub use rows::{RowTable, cell_text};
