//! DATEADD, DATESUB, TIMEADD, TIMESUB, TIMESTAMPADD, TIMESTAMPSUB: a time and an interval.

use types::EvalError;
use types::java_time::{Unit, add_to_date, add_to_time, add_to_timestamp};

use crate::adapter::{Date, Time, Timestamp, lift};
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    let adds = ["DATEADD", "TIMEADD", "TIMESTAMPADD"];
    let subs = ["DATESUB", "TIMESUB", "TIMESTAMPSUB"];
    [three(adds, "Adds an interval.", 1), three(subs, "Subtracts an interval.", -1)].concat()
}

fn three([date, time, timestamp]: [&'static str; 3], description: &'static str, sign: i64) -> Vec<Scalar> {
    vec![
        Scalar::new(date, "DATE_TIME", description).overload(
            "(INTERVALUNIT, INT, DATE) → DATE",
            lift!(|unit: &str, n: i32, date: Date| {
                add_to_date(date.0, i64::from(n) * sign, unit_of(unit)?).map(Date).ok_or_else(out_of_range)
            }),
        ),
        Scalar::new(time, "DATE_TIME", description).overload(
            "(INTERVALUNIT, INT, TIME) → TIME",
            lift!(|unit: &str, n: i32, time: Time| {
                add_to_time(time.0, i64::from(n) * sign, unit_of(unit)?).map(Time).ok_or_else(out_of_range)
            }),
        ),
        Scalar::new(timestamp, "DATE_TIME", description).overload(
            "(INTERVALUNIT, INT, TIMESTAMP) → TIMESTAMP",
            lift!(|unit: &str, n: i32, at: Timestamp| {
                add_to_timestamp(at.0, i64::from(n) * sign, unit_of(unit)?)
                    .map(Timestamp)
                    .ok_or_else(out_of_range)
            }),
        ),
    ]
}

fn out_of_range() -> EvalError {
    EvalError::new("time out of range")
}

fn unit_of(name: &str) -> Result<Unit, EvalError> {
    Ok(match name {
        "MILLISECONDS" => Unit::Milliseconds,
        "SECONDS" => Unit::Seconds,
        "MINUTES" => Unit::Minutes,
        "HOURS" => Unit::Hours,
        "DAYS" => Unit::Days,
        "WEEKS" => Unit::Weeks,
        "MONTHS" => Unit::Months,
        "YEARS" => Unit::Years,
        _ => return Err(EvalError::new(format!("unknown unit of time {name}"))),
    })
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
        date("DATEADD", "MONTHS", 1, 30, 58);
        check("DATEADD", "DAYS", 1, Value::Date(i32::MAX), DataType::Date, None);
        check("TIMEADD", "HOURS", 2, Value::Time(82_800_000), DataType::Time, Some(Value::Time(3_600_000)));
        check("TIMESUB", "SECONDS", 1, Value::Time(0), DataType::Time, Some(Value::Time(86_399_000)));
        let at = Value::Timestamp;
        check("TIMESTAMPADD", "MILLISECONDS", -5, at(2), DataType::Timestamp, Some(at(-3)));
        check("TIMESTAMPSUB", "MINUTES", 1, at(60_000), DataType::Timestamp, Some(at(0)));
        check("TIMESTAMPADD", "DAYS", i32::MAX, at(i64::MAX), DataType::Timestamp, None);
        check("TIMESTAMPADD", "MOONS", 1, at(0), DataType::Timestamp, None);
        check("TIMESTAMPADD", "DAYS", 1, Value::Null, DataType::Timestamp, Some(Value::Null));
    }

    #[test]
    fn a_column_is_no_unit() {
        let types =
            [DataType::Date, DataType::Int, DataType::Date].map(|data_type| ArgType::Value(data_type, None));
        assert!(library().scalar("DATEADD", &types).is_err());
    }
}
