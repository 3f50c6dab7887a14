//! CONVERT_TZ: what the clocks of one zone show, read as if it were another's.

use jiff::tz::TimeZone;
use types::EvalError;
use types::java_time::zone;

use crate::adapter::{Timestamp, lift};
use crate::function::Scalar;
use crate::prepared::{Prepare, Prepared};

pub(super) fn functions() -> Vec<Scalar> {
    let read: Prepare<TimeZone> = |name| zone(name).map_err(|error| EvalError::new(error.to_string()));
    vec![
        Scalar::new("CONVERT_TZ", "DATE_TIME", "Moves a TIMESTAMP from one time zone to another.")
            .overload_with("(TIMESTAMP, STRING, STRING) → TIMESTAMP", move |call| {
                let (sources, targets) = (Prepared::of(call, 1, read)?, Prepared::of(call, 2, read)?);
                Ok(lift!(|at: Timestamp, from: &str, to: &str| {
                    convert(at.0, sources.get(from)?.as_ref(), targets.get(to)?.as_ref()).map(Timestamp)
                }))
            }),
    ]
}

/// The difference is that of the two zones at the moment given.
fn convert(ms: i64, from: &TimeZone, to: &TimeZone) -> Result<i64, EvalError> {
    let out_of_range = || EvalError::new("time out of range");
    let at = jiff::Timestamp::from_millisecond(ms).map_err(|_| out_of_range())?;
    let seconds = i64::from(to.to_offset(at).seconds()) - i64::from(from.to_offset(at).seconds());
    ms.checked_add(seconds * 1000).ok_or_else(out_of_range)
}

#[cfg(test)]
mod tests {
    use types::Value;

    use crate::testing::{NULL, cases, fails};

    #[test]
    fn difference_of_the_zones_is_added() {
        cases!("CONVERT_TZ":
            (Value::Timestamp(100), "+0200", "+0500") => Value::Timestamp(10_800_100);
            (Value::Timestamp(100), "America/Los_Angeles", "America/New_York") => Value::Timestamp(10_800_100);
            (NULL, "UTC", "UTC") => NULL;
        );
        fails!("CONVERT_TZ": (Value::Timestamp(i64::MAX), "UTC", "UTC"););
    }
}
