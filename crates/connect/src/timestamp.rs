//! The time of an event, read from a named field of its JSON text.
//!
//! A name with dots means the flat key first (`id.orig_h` as Zeek writes it), then the path
//! (`winlog.event_data.UtcTime`), and so on at every level below. The text is scanned, not parsed: values that are not
//! on the way are skipped, and nothing is allocated unless a key holds an escape. If a key comes twice, the first counts.
//!
//! | value | means |
//! |---|---|
//! | number below 1e11 | seconds, digits after the third are cut |
//! | number below 1e14, 1e17, above | milliseconds, microseconds, nanoseconds |
//! | text of such a number | the same |
//! | `2020-05-01`, `2020-05-01T22:55:26.493Z`, `2020-05-01 22:55:26,493+0200` | that moment, in UTC when no zone is given |

use memchr::memchr2;

/// Most levels of a path that are followed.
const PATH_LEVELS_MAX: usize = 16;

const DAY_MS: i64 = 86_400_000;

/// Names the field that holds an event's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeField {
    name: String,
    clock_offset_ms: i64,
}

/// Says why an event has no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The event is not a JSON object, or is cut before the field.
    #[error("event is not a JSON object")]
    NotObject,
    /// The object has no such field.
    #[error("event has no such field")]
    Missing,
    /// The field's value is not a time in any known form.
    #[error("value of the field is not a time")]
    NotTime,
}

impl TimeField {
    /// Names a field by its flat key or dotted path.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), clock_offset_ms: 0 }
    }

    /// Adds an offset to every time read, for a recorder whose clock was wrong.
    pub fn with_clock_offset_ms(mut self, clock_offset_ms: i64) -> Self {
        self.clock_offset_ms = clock_offset_ms;
        self
    }

    /// Returns the field's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the time of an event in milliseconds since 1970.
    pub fn time_ms(&self, event: &[u8]) -> Result<i64, TimeError> {
        let value = find(event, &self.name)?;
        let time_ms = match value {
            [b'"', inside @ .., b'"'] => std::str::from_utf8(inside).ok().and_then(parse_time_ms),
            number => std::str::from_utf8(number).ok().and_then(number_ms),
        };
        Ok(time_ms.ok_or(TimeError::NotTime)?.saturating_add(self.clock_offset_ms))
    }
}

/// Reads a time written as text: ISO 8601 with or without zone, or a number of seconds or milliseconds.
pub fn parse_time_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    iso_ms(text.as_bytes()).or_else(|| number_ms(text))
}

/// Reads a number as seconds, milliseconds, microseconds or nanoseconds, by its size.
fn number_ms(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return exponent_ms(text);
    }
    let whole: i64 = whole.parse().ok()?;
    let time_ms = match whole {
        0..100_000_000_000 => {
            let mut fraction_ms = 0;
            for at in 0..3 {
                let digit = fraction.as_bytes().get(at).map_or(0, |byte| byte - b'0');
                fraction_ms = fraction_ms * 10 + i64::from(digit);
            }
            whole * 1000 + fraction_ms
        }
        100_000_000_000..100_000_000_000_000 => whole,
        100_000_000_000_000..100_000_000_000_000_000 => whole / 1000,
        _ => whole / 1_000_000,
    };
    Some(if negative { -time_ms } else { time_ms })
}

/// Reads a number with an exponent, which no recorder writes for a time but JSON allows.
fn exponent_ms(text: &str) -> Option<i64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    let time_ms = if number.abs() < 1e11 { number * 1000.0 } else { number };
    (time_ms.abs() < 1e18).then_some(time_ms as i64)
}

fn iso_ms(text: &[u8]) -> Option<i64> {
    let year = digits(text.get(0..4)?)?;
    let month = digits(text.get(5..7)?)?;
    let day = digits(text.get(8..10)?)?;
    if text[4] != b'-'
        || text[7] != b'-'
        || !(1..=12).contains(&month)
        || !(1..=days_of(year, month)).contains(&day)
    {
        return None;
    }
    let midnight_ms = days_since_1970(year, month, day) * DAY_MS;
    let Some((&(b'T' | b't' | b' '), clock)) = text[10..].split_first() else {
        return text[10..].is_empty().then_some(midnight_ms);
    };
    let hour = digits(clock.get(0..2)?)?;
    let minute = digits(clock.get(3..5)?)?;
    if clock[2] != b':' || hour > 23 || minute > 59 {
        return None;
    }
    let mut rest = &clock[5..];
    let mut time_ms = midnight_ms + hour * 3_600_000 + minute * 60_000;
    if let Some((b':', after)) = rest.split_first() {
        let second = digits(after.get(0..2)?)?;
        // 60 is a leap second.
        if second > 60 {
            return None;
        }
        time_ms += second * 1000;
        rest = &after[2..];
        if let Some((b'.' | b',', after)) = rest.split_first() {
            let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if length == 0 {
                return None;
            }
            let mut unit_ms = 100;
            for byte in &after[..length.min(3)] {
                time_ms += i64::from(byte - b'0') * unit_ms;
                unit_ms /= 10;
            }
            rest = &after[length..];
        }
    }
    Some(time_ms - zone_ms(rest)?)
}

