//! FROM_DAYS and FROM_UNIXTIME: numbers as DATE and TIMESTAMP.

use crate::adapter::{Date, Timestamp, lift};
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("FROM_DAYS", "DATE_TIME", "Returns the DATE that many days after 1970-01-01.")
            .overload("(INT) → DATE", lift!(|days: i32| Date(days))),
        Scalar::new(
            "FROM_UNIXTIME",
            "DATE_TIME",
            "Returns the TIMESTAMP that many milliseconds after 1970-01-01.",
        )
        .overload("(BIGINT) → TIMESTAMP", lift!(|ms: i64| Timestamp(ms))),
    ]
}

#[cfg(test)]
mod tests {
    use types::Value;

    use crate::testing::{NULL, cases};

    #[test]
    fn numbers_become_times() {
        cases!("FROM_DAYS": (-10) => Value::Date(-10); (NULL) => NULL;);
        cases!("FROM_UNIXTIME": (100i64) => Value::Timestamp(100););
    }
}
