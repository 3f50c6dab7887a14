//! Prints a time as a pattern says.

use std::fmt::Write;

use super::names::{MONTHS, QUARTERS, WEEKDAYS, styled};
use super::zone::Place;
use super::{Item, TimeError};
use crate::Text;
use crate::civil::{Civil, weekday};

/// What there is to print.
pub(super) struct Parts {
    pub(super) days: Option<i64>,
    pub(super) time_ms: Option<i64>,
    pub(super) place: Option<Place>,
}

/// How an offset from UTC is written.
#[derive(Clone, Copy)]
pub(super) struct OffsetStyle {
    pub(super) colon: bool,
    pub(super) minutes: Need,
    pub(super) seconds: Need,
}

/// Whether a part of an offset is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Always,
    IfNotZero,
    Never,
}

impl OffsetStyle {
    pub(super) const COLON: Self = Self { colon: true, minutes: Need::Always, seconds: Need::IfNotZero };
}

pub(super) fn print(items: &[Item], parts: &Parts) -> Result<Text, TimeError> {
    let mut text = Text::const_new("");
    print_items(items, parts, &mut text)?;
    Ok(text)
}

fn print_items(items: &[Item], parts: &Parts, text: &mut Text) -> Result<(), TimeError> {
    for item in items {
        match item {
            Item::Literal(literal) => text.push_str(literal),
            Item::Field(letter, count) => print_field(*letter, *count, parts, text)?,
            Item::Optional(items) => {
                let before = text.len();
                // An optional section is left out if the type lacks one of its fields.
                if let Err(TimeError::Field(_)) = print_items(items, parts, text) {
                    text.truncate(before);
                }
            }
        }
    }
    Ok(())
}

fn print_field(letter: char, count: usize, parts: &Parts, text: &mut Text) -> Result<(), TimeError> {
    let missing = || TimeError::Field(letter);
    match letter {
        'z' | 'v' | 'V' | 'X' | 'x' | 'Z' | 'O' => {
            print_place(letter, count, parts.place.as_ref().ok_or_else(missing)?, text);
            Ok(())
        }
        'H' | 'k' | 'K' | 'h' | 'm' | 's' | 'S' | 'n' | 'A' | 'N' | 'a' => {
            print_time(letter, count, parts.time_ms.ok_or_else(missing)?, text)
        }
        _ => print_date(letter, count, parts.days.ok_or_else(missing)?, text),
    }
}

fn print_date(letter: char, count: usize, days: i64, text: &mut Text) -> Result<(), TimeError> {
    let civil = Civil::from_days(days);
    let month = civil.month as usize;
    let quarter = (month - 1) / 3 + 1;
    let day_of_week = weekday(days);
    match letter {
        'y' => {
            let year_of_era = if civil.year > 0 { civil.year } else { 1 - civil.year };
            print_year(year_of_era, count, text);
        }
        'u' => print_year(civil.year, count, text),
        'Y' => print_year(iso_week(days).0, count, text),
        'w' => print_number(iso_week(days).1, count, text)?,
        'M' | 'L' if count <= 2 => print_number(month as i64, count, text)?,
        'M' | 'L' => text.push_str(styled(MONTHS[month - 1], count)),
        'd' => print_number(civil.day.into(), count, text)?,
        'D' => print_number(civil.day_of_year().into(), count, text)?,
        'e' | 'c' if count <= 2 => print_number(day_of_week.into(), count, text)?,
        'E' | 'e' | 'c' => text.push_str(styled(WEEKDAYS[day_of_week as usize - 1], count)),
        'G' => text.push_str(match (count, civil.year > 0) {
            (4, true) => "Anno Domini",
            (4, false) => "Before Christ",
            (5, true) => "A",
            (5, false) => "B",
            (_, true) => "AD",
            (_, false) => "BC",
        }),
        'Q' | 'q' => match count {
            3 => push(text, format_args!("Q{quarter}")),
            4 => text.push_str(QUARTERS[quarter - 1]),
            5 => push(text, format_args!("{quarter}")),
            _ => print_number(quarter as i64, count, text)?,
        },
        _ => return Err(TimeError::Field(letter)),
    }
    Ok(())
}

