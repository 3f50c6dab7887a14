//! Java's date patterns.
pub use crate::iso_time::{
    format_iso_date, format_iso_time, format_iso_timestamp, parse_iso_date, parse_iso_time,
    parse_iso_timestamp,
};
