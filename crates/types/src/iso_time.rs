//! DATE, TIME and TIMESTAMP as ISO 8601 text, the way CAST reads and prints them.

use std::fmt::Write;

use crate::Text;
use crate::civil::{Civil, DAY_MS};

/// Returns the TIMESTAMP in UTC as `1970-01-01T00:00:00.001`.
pub fn format_iso_timestamp(ms: i64) -> Text {
    let mut text = Text::const_new("");
    write_date(&mut text, ms.div_euclid(DAY_MS));
    let time = ms.rem_euclid(DAY_MS);
    let (seconds, ms) = (time / 1000, time % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    write!(text, "T{hour:02}:{minute:02}:{second:02}.{ms:03}").expect("writing to text does not fail");
    text
}

/// Returns the DATE, in days since 1970-01-01, as `1970-01-01`.
pub fn format_iso_date(days: i32) -> Text {
    let mut text = Text::const_new("");
    write_date(&mut text, days.into());
    text
}

/// Returns the TIME, in milliseconds since midnight, as `00:00`, `00:00:01` or `00:00:00.001`: the
/// shortest of these that is exact.
pub fn format_iso_time(ms: i32) -> Text {
    let (seconds, ms) = (ms.div_euclid(1000).rem_euclid(86_400), ms.rem_euclid(1000));
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = Text::const_new("");
    let written = match (second, ms) {
        (0, 0) => write!(text, "{hour:02}:{minute:02}"),
        (_, 0) => write!(text, "{hour:02}:{minute:02}:{second:02}"),
        _ => write!(text, "{hour:02}:{minute:02}:{second:02}.{ms:03}"),
    };
    written.expect("writing to text does not fail");
    text
}

/// Returns the milliseconds since the epoch of `2020`, `2020-05`, `2020-05-26`, `2020-05-26T23:59`,
/// `2020-05-26T23:59:58.123` and the like, with `Z` or an offset or else in UTC.
pub fn parse_iso_timestamp(text: &str) -> Option<i64> {
    let mut reader = Reader(text.as_bytes());
    let days = reader.date()?;
    let (mut time_ms, mut offset_s) = (0, 0);
    if !reader.0.is_empty() {
        if !reader.eat(b'T') && !reader.eat(b't') && !reader.eat(b' ') {
            return None;
        }
        if !reader.0.is_empty() {
            time_ms = reader.time_or_midnight()?;
            offset_s = reader.offset()?;
        }
    }
    let local = days.checked_mul(DAY_MS)?.checked_add(time_ms)?;
    reader.0.is_empty().then_some(())?;
    local.checked_sub(offset_s * 1000)
}

/// Returns the days since 1970-01-01 of `2020-05-26`, `2020-05` or `2020`.
pub fn parse_iso_date(text: &str) -> Option<i32> {
    let mut reader = Reader(text.as_bytes());
    let days = reader.date()?;
    reader.0.is_empty().then_some(())?;
    i32::try_from(days).ok()
}

/// Returns the milliseconds since midnight of `23:59`, `23:59:58` or `23:59:58.123`.
pub fn parse_iso_time(text: &str) -> Option<i32> {
    let mut reader = Reader(text.as_bytes());
    if text.len() < "00:00".len() {
        return None;
    }
    let ms = reader.time()?;
    reader.0.is_empty().then_some(ms as i32)
}

/// Returns the seconds east of UTC of `Z`, `+2`, `+02`, `+0200`, `+02:00` or `+02:00:00`.
pub(crate) fn parse_offset(text: &str) -> Option<i64> {
    let mut reader = Reader(text.as_bytes());
    if reader.0.is_empty() {
        return None;
    }
    let seconds = reader.offset()?;
    reader.0.is_empty().then_some(seconds)
}

pub(crate) fn write_date(text: &mut Text, days: i64) {
    let Civil { year, month, day } = Civil::from_days(days);
    let sign = match year {
        ..0 => "-",
        0..=9999 => "",
        _ => "+",
    };
    let year = year.unsigned_abs();
    write!(text, "{sign}{year:04}-{month:02}-{day:02}").expect("writing to text does not fail");
}

/// Reads a text from its front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn eat(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((&first, rest)) if first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// `min` to `max` digits.
    fn digits(&mut self, min: usize, max: usize) -> Option<i64> {
        let count = self.0.iter().take(max).take_while(|b| b.is_ascii_digit()).count();
        if count < min {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        Some(digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
    }

    fn date(&mut self) -> Option<i64> {
        const YEAR_DIGITS_MAX: usize = 9;
        let year = if self.eat(b'-') {
            -self.digits(4, YEAR_DIGITS_MAX)?
        } else if self.eat(b'+') {
            self.digits(4, YEAR_DIGITS_MAX)?
        } else {
            self.digits(4, 4)?
        };
        let month = if self.eat(b'-') { self.digits(1, 2)? } else { 1 };
        let day = if self.eat(b'-') { self.digits(1, 2)? } else { 1 };
        Some(Civil::checked(year, month as u32, day as u32)?.to_days())
    }

    fn time(&mut self) -> Option<i64> {
        self.time_or_midnight().filter(|&ms| ms < DAY_MS)
    }

    /// As `time`, or 24:00, the end of the day.
    fn time_or_midnight(&mut self) -> Option<i64> {
        let hour = self.digits(2, 2)?;
        let minute = if self.eat(b':') { self.digits(2, 2)? } else { 0 };
        let second = if self.eat(b':') { self.digits(2, 2)? } else { 0 };
        let ms = if self.eat(b'.') { self.fraction_ms()? } else { 0 };
        let time_ms = ((hour * 60 + minute) * 60 + second) * 1000 + ms;
        (time_ms <= DAY_MS && minute < 60 && second < 60).then_some(time_ms)
    }

    /// 1 to 9 digits; what is finer than a millisecond is cut off.
    fn fraction_ms(&mut self) -> Option<i64> {
        let before = self.0.len();
        let value = self.digits(1, 9)?;
        let count = (before - self.0.len()) as u32;
        Some(if count <= 3 { value * 10i64.pow(3 - count) } else { value / 10i64.pow(count - 3) })
    }

    /// Seconds east of UTC; nothing is UTC.
    fn offset(&mut self) -> Option<i64> {
        if self.0.is_empty() || self.eat(b'Z') || self.eat(b'z') {
            return Some(0);
        }
        let sign = match (self.eat(b'+'), self.eat(b'-')) {
            (true, false) => 1,
            (false, true) => -1,
            _ => return None,
        };
        let hour = self.digits(1, 2)?;
        let part = |reader: &mut Self| {
            if reader.0.is_empty() {
                return Some(0);
            }
            let _ = reader.eat(b':');
            reader.digits(2, 2)
        };
        let minute = part(self)?;
        let second = part(self)?;
        let seconds = (hour * 60 + minute) * 60 + second;
        let valid = seconds <= 18 * 3600 && minute < 60 && second < 60;
        valid.then_some(sign * seconds)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn timestamps_of_all_shapes_are_read() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.010", 10),
            ("1970-01-01T00:00:01", 1000),
            ("2022-04-28T21:44:47.943Z", 1_651_182_287_943),
            ("2020-01-01T00:00:00.000+00:00", 1_577_836_800_000),
            ("2020-01-01T02:00:00.000+0200", 1_577_836_800_000),
            ("2019-12-31T19:00:00-05:00", 1_577_836_800_000),
            ("2020-01-01T00:00:00.123456789", 1_577_836_800_123),
            ("2020-01-01", 1_577_836_800_000),
            ("2020-01", 1_577_836_800_000),
            ("2020", 1_577_836_800_000),
            ("2020-01-01T", 1_577_836_800_000),
            ("2020-01-01T00", 1_577_836_800_000),
            ("2019-12-31T24:00", 1_577_836_800_000),
        ] {
            assert_eq!(parse_iso_timestamp(text), Some(ms), "{text}");
        }
        for text in [
            "",
            "foo",
            "20",
            "2020-13",
            "2021-02-29",
            "2020-01-01T24:01",
            "2020-01-01Tx",
            "2020-01-01T00:00+",
            "2020-01-01T00:00+19",
            "+999999999-01-01",
        ] {
            assert_eq!(parse_iso_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn times_print_their_shortest_form() {
        assert_eq!(format_iso_time(5000), "00:00:05");
        assert_eq!(format_iso_time(60_000), "00:01");
        assert_eq!(format_iso_time(10), "00:00:00.010");
        assert_eq!(parse_iso_time("00:01"), Some(60_000));
        assert_eq!(parse_iso_time("foo"), None);
    }

    #[test]
    fn dates_are_counted_from_the_epoch() {
        assert_eq!(format_iso_date(-1), "1969-12-31");
        assert_eq!(parse_iso_date("1970-01-11"), Some(10));
    }

    proptest! {
        #[test]
        fn every_timestamp_reads_back(ms: i64) {
            prop_assert_eq!(parse_iso_timestamp(&format_iso_timestamp(ms)), Some(ms));
        }

        #[test]
        fn every_date_reads_back(days: i32) {
            prop_assert_eq!(parse_iso_date(&format_iso_date(days)), Some(days));
        }

        #[test]
        fn parsing_never_panics(text in "[-+0-9TZ:. ]{0,40}") {
            let _ = (parse_iso_timestamp(&text), parse_iso_date(&text), parse_iso_time(&text), parse_offset(&text));
        }
    }
}
