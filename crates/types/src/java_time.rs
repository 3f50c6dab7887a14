//! Java's `DateTimeFormatter` patterns for DATE, TIME and TIMESTAMP, time zones and calendar arithmetic.
//!
//! A pattern is literals, fields (a letter repeated) and optional sections. Reading ignores case and
//! fills in what a pattern lacks: 1970-01-01, midnight, the given zone. As in Java's default mode, day 31
//! of a shorter month is its last day. Names are English; weeks are ISO weeks.

mod arithmetic;
mod names;
mod print;
mod read;
mod zone;

use jiff::tz::TimeZone;

pub use self::arithmetic::{Unit, add_to_date, add_to_time, add_to_timestamp};
pub use self::zone::zone;
use crate::Text;
use crate::civil::DAY_MS;
pub use crate::iso_time::{
    format_iso_date, format_iso_time, format_iso_timestamp, parse_iso_date, parse_iso_time,
    parse_iso_timestamp,
};

/// Bytes a pattern may have.
pub const PATTERN_BYTES_MAX: usize = 1024;

/// Optional sections within each other.
const SECTIONS_MAX: usize = 8;

/// Times a letter may be repeated.
const LETTERS_MAX: usize = 19;

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The letter means nothing, or not as often as it was repeated.
    #[error("date pattern has unknown letter '{0}' or too many of it")]
    Letter(char),
    /// A quote or an optional section is not closed, or not opened.
    #[error("date pattern has an unmatched '{0}'")]
    Unmatched(char),
    /// The pattern is longer than [`PATTERN_BYTES_MAX`] or nested too deeply.
    #[error("date pattern is too long")]
    TooLong,
}

/// Why a time could not be read or printed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text is not as the pattern says.
    #[error("text does not match the date pattern at character {0}")]
    Mismatch(usize),
    /// A field is out of range, or two contradict each other.
    #[error("date or time does not exist")]
    Invalid,
    /// A DATE has no hours, a TIME no days.
    #[error("date pattern letter '{0}' does not fit the type")]
    Field(char),
    /// The time is beyond the years the time zone is known for, or beyond the type.
    #[error("date or time is out of range")]
    OutOfRange,
    /// There is no such time zone.
    #[error("time zone \"{0}\" is unknown")]
    Zone(String),
}

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    items: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Literal(String),
    Field(char, usize),
    Optional(Vec<Item>),
}

impl Pattern {
    /// Reads a pattern such as `yyyy-MM-dd'T'HH:mm:ss[.SSS]X`.
    pub fn parse(pattern: &str) -> Result<Self, PatternError> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong);
        }
        let mut chars = pattern.chars().peekable();
        let mut open: Vec<Vec<Item>> = Vec::new();
        let mut items = Vec::new();
        while let Some(c) = chars.next() {
            match c {
                '\'' => push_literal(&mut items, &quoted(&mut chars)?),
                '[' if open.len() == SECTIONS_MAX => return Err(PatternError::TooLong),
                '[' => open.push(std::mem::take(&mut items)),
                ']' => {
                    let outer = open.pop().ok_or(PatternError::Unmatched(']'))?;
                    let section = std::mem::replace(&mut items, outer);
                    items.push(Item::Optional(section));
                }
                '{' | '}' | '#' => return Err(PatternError::Letter(c)),
                'a'..='z' | 'A'..='Z' => {
                    let mut count = 1;
                    while chars.next_if_eq(&c).is_some() {
                        count += 1;
                    }
                    if count > letters_max(c) || (c == 'V' && count != 2) {
                        return Err(PatternError::Letter(c));
                    }
                    items.push(Item::Field(c, count));
                }
                _ => push_literal(&mut items, c.encode_utf8(&mut [0; 4])),
            }
        }
        // Java closes open sections at the end of the pattern.
        while let Some(outer) = open.pop() {
            let section = std::mem::replace(&mut items, outer);
            items.push(Item::Optional(section));
        }
        Ok(Self { items })
    }

    /// Returns the TIMESTAMP as the clocks of `zone` show it.
    pub fn format_timestamp(&self, ms: i64, zone: &TimeZone) -> Result<Text, TimeError> {
        let place = zone::place_at(zone, ms)?;
        let local = ms.checked_add(place.offset_s * 1000).ok_or(TimeError::OutOfRange)?;
        let parts = print::Parts {
            days: Some(local.div_euclid(DAY_MS)),
            time_ms: Some(local.rem_euclid(DAY_MS)),
            place: Some(place),
        };
        print::print(&self.items, &parts)
    }

    /// Returns the DATE, in days since 1970-01-01, as text.
    pub fn format_date(&self, days: i32) -> Result<Text, TimeError> {
        print::print(&self.items, &print::Parts { days: Some(days.into()), time_ms: None, place: None })
    }

    /// Returns the TIME, in milliseconds since midnight, as text.
    pub fn format_time(&self, ms: i32) -> Result<Text, TimeError> {
        let time_ms = Some(i64::from(ms).rem_euclid(DAY_MS));
        print::print(&self.items, &print::Parts { days: None, time_ms, place: None })
    }

    /// Returns the milliseconds since the epoch; a text without zone is in `default_zone`.
    pub fn parse_timestamp(&self, text: &str, default_zone: &TimeZone) -> Result<i64, TimeError> {
        let fields = read::read(&self.items, text)?;
        let local = fields.days()?.checked_mul(DAY_MS).and_then(|ms| ms.checked_add(fields.time_ms().ok()?));
        let local = local.ok_or(TimeError::Invalid)?;
        match (fields.offset_s, &fields.zone) {
            (Some(offset_s), _) => local.checked_sub(offset_s * 1000).ok_or(TimeError::OutOfRange),
            (None, Some(zone)) => zone::to_utc(zone, local),
            (None, None) => zone::to_utc(default_zone, local),
        }
    }

    /// Returns the days since 1970-01-01.
    pub fn parse_date(&self, text: &str) -> Result<i32, TimeError> {
        let days = read::read(&self.items, text)?.days()?;
        i32::try_from(days).map_err(|_| TimeError::OutOfRange)
    }

    /// Returns the milliseconds since midnight.
    pub fn parse_time(&self, text: &str) -> Result<i32, TimeError> {
        Ok(read::read(&self.items, text)?.time_ms()? as i32)
    }
}

fn push_literal(items: &mut Vec<Item>, text: &str) {
    match items.last_mut() {
        Some(Item::Literal(literal)) => literal.push_str(text),
        _ => items.push(Item::Literal(text.to_owned())),
    }
}

/// The text up to the closing quote; two quotes are one, and `''` alone is a quote.
fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, PatternError> {
    if chars.next_if_eq(&'\'').is_some() {
        return Ok("'".to_owned());
    }
    let mut text = String::new();
    loop {
        match chars.next() {
            Some('\'') if chars.next_if_eq(&'\'').is_some() => text.push('\''),
            Some('\'') => return Ok(text),
            Some(c) => text.push(c),
            None => return Err(PatternError::Unmatched('\'')),
        }
    }
}

/// 0 for letters that mean nothing.
fn letters_max(letter: char) -> usize {
    match letter {
        'y' | 'u' | 'Y' | 'n' | 'A' | 'N' => LETTERS_MAX,
        'S' => 9,
        'M' | 'L' | 'E' | 'e' | 'c' | 'G' | 'Q' | 'q' | 'X' | 'x' | 'Z' => 5,
        'z' | 'v' | 'O' => 4,
        'D' => 3,
        'd' | 'a' | 'h' | 'H' | 'K' | 'k' | 'm' | 's' | 'w' | 'V' => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
