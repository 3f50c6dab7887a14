//! DATEADD, DATESUB, TIMEADD, TIMESUB, TIMESTAMPADD, TIMESTAMPSUB: a time and an interval.

use types::EvalError;

use crate::adapter::{Date, Time, Timestamp, lift};
use crate::function::Scalar;

const DAY_MS: i64 = 86_400_000;

pub(super) fn functions() -> Vec<Scalar> {
    [("DATEADD", "TIMEADD", "TIMESTAMPADD", "Adds an interval.", 1), ("DATESUB", "TIMESUB", "TIMESTAMPSUB", "Subtracts an interval.", -1)]
        .into_iter()
        .flat_map(|(date, time, timestamp, description, sign)| {
            [
                Scalar::new(date, "DATE_TIME", description).overload(
                    "(INTERVALUNIT, INT, DATE) → DATE",
                    lift!(|unit: &str, n: i32, date: Date| date_add(date, interval_ms(unit, n, sign)?)),
                ),
                Scalar::new(time, "DATE_TIME", description).overload(
                    "(INTERVALUNIT, INT, TIME) → TIME",
                    lift!(|unit: &str, n: i32, time: Time| Ok::<_, EvalError>(time_add(time, interval_ms(unit, n, sign)?))),
                ),
                Scalar::new(timestamp, "DATE_TIME", description).overload(
                    "(INTERVALUNIT, INT, TIMESTAMP) → TIMESTAMP",
                    lift!(|unit: &str, n: i32, at: Timestamp| {
                        at.0.checked_add(interval_ms(unit, n, sign)?).map(Timestamp).ok_or_else(out_of_range)
                    }),
                ),
            ]
        })
        .collect()
}

fn out_of_range() -> EvalError {
    EvalError::new("time out of range")
}

fn interval_ms(unit: &str, n: i32, sign: i64) -> Result<i64, EvalError> {
    let unit_ms = match unit {
        "MILLISECONDS" => 1,
        "SECONDS" => 1000,
        "MINUTES" => 60_000,
        "HOURS" => 3_600_000,
        "DAYS" => DAY_MS,
        _ => return Err(EvalError::new(format!("unknown unit of time {unit}"))),
    };
    // 2^31 days are less than 2^63 milliseconds.
    Ok(i64::from(n) * unit_ms * sign)
}

/// Parts of a day are dropped (towards 1970, as Java's TimeUnit does).
fn date_add(date: Date, interval_ms: i64) -> Result<Date, EvalError> {
    let days = (i64::from(date.0) * DAY_MS).checked_add(interval_ms).ok_or_else(out_of_range)? / DAY_MS;
    i32::try_from(days).map(Date).map_err(|_| out_of_range())
}

/// The clock goes round.
fn time_add(time: Time, interval_ms: i64) -> Time {
    Time((i64::from(time.0) + interval_ms).rem_euclid(DAY_MS) as i32)
}

#[cfg(test)]
mod tests {
    use types::{DataType, Value};

    use crate::testing::value;
    use crate::{Arg, ArgType, library};

    fn check(name: &str, unit: &str, n: i32, at: Value, data_type: DataType, expect: Option<Value>) {
        let types = [ArgType::Interval, ArgType::Value(DataType::Int, None), ArgType::Value(data_type, None)];
        let call = library().scalar(name, &types).unwrap();
        let args = [value(unit), value(n), at].map(Arg::Value);
        assert_eq!((call.code)(&args).ok(), expect, "{name} {unit} {n}");
    }

    #[test]
    fn intervals_are_added() {
        let date = |name, unit, n, days, expect| {
            check(name, unit, n, Value::Date(days), DataType::Date, Some(Value::Date(expect)));
        };
        date("DATEADD", "DAYS", 10, 10, 20);
        date("DATEADD", "HOURS", 25, 0, 1);
        date("DATESUB", "DAYS", 10, 5, -5);
        check("DATEADD", "DAYS", 1, Value::Date(i32::MAX), DataType::Date, None);
        check("TIMEADD", "HOURS", 2, Value::Time(23 * 3_600_000), DataType::Time, Some(Value::Time(3_600_000)));
        check("TIMESUB", "SECONDS", 1, Value::Time(0), DataType::Time, Some(Value::Time(86_399_000)));
        let at = |ms| Value::Timestamp(ms);
        check("TIMESTAMPADD", "MILLISECONDS", -5, at(2), DataType::Timestamp, Some(at(-3)));
        check("TIMESTAMPSUB", "MINUTES", 1, at(60_000), DataType::Timestamp, Some(at(0)));
        check("TIMESTAMPADD", "DAYS", i32::MAX, at(i64::MAX), DataType::Timestamp, None);
        check("TIMESTAMPADD", "MOONS", 1, at(0), DataType::Timestamp, None);
        check("TIMESTAMPADD", "DAYS", 1, Value::Null, DataType::Timestamp, Some(Value::Null));
    }

    #[test]
    fn a_column_is_no_unit() {
        let types = [ArgType::Value(DataType::Date, None), ArgType::Value(DataType::Int, None), ArgType::Value(DataType::Date, None)];
        assert!(library().scalar("DATEADD", &types).is_err());
    }
}
