//! FORMAT_DATE, FORMAT_TIME, FORMAT_TIMESTAMP, PARSE_DATE, PARSE_TIME, PARSE_TIMESTAMP, and the older
//! DATETOSTRING, STRINGTODATE, STRINGTOTIMESTAMP, TIMESTAMPTOSTRING: times by Java's date patterns.
//!
//! Without a time zone the zone is UTC.

use jiff::tz::TimeZone;
use types::EvalError;
use types::java_time::{Pattern, TimeError, zone};

use crate::adapter::{Date, Time, Timestamp, lift};
use crate::function::Scalar;
use crate::prepared::Prepared;
use crate::signature::Resolved;
use crate::{FunctionError, ScalarCode};

pub(super) fn functions() -> Vec<Scalar> {
    let function = |name, description| Scalar::new(name, "DATE_TIME", description);
    vec![
        function("FORMAT_DATE", "Writes a DATE by a pattern.").overload_with(
            "(DATE, STRING) → STRING",
            |call| {
                let patterns = patterns(call)?;
                Ok(lift!(|date: Date, p: &str| patterns.get(p)?.format_date(date.0).map_err(failed)))
            },
        ),
        function("DATETOSTRING", "Writes a number of days since 1970-01-01 by a pattern.").overload_with(
            "(INT, STRING) → STRING",
            |call| {
                let patterns = patterns(call)?;
                Ok(lift!(|days: i32, p: &str| patterns.get(p)?.format_date(days).map_err(failed)))
            },
        ),
        function("FORMAT_TIME", "Writes a TIME by a pattern.").overload_with(
            "(TIME, STRING) → STRING",
            |call| {
                let patterns = patterns(call)?;
                Ok(lift!(|time: Time, p: &str| patterns.get(p)?.format_time(time.0).map_err(failed)))
            },
        ),
        function("PARSE_DATE", "Reads a DATE by a pattern.").overload_with(
            "(STRING, STRING) → DATE",
            |call| {
                let patterns = patterns(call)?;
                Ok(lift!(|text: &str, p: &str| patterns.get(p)?.parse_date(text).map(Date).map_err(failed)))
            },
        ),
        function("STRINGTODATE", "Reads the number of days since 1970-01-01 by a pattern.").overload_with(
            "(STRING, STRING) → INT",
            |call| {
                let patterns = patterns(call)?;
                Ok(lift!(|text: &str, p: &str| patterns.get(p)?.parse_date(text).map_err(failed)))
            },
        ),
        function("PARSE_TIME", "Reads a TIME by a pattern.").overload_with(
            "(STRING, STRING) → TIME",
            |call| {
                let patterns = patterns(call)?;
                Ok(lift!(|text: &str, p: &str| patterns.get(p)?.parse_time(text).map(Time).map_err(failed)))
            },
        ),
        function("FORMAT_TIMESTAMP", "Writes a TIMESTAMP by a pattern.")
            .overload_with("(TIMESTAMP, STRING) → STRING", format_timestamp)
            .overload_with("(TIMESTAMP, STRING, STRING) → STRING", format_timestamp),
        // Unlike ksqlDB, DOUBLE is taken too: Zeek's times are seconds with a fraction.
        ["INT", "BIGINT", "DOUBLE"].iter().fold(
            function("TIMESTAMPTOSTRING", "Writes milliseconds since 1970-01-01 by a pattern."),
            |function, ms| {
                function
                    .overload_with(&format!("({ms}, STRING) → STRING"), format_ms)
                    .overload_with(&format!("({ms}, STRING, STRING) → STRING"), format_ms)
            },
        ),
        function("PARSE_TIMESTAMP", "Reads a TIMESTAMP by a pattern.")
            .overload_with("(STRING, STRING) → TIMESTAMP", parse_timestamp)
            .overload_with("(STRING, STRING, STRING) → TIMESTAMP", parse_timestamp),
        function("STRINGTOTIMESTAMP", "Reads milliseconds since 1970-01-01 by a pattern.")
            .overload_with("(STRING, STRING) → BIGINT", parse_ms)
            .overload_with("(STRING, STRING, STRING) → BIGINT", parse_ms),
    ]
}

fn failed(error: TimeError) -> EvalError {
    EvalError::new(error.to_string())
}

fn patterns(call: &Resolved) -> Result<Prepared<Pattern>, FunctionError> {
    Prepared::of(call, 1, |text| Pattern::parse(text).map_err(|error| EvalError::new(error.to_string())))
}

/// The pattern and the time zone of a call with a TIMESTAMP.
struct Zoned {
    patterns: Prepared<Pattern>,
    zones: Option<Prepared<TimeZone>>,
}

impl Zoned {
    fn of(call: &Resolved) -> Result<Self, FunctionError> {
        let has_zone = call.params.len() > 2;
        let zones = has_zone.then(|| Prepared::of(call, 2, |name| zone(name).map_err(failed))).transpose()?;
        Ok(Self { patterns: patterns(call)?, zones })
    }