/// Reads what follows the time of day: nothing, `Z`, `+02`, `+0200` or `+02:00`, also after a blank.
fn zone_ms(text: &[u8]) -> Option<i64> {
    let text = text.strip_prefix(b" ").unwrap_or(text);
    let (sign, text) = match text {
        b"" | b"Z" | b"z" | b"UTC" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let hour = digits(text.get(0..2)?)?;
    let minute = match &text[2..] {
        b"" => 0,
        [b':', minute @ ..] | minute if minute.len() == 2 => digits(minute)?,
        _ => return None,
    };
    (hour <= 23 && minute <= 59).then_some(sign * (hour * 3_600_000 + minute * 60_000))
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter()
        .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts days in the Gregorian calendar, with years that begin in March so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_before_month = (153 * month + 2) / 5;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between the first of March of year 0 and 1970.
    year * 365 + leap_days + days_before_month + day - 1 - 719_468
}

/// Finds the JSON text of the value called `name`.
fn find<'a>(event: &'a [u8], name: &str) -> Result<&'a [u8], TimeError> {
    let mut object = event;
    let mut name = name;
    for _ in 0..PATH_LEVELS_MAX {
        let (head, tail) = name.split_once('.').unwrap_or((name, ""));
        let mut below = None;
        let mut members = Members::of(object).ok_or(TimeError::NotObject)?;
        while let Some((key, value)) = members.next_member().map_err(|Cut| TimeError::NotObject)? {
            if key_is(key, name) {
                return Ok(value);
            }
            if below.is_none() && !tail.is_empty() && value.first() == Some(&b'{') && key_is(key, head) {
                below = Some(value);
            }
        }
        object = below.ok_or(TimeError::Missing)?;
        name = tail;
    }
    Err(TimeError::Missing)
}

/// Compares the inside of a key's quotes with a name.
fn key_is(key: &[u8], name: &str) -> bool {
    if !key.contains(&b'\\') {
        return key == name.as_bytes();
    }
    let mut quoted = vec![b'"'];
    quoted.extend_from_slice(key);
    quoted.push(b'"');
    serde_json::from_slice::<String>(&quoted).is_ok_and(|key| key == name)
}

/// The members of one JSON object, as slices of its text.
struct Members<'a> {
    text: &'a [u8],
    at: usize,
}

/// The inside of a key's quotes, and its value's text.
type Member<'a> = (&'a [u8], &'a [u8]);

/// The text ends or breaks before the value does.
struct Cut;

impl<'a> Members<'a> {
    fn of(text: &'a [u8]) -> Option<Self> {
        let start = text.iter().position(|byte| !byte.is_ascii_whitespace())?;
        (text[start] == b'{').then_some(Self { text, at: start + 1 })
    }

