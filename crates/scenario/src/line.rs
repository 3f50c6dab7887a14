//! A record's line in an input or expect block: `TIME KEY[WINDOW] | VALUE`.

use crate::{bytes, time};

/// When a record happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeMark {
    /// `@5s`
    At(i64),
    /// `+5s`: after the record before.
    After(i64),
    /// Nothing: input at the time of the record before; expectations do not compare it.
    Unsaid,
}

impl TimeMark {
    /// The time when the record before happened at `previous`.
    pub fn resolve(self, previous: i64) -> i64 {
        match self {
            Self::At(ms) => ms,
            Self::After(ms) => previous.saturating_add(ms),
            Self::Unsaid => previous,
        }
    }
}

/// A record's line, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordLine {
    /// Where it stands, from 1.
    pub number: usize,
    /// When.
    pub time: TimeMark,
    /// The key without window.
    pub key: Option<Vec<u8>>,
    /// The window behind the key: start and end in ms.
    pub window: Option<(i64, i64)>,
    /// The value.
    pub value: Option<Vec<u8>>,
}

impl RecordLine {
    /// Reads a line; the error says what is wrong with it.
    pub(crate) fn parse(text: &str, number: usize) -> Result<Self, String> {
        let text = text.trim();
        let (head, value) = match text.strip_prefix("| ") {
            Some(value) => ("", value),
            None => text
                .split_once(" | ")
                .ok_or("a record is `TIME KEY | VALUE`, with blanks around the `|`; there is none")?,
        };
        let value =
            bytes::parse(value.trim()).ok_or_else(|| format!("value {} cannot be read", value.trim()))?;
        let (time, key) = split_time(head.trim())?;
        let (key, window) = split_window(key);
        let key = match key {
            "" => None,
            key => bytes::parse(key).ok_or_else(|| format!("key {key} cannot be read"))?,
        };
        Ok(Self { number, time, key, window, value })
    }
}

fn split_time(head: &str) -> Result<(TimeMark, &str), String> {
    let Some(sign) = head.chars().next().filter(|c| matches!(c, '@' | '+')) else {
        return Ok((TimeMark::Unsaid, head));
    };
    let (mark, rest) = head[1..].split_once(char::is_whitespace).unwrap_or((&head[1..], ""));
    let ms = time::parse(mark).ok_or_else(|| {
        format!("time {mark} cannot be read; write 1500, 1s, 5m, 1h30m or 2024-01-31T10:00:00Z")
    })?;
    Ok((if sign == '@' { TimeMark::At(ms) } else { TimeMark::After(ms) }, rest.trim()))
}

/// `key[start,end]` in its parts.
fn split_window(key: &str) -> (&str, Option<(i64, i64)>) {
    let window = || {
        let (own, bounds) = key.strip_suffix(']')?.rsplit_once('[')?;
        let (start, end) = bounds.split_once(',')?;
        let bounds = (time::parse(start.trim())?, time::parse(end.trim())?);
        (!own.is_empty()).then_some((own.trim_end(), bounds))
    };
    match window() {
        Some((own, bounds)) => (own, Some(bounds)),
        None => (key, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts = (TimeMark, Option<String>, Option<(i64, i64)>, Option<String>);

    fn line(text: &str) -> Parts {
        let line = RecordLine::parse(text, 1).unwrap();
        let text = |bytes: Option<Vec<u8>>| bytes.map(|b| String::from_utf8(b).unwrap());
        (line.time, text(line.key), line.window, text(line.value))
    }

    #[test]
    fn lines_are_read_in_all_forms() {
        use TimeMark::{After, At, Unsaid};
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(line("@0 k1 | {\"a\":1}"), (At(0), some("k1"), None, some("{\"a\":1}")));
        assert_eq!(line("+1s | v"), (After(1000), None, None, some("v")));
        assert_eq!(line("| a | b"), (Unsaid, None, None, some("a | b")));
        assert_eq!(line("k[0,1m] | null"), (Unsaid, some("k"), Some((0, 60_000)), None));
        assert_eq!(line("'k[0,1]' | ''"), (Unsaid, some("k[0,1]"), None, some("")));
        assert_eq!(line("[0,1] | x"), (Unsaid, some("[0,1]"), None, some("x")));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        assert!(RecordLine::parse("k1 {}", 1).unwrap_err().contains("`|`"));
        assert!(RecordLine::parse("@1x k | v", 1).unwrap_err().contains("time 1x"));
        assert!(RecordLine::parse("hex(0) | v", 1).unwrap_err().contains("key hex(0)"));
    }
}
