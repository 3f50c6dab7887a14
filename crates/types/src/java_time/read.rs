//! Reads a time as a pattern says.

use jiff::tz::TimeZone;

use super::names::{MONTHS, QUARTERS, WEEKDAYS};
use super::zone::{ZONE_BYTES_MAX, zone, zone_or_abbreviation};
use super::{Item, LETTERS_MAX, TimeError};
use crate::civil::{Civil, days_in_month, is_leap_year, weekday};
use crate::iso_time::parse_offset;

/// Years beyond this are refused before any arithmetic; more than an `i64` of milliseconds reaches.
const YEAR_MAX: i64 = 999_999_999;

/// The fields a text had.
#[derive(Clone, Default)]
pub(super) struct Fields {
    year: Option<i64>,
    year_of_era: Option<i64>,
    before_christ: bool,
    week_year: Option<i64>,
    week: Option<i64>,
    month: Option<i64>,
    quarter: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    weekday: Option<i64>,
    hour: Option<i64>,
    hour_of_half: Option<i64>,
    afternoon: bool,
    minute: Option<i64>,
    second: Option<i64>,
    nanosecond: Option<i64>,
    ms_of_day: Option<i64>,
    pub(super) offset_s: Option<i64>,
    pub(super) zone: Option<TimeZone>,
}

impl Fields {
    /// Days since 1970-01-01.
    pub(super) fn days(&self) -> Result<i64, TimeError> {
        let year = match (self.year, self.year_of_era) {
            (Some(year), _) => year,
            (None, Some(year)) if self.before_christ => 1 - year,
            (None, Some(year)) => year,
            (None, None) => 1970,
        };
        let days = if let (Some(week), None) = (self.week, self.month) {
            let year = in_range(self.week_year.unwrap_or(year), -YEAR_MAX, YEAR_MAX)?;
            let fourth = Civil { year, month: 1, day: 4 }.to_days();
            let monday = fourth - i64::from(weekday(fourth)) + 1;
            monday + (in_range(week, 1, 53)? - 1) * 7 + self.weekday.unwrap_or(1) - 1
        } else {
            self.calendar_days(in_range(year, -YEAR_MAX, YEAR_MAX)?)?
        };
        match self.weekday {
            Some(day) if day != i64::from(weekday(days)) => Err(TimeError::Invalid),
            _ => Ok(days),
        }
    }

    fn calendar_days(&self, year: i64) -> Result<i64, TimeError> {
        if let (Some(day), None) = (self.day_of_year, self.month) {
            let day = in_range(day, 1, if is_leap_year(year) { 366 } else { 365 })?;
            return Ok(Civil { year, month: 1, day: 1 }.to_days() + day - 1);
        }
        let first_month = match self.quarter {
            Some(quarter) => (in_range(quarter, 1, 4)? - 1) * 3 + 1,
            None => 1,
        };
        let month = in_range(self.month.unwrap_or(first_month), 1, 12)? as u32;
        let day = in_range(self.day.unwrap_or(1), 1, 31)? as u32;
        Ok(Civil { year, month, day: day.min(days_in_month(year, month)) }.to_days())
    }

    /// Milliseconds since midnight.
    pub(super) fn time_ms(&self) -> Result<i64, TimeError> {
        if let Some(ms) = self.ms_of_day {
            return in_range(ms, 0, crate::civil::DAY_MS - 1);
        }
        let hour = match (self.hour, self.hour_of_half) {
            (Some(hour), _) => in_range(hour, 0, 23)?,
            (None, Some(hour)) => in_range(hour, 0, 11)? + if self.afternoon { 12 } else { 0 },
            (None, None) => 0,
        };
        let minute = in_range(self.minute.unwrap_or(0), 0, 59)?;
        let second = in_range(self.second.unwrap_or(0), 0, 59)?;
        let nanosecond = in_range(self.nanosecond.unwrap_or(0), 0, 999_999_999)?;
        Ok(((hour * 60 + minute) * 60 + second) * 1000 + nanosecond / 1_000_000)
    }
}

