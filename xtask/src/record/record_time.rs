//! The TIMESTAMP property: a record's time out of one of its columns.

use std::sync::Arc;

use jiff::tz::TimeZone;
use plan::step::TimestampColumn;
use types::java_time::Pattern;
use types::{DataType, Value};

/// Reads the time of a row.
#[derive(Debug)]
pub(super) struct RecordTime {
    place: Place,
    pattern: Option<Pattern>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Key(usize),
    Value(usize),
}

impl RecordTime {
    /// `None` if the column or its pattern is not as planning found it.
    pub fn new(
        timestamp: &TimestampColumn,
        key: &[(Arc<str>, DataType)],
        value: &[(Arc<str>, DataType)],
    ) -> Option<Self> {
        let find =
            |columns: &[(Arc<str>, DataType)]| columns.iter().position(|(name, _)| *name == timestamp.column);
        let place = find(value).map(Place::Value).or_else(|| find(key).map(Place::Key))?;
        let pattern = match &timestamp.format {
            Some(format) => Some(Pattern::parse(format).ok()?),
            None => None,
        };
        Some(Self { place, pattern })
    }

    /// The time in ms; `None` if there is none, or one before 1970.
    pub fn of(&self, key: &[Value], value: &[Value]) -> Option<i64> {
        let column = match self.place {
            Place::Key(at) => key.get(at),
            Place::Value(at) => value.get(at),
        };
        let ms = match (column?, &self.pattern) {
            (Value::BigInt(ms) | Value::Timestamp(ms), None) => *ms,
            (Value::Double(seconds), None) if seconds.is_finite() => (seconds * 1000.0).round() as i64,
            (Value::String(text), Some(pattern)) => pattern.parse_timestamp(text, &TimeZone::UTC).ok()?,
            _ => return None,
        };
        (ms >= 0).then_some(ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: Option<&str>, value: Value, expect: Option<i64>) {
        let column = TimestampColumn { column: "T".into(), format: format.map(Into::into) };
        let time = RecordTime::new(&column, &[], &[("T".into(), DataType::BigInt)]).unwrap();
        assert_eq!(time.of(&[], &[value]), expect);
    }

    #[test]
    fn every_type_gives_a_time() {
        check(None, Value::BigInt(7), Some(7));
        check(None, Value::Timestamp(8), Some(8));
        check(None, Value::Double(1.5), Some(1500));
        check(Some("yyyy-MM-dd"), Value::text("1970-01-02"), Some(86_400_000));
    }

    #[test]
    fn invalid_and_negative_times_are_none() {
        check(None, Value::Null, None);
        check(None, Value::BigInt(-1), None);
        check(None, Value::Double(f64::NAN), None);
        check(Some("yyyy-MM-dd"), Value::text("yesterday"), None);
    }
}
