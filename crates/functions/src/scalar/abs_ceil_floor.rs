//! ABS, CEIL and FLOOR: the result has the argument's type.

use types::{Decimal, DecimalError, EvalError};

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        // Java's Math.abs leaves the least whole number as it is.
        Scalar::new("ABS", "MATHEMATICAL", "Returns the number without its sign.")
            .overload("(INT) → INT", lift!(|x: i32| x.wrapping_abs()))
            .overload("(BIGINT) → BIGINT", lift!(|x: i64| x.wrapping_abs()))
            .overload("(DOUBLE) → DOUBLE", lift!(|x: f64| x.abs()))
            .overload("(DECIMAL) → DECIMAL", lift!(|x: Decimal| x.abs())),
        Scalar::new("CEIL", "MATHEMATICAL", "Returns the least whole number that is not below.")
            .overload("(INT) → INT", lift!(|x: i32| x))
            .overload("(BIGINT) → BIGINT", lift!(|x: i64| x))
            .overload("(DOUBLE) → DOUBLE", lift!(|x: f64| x.ceil()))
            .overload("(DECIMAL) → DECIMAL", lift!(|x: Decimal| x.ceil().map_err(out_of_range))),
        Scalar::new("FLOOR", "MATHEMATICAL", "Returns the greatest whole number that is not above.")
            .overload("(INT) → INT", lift!(|x: i32| x))
            .overload("(BIGINT) → BIGINT", lift!(|x: i64| x))
            .overload("(DOUBLE) → DOUBLE", lift!(|x: f64| x.floor()))
            .overload("(DECIMAL) → DECIMAL", lift!(|x: Decimal| x.floor().map_err(out_of_range))),
    ]
}

pub(super) fn out_of_range(error: DecimalError) -> EvalError {
    EvalError::new(error.to_string())
}

#[cfg(test)]
mod tests {
    use types::Decimal;

    use crate::testing::cases;

    #[test]
    fn sign_is_dropped() {
        cases!("ABS": (-1) => 1; (i32::MIN) => i32::MIN; (-2i64) => 2i64; (-3.5) => 3.5;
            (Decimal::new(-32, 1)) => Decimal::new(32, 1););
    }

    #[test]
    fn fractions_are_dropped_up_and_down() {
        cases!("CEIL": (-1) => -1; (1.1) => 2.0; (Decimal::new(-11, 1)) => Decimal::new(-10, 1);
            (Decimal::new(11, 1)) => Decimal::new(20, 1););
        cases!("FLOOR": (7i64) => 7i64; (-1.1) => -2.0; (Decimal::new(-11, 1)) => Decimal::new(-20, 1););
    }
}