fn in_range(value: i64, min: i64, max: i64) -> Result<i64, TimeError> {
    if (min..=max).contains(&value) { Ok(value) } else { Err(TimeError::Invalid) }
}

pub(super) fn read(items: &[Item], text: &str) -> Result<Fields, TimeError> {
    let mut reader = Reader { text, position: 0, fields: Fields::default() };
    if reader.items(items).is_none() || reader.position < text.len() {
        return Err(TimeError::Mismatch(reader.position));
    }
    Ok(reader.fields)
}

struct Reader<'a> {
    text: &'a str,
    position: usize,
    fields: Fields,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }

    fn items(&mut self, items: &[Item]) -> Option<()> {
        for (i, item) in items.iter().enumerate() {
            match item {
                Item::Literal(literal) => self.word(literal)?,
                Item::Field(letter, count) => self.field(*letter, *count, &items[i + 1..])?,
                Item::Optional(section) => {
                    let before = (self.position, self.fields.clone());
                    if self.items(section).is_none() {
                        (self.position, self.fields) = before;
                    }
                }
            }
        }
        Some(())
    }

    /// The word in any case.
    fn word(&mut self, word: &str) -> Option<()> {
        let found = self.rest().get(..word.len())?;
        let is_same = found.eq_ignore_ascii_case(word);
        is_same.then(|| self.position += word.len())
    }

    fn field(&mut self, letter: char, count: usize, following: &[Item]) -> Option<()> {
        match letter {
            'y' | 'u' | 'Y' => {
                let year = self.year(count, following)?;
                match letter {
                    'y' => self.fields.year_of_era = Some(year),
                    'u' => self.fields.year = Some(year),
                    _ => self.fields.week_year = Some(year),
                }
            }
            'M' | 'L' if count > 2 => self.fields.month = Some(self.name(&MONTHS, count)?),
            'E' => self.fields.weekday = Some(self.name(&WEEKDAYS, count)?),
            'e' | 'c' if count > 2 => self.fields.weekday = Some(self.name(&WEEKDAYS, count)?),
            'Q' | 'q' if count == 3 => {
                self.word("Q")?;
                self.fields.quarter = Some(self.digits(1, 1)?);
            }
            'Q' | 'q' if count == 4 => {
                let found = QUARTERS.iter().position(|name| self.word(name).is_some())?;
                self.fields.quarter = Some(found as i64 + 1);
            }
            'a' => self.fields.afternoon = self.either("AM", "PM")?,
            'G' => {
                self.fields.before_christ = match count {
                    4 => self.either("Anno Domini", "Before Christ")?,
                    5 => self.either("A", "B")?,
                    _ => self.either("AD", "BC")?,
                }
            }
            'S' => {
                let digits = self.digits(count, count)?;
                self.fields.nanosecond = Some(digits * 10i64.pow(9 - count.min(9) as u32));
            }
            'z' | 'v' => self.fields.zone = Some(self.zone(zone_or_abbreviation)?),
            'V' => self.fields.zone = Some(self.zone(zone)?),
            'X' | 'x' | 'Z' | 'O' => self.fields.offset_s = Some(self.offset(letter, count)?),
            _ => self.number_field(letter, count, following)?,
        }
        Some(())
    }

    fn number_field(&mut self, letter: char, count: usize, following: &[Item]) -> Option<()> {
        let number = match count {
            1 => self.variable(1, following)?,
            _ => self.digits(count, count)?,
        };
        let fields = &mut self.fields;
        let slot = match letter {
            'M' | 'L' => &mut fields.month,
            'Q' | 'q' => &mut fields.quarter,
            'd' => &mut fields.day,
            'D' => &mut fields.day_of_year,
            'e' | 'c' => &mut fields.weekday,
            'w' => &mut fields.week,
            'H' => &mut fields.hour,
            'K' => &mut fields.hour_of_half,
            'm' => &mut fields.minute,
            's' => &mut fields.second,
            'n' => &mut fields.nanosecond,
            'A' => &mut fields.ms_of_day,
            'k' if (1..=24).contains(&number) => {
                fields.hour = Some(number % 24);
                return Some(());
            }
            'h' if (1..=12).contains(&number) => {
                fields.hour_of_half = Some(number % 12);
                return Some(());
            }
            'N' => {
                fields.ms_of_day = Some(number / 1_000_000);
                return Some(());
            }
            _ => return None,
        };
        *slot = Some(number);
        Some(())
    }

    fn year(&mut self, count: usize, following: &[Item]) -> Option<i64> {
        if count == 2 {
            return Some(2000 + self.digits(2, 2)?);
        }
        if self.word("-").is_some() {
            return Some(-self.variable(count, following)?);
        }
        // More digits than letters need a plus sign.
        if count >= 4 && self.word("+").is_none() {
            return self.digits(count, count);
        }
        self.variable(count, following)
    }

    /// At least `min` digits, leaving those that fixed fields right behind need.
    fn variable(&mut self, min: usize, following: &[Item]) -> Option<i64> {
        let reserved: usize = following.iter().map_while(fixed_width).sum();
        let available = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let width = available.saturating_sub(reserved).max(min).min(LETTERS_MAX);
        self.digits(min, width)
    }

    fn digits(&mut self, min: usize, max: usize) -> Option<i64> {
        let rest = self.rest();
        let count = rest.bytes().take(max).take_while(u8::is_ascii_digit).count();
        if count < min || count == 0 {
            return None;
        }
        let number = rest[..count].parse().ok()?;
        self.position += count;
        Some(number)
    }

    /// The number, from 1, of the name: in full for four letters, else its first three.
    fn name(&mut self, names: &[&'static str], count: usize) -> Option<i64> {
        let shown = |name: &'static str| if count == 4 { name } else { &name[..3] };
        let found = names.iter().position(|name| self.word(shown(name)).is_some())?;
        Some(found as i64 + 1)
    }

    fn either(&mut self, first: &str, second: &str) -> Option<bool> {
        if self.word(first).is_some() {
            return Some(false);
        }
        self.word(second).map(|()| true)
    }

    /// The longest name of a zone the text goes on with.
    fn zone(&mut self, find: fn(&str) -> Result<TimeZone, TimeError>) -> Option<TimeZone> {
        let rest = self.rest();
        let belongs = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'+' | b'-' | b':');
        let len = rest.bytes().take(ZONE_BYTES_MAX).take_while(belongs).count();
        for len in (1..=len).rev() {
            if let Ok(zone) = find(&rest[..len]) {
                self.position += len;
                return Some(zone);
            }
        }
        None
    }

    /// Seconds east of UTC, with or without colons whatever the number of letters.
    fn offset(&mut self, letter: char, count: usize) -> Option<i64> {
        let is_localized = letter == 'O' || (letter == 'Z' && count == 4);
        if is_localized {
            self.word("GMT").or_else(|| self.word("UTC"))?;
            if !self.rest().starts_with(['+', '-']) {
                return Some(0);
            }
        } else if letter != 'x' && self.word("Z").is_some() {
            return Some(0);
        }
        let rest = self.rest();
        if !rest.starts_with(['+', '-']) {
            return None;
        }
        let bytes = rest.as_bytes();
        let is_pair = |at: usize| {
            bytes.get(at).is_some_and(u8::is_ascii_digit) && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
        };
        let mut len = if is_pair(1) { 3 } else { 2 };
        for _ in 0..2 {
            if is_pair(len) {
                len += 2;
            } else if bytes.get(len) == Some(&b':') && is_pair(len + 1) {
                len += 3;
            }
        }
        let seconds = parse_offset(rest.get(..len)?)?;
        self.position += len;
        Some(seconds)
    }
}

/// The digits a field takes if that is always the same number.
fn fixed_width(item: &Item) -> Option<usize> {
    match *item {
        Item::Field('S', count) => Some(count),
        Item::Field('M' | 'L' | 'd' | 'H' | 'k' | 'K' | 'h' | 'm' | 's' | 'w' | 'y' | 'u', 2) => Some(2),
        Item::Field('D', count @ 2..=3) => Some(count),
        _ => None,
    }
}
