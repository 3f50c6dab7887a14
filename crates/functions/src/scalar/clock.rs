//! UNIX_DATE and UNIX_TIMESTAMP: the clock, or a DATE or TIMESTAMP as a number.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::adapter::{Date, Timestamp, lift};
use crate::function::Scalar;

const DAY_MS: i64 = 86_400_000;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("UNIX_DATE", "DATE_TIME", "Returns the days since 1970-01-01, of today or of a DATE.")
            .overload("() → INT", lift!(|| i32::try_from(now_ms().div_euclid(DAY_MS)).unwrap_or(i32::MAX)))
            .overload("(DATE) → INT", lift!(|date: Date| date.0))
            .impure(),
        Scalar::new(
            "UNIX_TIMESTAMP",
            "DATE_TIME",
            "Returns the milliseconds since 1970-01-01, of now or of a TIMESTAMP.",
        )
        .overload("() → BIGINT", lift!(|| now_ms()))
        .overload("(TIMESTAMP) → BIGINT", lift!(|at: Timestamp| at.0))
        .impure(),
    ]
}

/// The edge where the clock is read: ksqlDB, too, reads it for each row.
fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use types::Value;

    use crate::testing::{call, cases};

    #[test]
    fn clock_and_values_are_numbers() {
        cases!("UNIX_DATE": (Value::Date(10)) => 10;);
        cases!("UNIX_TIMESTAMP": (Value::Timestamp(10)) => 10i64;);
        assert!(call("UNIX_DATE", &[]).unwrap().as_i64() > Some(20_000));
    }
}