    /// `None` if the call has a zone and it is NULL.
    fn with<T>(
        &self,
        pattern: &str,
        zone: Option<&str>,
        f: impl Fn(&Pattern, &TimeZone) -> Result<T, TimeError>,
    ) -> Result<Option<T>, EvalError> {
        let pattern = self.patterns.get(pattern)?;
        match (&self.zones, zone) {
            (None, _) => f(&pattern, &TimeZone::UTC).map(Some).map_err(failed),
            (Some(zones), Some(zone)) => f(&pattern, zones.get(zone)?.as_ref()).map(Some).map_err(failed),
            (Some(_), None) => Ok(None),
        }
    }
}

fn format_timestamp(call: &mut Resolved) -> Result<ScalarCode, FunctionError> {
    let zoned = Zoned::of(call)?;
    Ok(lift!(|at: Timestamp, pattern: &str, zone: Option<&str>| {
        zoned.with(pattern, zone, |pattern, zone| pattern.format_timestamp(at.0, zone))
    }))
}

fn format_ms(call: &mut Resolved) -> Result<ScalarCode, FunctionError> {
    let zoned = Zoned::of(call)?;
    Ok(lift!(|at: &types::Value, pattern: &str, zone: Option<&str>| {
        let ms = at.as_i64().or_else(|| at.as_f64().map(|ms| ms as i64)).unwrap_or_default();
        zoned.with(pattern, zone, |pattern, zone| pattern.format_timestamp(ms, zone))
    }))
}

fn parse_timestamp(call: &mut Resolved) -> Result<ScalarCode, FunctionError> {
    let zoned = Zoned::of(call)?;
    Ok(lift!(|text: &str, pattern: &str, zone: Option<&str>| {
        zoned.with(pattern, zone, |pattern, zone| pattern.parse_timestamp(text, zone).map(Timestamp))
    }))
}

fn parse_ms(call: &mut Resolved) -> Result<ScalarCode, FunctionError> {
    let zoned = Zoned::of(call)?;
    Ok(lift!(|text: &str, pattern: &str, zone: Option<&str>| {
        zoned.with(pattern, zone, |pattern, zone| pattern.parse_timestamp(text, zone))
    }))
}

#[cfg(test)]
mod tests {
    use types::Value;

    use crate::testing::{NULL, cases, fails, resolve_error, value};

    #[test]
    fn dates_and_times_are_written_and_read() {
        cases!("FORMAT_DATE": (Value::Date(17_662), "dd/MM/yyyy") => "11/05/2018"; (NULL, "yyyy") => NULL;);
        cases!("DATETOSTRING": (0, "yyyy-MM-dd'X'") => "1970-01-01X";);
        cases!("PARSE_DATE": ("11/05/2018", "dd/MM/yyyy") => Value::Date(17_662););
        cases!("STRINGTODATE": ("1970-01-03", "yyyy-MM-dd") => 2;);
        cases!("FORMAT_TIME": (Value::Time(65_000), "HH_mm_ss_SSS") => "00_01_05_000";);
        cases!("PARSE_TIME": ("00:01:05", "HH:mm:ss") => Value::Time(65_000););
        fails!("PARSE_DATE": ("tomorrow", "yyyy-MM-dd"););
    }

    #[test]
    fn timestamps_are_written_and_read_in_zones() {
        let at = || Value::Timestamp(1_526_075_913_000);
        cases!("FORMAT_TIMESTAMP":
            (at(), "yyyy-MM-dd HH:mm:ss") => "2018-05-11 21:58:33";
            (at(), "HH:mm", "America/Los_Angeles") => "14:58";
            (at(), "HH:mm", NULL) => NULL;
        );
        cases!("TIMESTAMPTOSTRING":
            (1000, "HH:mm:ss") => "00:00:01";
            (1_526_075_913_000i64, "HH:mm", "+02:00") => "23:58";
            (1_526_075_913_000.7, "HH:mm:ss.SSS") => "21:58:33.000";
        );
        cases!("PARSE_TIMESTAMP":
            ("2018-05-11 21:58:33", "yyyy-MM-dd HH:mm:ss") => at();
            ("2018-05-11 14:58:33", "yyyy-MM-dd HH:mm:ss", "America/Los_Angeles") => at();
        );
        cases!("STRINGTOTIMESTAMP": ("2018-05-11T21:58:33Z", "yyyy-MM-dd'T'HH:mm:ssX") => 1_526_075_913_000i64;);
    }

    #[test]
    fn wrong_literal_pattern_or_zone_is_refused_at_once() {
        resolve_error("FORMAT_DATE", &[Value::Date(0), value("yyyy'")]);
        resolve_error("FORMAT_TIMESTAMP", &[Value::Timestamp(0), value("yyyy"), value("Middle-earth")]);
    }
}