    fn next_member(&mut self) -> Result<Option<Member<'a>>, Cut> {
        match self.skip_blanks(b",")? {
            b'}' => return Ok(None),
            b'"' => {}
            _ => return Err(Cut),
        }
        let key_start = self.at;
        self.skip_string()?;
        let key = &self.text[key_start + 1..self.at - 1];
        let first = self.skip_blanks(b":")?;
        let value_start = self.at;
        match first {
            b'"' => self.skip_string()?,
            b'{' | b'[' => self.skip_nested()?,
            _ => {
                let rest = &self.text[self.at..];
                let end =
                    rest.iter().position(|byte| matches!(byte, b',' | b'}') || byte.is_ascii_whitespace());
                self.at += end.ok_or(Cut)?;
            }
        }
        Ok(Some((key, &self.text[value_start..self.at])))
    }

    /// Skips blanks and the given separator, and returns the byte that follows, which is not taken.
    fn skip_blanks(&mut self, separator: &[u8; 1]) -> Result<u8, Cut> {
        let rest = &self.text[self.at..];
        let skipped = rest.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != separator[0]);
        self.at += skipped.ok_or(Cut)?;
        Ok(self.text[self.at])
    }

    fn skip_string(&mut self) -> Result<(), Cut> {
        let mut at = self.at + 1;
        loop {
            at += memchr2(b'"', b'\\', self.text.get(at..).ok_or(Cut)?).ok_or(Cut)?;
            if self.text[at] == b'"' {
                self.at = at + 1;
                return Ok(());
            }
            at += 2;
        }
    }

    /// Skips an object or array by counting brackets, so depth costs nothing.
    fn skip_nested(&mut self) -> Result<(), Cut> {
        let mut depth = 0_usize;
        loop {
            match *self.text.get(self.at).ok_or(Cut)? {
                b'"' => {
                    self.skip_string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(name: &str, event: &str, expect: Result<i64, TimeError>) {
        assert_eq!(TimeField::new(name).time_ms(event.as_bytes()), expect, "{name} of {event}");
    }

    #[test]
    fn zeek_seconds_are_cut_to_milliseconds_exactly() {
        check("ts", r#"{"ts":1589364400.639986,"uid":"C1"}"#, Ok(1_589_364_400_639));
        check("ts", r#"{"ts":1588207244.001}"#, Ok(1_588_207_244_001));
        check("ts", r#"{"ts":1589364400}"#, Ok(1_589_364_400_000));
        check("ts", r#"{"ts":-1.5}"#, Ok(-1_500));
    }

    #[test]
    fn large_numbers_are_milliseconds_or_finer() {
        check("t", r#"{"t":1589364400639}"#, Ok(1_589_364_400_639));
        check("t", r#"{"t":1589364400639986}"#, Ok(1_589_364_400_639));
        check("t", r#"{"t":1589364400639986123}"#, Ok(1_589_364_400_639));
        check("t", r#"{"t":1.5893644e9}"#, Ok(1_589_364_400_000));
    }

    #[test]
    fn texts_with_and_without_zone_are_read() {
        let expect = Some(1_588_373_726_493);
        for text in [
            "2020-05-01T22:55:26.493Z",
            "2020-05-01 22:55:26.493",
            "2020-05-01 22:55:26,4939",
            "2020-05-02T00:55:26.493+02:00",
            "2020-05-02 00:55:26.493 +0200",
            "2020-05-01T17:55:26.493-05",
            " 1588373726.493 ",
        ] {
            assert_eq!(parse_time_ms(text), expect, "{text}");
        }
        assert_eq!(parse_time_ms("1970-01-01"), Some(0));
        assert_eq!(parse_time_ms("2024-02-29T12:00"), Some(1_709_208_000_000));
    }

    #[test]
    fn impossible_times_are_refused() {
        for text in [
            "",
            "-",
            "2023-02-29",
            "2020-13-01",
            "2020-05-01T24:00",
            "2020-05-01T10:00:61",
            "2020-05-01Tnow",
            "yesterday",
            "nan",
            "2020-05-01T10:00:00 CEST",
        ] {
            assert_eq!(parse_time_ms(text), None, "{text}");
        }
    }

    #[test]
    fn flat_key_wins_over_path_and_path_is_followed() {
        check("a.t", r#"{"a":{"t":1},"a.t":2}"#, Ok(2_000));
        check("a.t", r#"{"x":[{"a":9},"}\""],"a":{"s":"\\","t":1}}"#, Ok(1_000));
        check("a.b.t", r#"{"a":{"b.t":3}}"#, Ok(3_000));
        check(
            "event_data.UtcTime",
            r#"{"event_data":{"UtcTime":"2020-05-01 22:55:26.493"}}"#,
            Ok(1_588_373_726_493),
        );
        check("@timestamp", r#"{ "\u0040timestamp" : "1970-01-01T00:00:01Z" }"#, Ok(1_000));
    }

    #[test]
    fn events_without_the_time_say_why() {
        check("ts", r#"{"uid":"C1"}"#, Err(TimeError::Missing));
        check("ts", r#"{"ts":null}"#, Err(TimeError::NotTime));
        check("ts", r#"{"ts":[1]}"#, Err(TimeError::NotTime));
        check("ts", r#"[1]"#, Err(TimeError::NotObject));
        check("ts", r#"{"uid":"C1"#, Err(TimeError::NotObject));
    }

    #[test]
    fn clock_offset_is_added() {
        let field = TimeField::new("t").with_clock_offset_ms(68_399_000);
        assert_eq!(field.time_ms(br#"{"t":1}"#), Ok(68_400_000));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = TimeField::new("a.b").time_ms(&bytes);
        }

        #[test]
        fn near_json_never_panics(text in r#"[{}\[\]",:\\ab.0-9 -]{0,60}"#) {
            let _ = TimeField::new("a.b").time_ms(text.as_bytes());
            let _ = parse_time_ms(&text);
        }

        #[test]
        fn any_moment_is_read_back(time_ms in 0_i64..4_102_444_800_000) {
            let days = time_ms / DAY_MS;
            let (mut year, mut month, mut day) = (1970, 1, days + 1);
            while day > days_of(year, month) {
                day -= days_of(year, month);
                month += 1;
                if month == 13 {
                    (year, month) = (year + 1, 1);
                }
            }
            let of_day = time_ms % DAY_MS;
            let text = format!(
                "{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
                of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60, of_day % 1000
            );
            prop_assert_eq!(parse_time_ms(&text), Some(time_ms));
        }
    }
}