fn print_time(letter: char, count: usize, time_ms: i64, text: &mut Text) -> Result<(), TimeError> {
    let (hour, ms) = (time_ms / 3_600_000, time_ms % 1000);
    let number = match letter {
        'a' => {
            text.push_str(if hour < 12 { "AM" } else { "PM" });
            return Ok(());
        }
        'S' => {
            let mut digits = Text::const_new("");
            push(&mut digits, format_args!("{ms:03}000000"));
            text.push_str(&digits[..count.min(digits.len())]);
            return Ok(());
        }
        'H' => hour,
        'k' => (hour + 23) % 24 + 1,
        'K' => hour % 12,
        'h' => (hour + 11) % 12 + 1,
        'm' => time_ms / 60_000 % 60,
        's' => time_ms / 1000 % 60,
        'n' => ms * 1_000_000,
        'A' => time_ms,
        'N' => time_ms * 1_000_000,
        _ => return Err(TimeError::Field(letter)),
    };
    print_number(number, count, text)
}

fn print_place(letter: char, count: usize, place: &Place, text: &mut Text) {
    let offset_s = place.offset_s;
    let style = |colon, minutes, seconds| OffsetStyle { colon, minutes, seconds };
    match (letter, count) {
        // Java prints a full name for `zzzz`, which the time zone database does not have.
        ('z' | 'v', _) => text.push_str(&place.abbreviation),
        ('V', _) => text.push_str(&place.id),
        ('X', _) | ('Z', 5) if offset_s == 0 => text.push('Z'),
        ('X' | 'x', 1) => print_offset(text, offset_s, style(false, Need::IfNotZero, Need::Never)),
        ('X' | 'x', 2) => print_offset(text, offset_s, style(false, Need::Always, Need::Never)),
        ('X' | 'x', 3) => print_offset(text, offset_s, style(true, Need::Always, Need::Never)),
        ('X' | 'x', 4) => print_offset(text, offset_s, style(false, Need::Always, Need::IfNotZero)),
        ('X' | 'x', _) | ('Z', 5) => print_offset(text, offset_s, OffsetStyle::COLON),
        ('Z', 1..=3) => print_offset(text, offset_s, style(false, Need::Always, Need::Never)),
        _ => {
            text.push_str("GMT");
            if offset_s == 0 {
                return;
            }
            if letter == 'O' && count < 4 {
                let mut full = Text::const_new("");
                print_offset(&mut full, offset_s, style(true, Need::IfNotZero, Need::IfNotZero));
                // `+8`, not `+08`
                text.push_str(&full[..1]);
                text.push_str(full[1..].strip_prefix('0').unwrap_or(&full[1..]));
            } else {
                print_offset(text, offset_s, OffsetStyle::COLON);
            }
        }
    }
}

pub(super) fn print_offset(text: &mut Text, offset_s: i64, style: OffsetStyle) {
    let magnitude = offset_s.abs();
    let (hours, minutes, seconds) = (magnitude / 3600, magnitude / 60 % 60, magnitude % 60);
    push(text, format_args!("{}{hours:02}", if offset_s < 0 { '-' } else { '+' }));
    let colon = if style.colon { ":" } else { "" };
    let with_seconds = style.seconds == Need::IfNotZero && seconds != 0;
    if style.minutes == Need::Always || minutes != 0 || with_seconds {
        push(text, format_args!("{colon}{minutes:02}"));
    }
    if with_seconds {
        push(text, format_args!("{colon}{seconds:02}"));
    }
}

fn print_year(year: i64, count: usize, text: &mut Text) {
    if count == 2 {
        return push(text, format_args!("{:02}", year.rem_euclid(100)));
    }
    let magnitude = year.unsigned_abs();
    let exceeds = count >= 4 && magnitude.checked_ilog10().map_or(0, |log| log as usize) >= count;
    text.push_str(match year {
        ..0 => "-",
        _ if exceeds => "+",
        _ => "",
    });
    push(text, format_args!("{magnitude:0count$}"));
}

/// Java refuses a number wider than its field, as in `d` twice for day 100; only `D` can be.
fn print_number(number: i64, count: usize, text: &mut Text) -> Result<(), TimeError> {
    let start = text.len();
    push(text, format_args!("{number:0count$}"));
    let is_too_wide = count > 1 && text.len() - start > count;
    if is_too_wide { Err(TimeError::OutOfRange) } else { Ok(()) }
}

/// The ISO week's year and number: that of the week's Thursday.
fn iso_week(days: i64) -> (i64, i64) {
    let thursday = Civil::from_days(days - i64::from(weekday(days)) + 4);
    (thursday.year, (i64::from(thursday.day_of_year()) - 1) / 7 + 1)
}

fn push(text: &mut Text, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing to text does not fail");
}
