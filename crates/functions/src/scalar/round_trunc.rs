//! ROUND and TRUNC: digits after the point dropped, to the nearest number or towards zero.
//!
//! Halves are rounded up, in the positive direction. A negative number of digits counts before the point.

use types::{DataType, Decimal, EvalError, Rounding};

use super::abs_ceil_floor::out_of_range;
use crate::adapter::lift;
use crate::function::Scalar;
use crate::registry::{FunctionError, ScalarCode};
use crate::signature::Resolved;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        function("ROUND", "Rounds to a number of digits, halves up.", Mode::HalfUp),
        function("TRUNC", "Cuts to a number of digits.", Mode::Down),
    ]
}

/// What happens to the dropped digits.
#[derive(Clone, Copy)]
enum Mode {
    HalfUp,
    Down,
}

fn function(name: &'static str, description: &'static str, mode: Mode) -> Scalar {
    Scalar::new(name, "MATHEMATICAL", description)
        .overload("(BIGINT) → BIGINT", lift!(|x: i64| x))
        .overload("(INT) → BIGINT", lift!(|x: i32| i64::from(x)))
        // Beyond BIGINT the cast stays at its ends, as in Java.
        .overload("(DOUBLE) → BIGINT", lift!(|x: f64| whole(x, mode) as i64))
        .overload("(DOUBLE, INT) → DOUBLE", lift!(|x: f64, digits: i32| rounded(x, digits, mode)))
        .overload_with("(DECIMAL) → DECIMAL", move |call| whole_decimal(call, mode))
        .overload(
            "(DECIMAL, INT) → DECIMAL",
            lift!(|x: Decimal, digits: i32| rounded_decimal(x, digits, mode)),
        )
}

/// Unlike `(x + 0.5).floor()`, exact for 0.49999999999999994 and for numbers beyond 2^52.
fn whole(x: f64, mode: Mode) -> f64 {
    match mode {
        Mode::Down => x.trunc(),
        Mode::HalfUp => {
            let floor = x.floor();
            if x - floor >= 0.5 { floor + 1.0 } else { floor }
        }
    }
}

/// Rounds the shortest decimal text of `x`, as Java's `BigDecimal.valueOf(x)` would be.
fn rounded(x: f64, digits: i32, mode: Mode) -> f64 {
    let text = format!("{x:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return x };
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let (Ok(unscaled), Ok(exponent)) = (mantissa.replace('.', "").parse::<i128>(), exponent.parse::<i64>())
    else {
        return x;
    };
    let scale = i64::try_from(fraction).unwrap_or(0) - exponent;
    let dropped = scale - i64::from(digits);
    if dropped <= 0 {
        return x;
    }
    // A DOUBLE has at most 17 digits: with more to drop nothing is left, not even a half.
    let divisor = if dropped > 18 { return 0.0 } else { 10i128.pow(dropped as u32) };
    let kept = match mode {
        Mode::Down => unscaled / divisor,
        Mode::HalfUp => (2 * unscaled + divisor).div_euclid(2 * divisor),
    };
    format!("{kept}e{}", -i64::from(digits)).parse().unwrap_or(x)
}

fn rounded_decimal(x: Decimal, digits: i32, mode: Mode) -> Result<Decimal, EvalError> {
    let rounding = match mode {
        Mode::Down => Rounding::Down,
        Mode::HalfUp if x.signum() >= 0 => Rounding::HalfUp,
        Mode::HalfUp => return half_up_negative(x, digits).map_err(out_of_range),
    };
    x.rounded_to(digits, rounding).map_err(out_of_range)
}

/// A negative half goes towards zero: the number is rounded away from zero, and brought back by one
/// unit of the kept digits if it was exactly a half.
fn half_up_negative(x: Decimal, digits: i32) -> Result<Decimal, types::DecimalError> {
    let floor = x.rounded_to(digits, Rounding::Floor)?;
    let ceiling = x.rounded_to(digits, Rounding::Ceiling)?;
    let (below, above) = (x.unscaled() - floor.unscaled(), ceiling.unscaled() - x.unscaled());
    Ok(if above <= below { ceiling } else { floor })
}

/// The result has the digits before the point that the argument has, as in ksqlDB; 9.9 of DECIMAL(2, 1)
/// does not fit when rounded to 10, and is an error.
fn whole_decimal(call: &mut Resolved, mode: Mode) -> Result<ScalarCode, FunctionError> {
    let whole_digits = match call.param(0) {
        Some(DataType::Decimal { precision, scale }) => precision.saturating_sub(*scale).max(1),
        _ => 38,
    };
    call.returns = DataType::Decimal { precision: whole_digits, scale: 0 };
    Ok(lift!(|x: Decimal| rounded_decimal(x, 0, mode)?.fit(whole_digits, 0).map_err(out_of_range)))
}

#[cfg(test)]
mod tests {
    use types::Decimal;

    use crate::testing::{NULL, cases, fails};

    #[test]
    fn doubles_are_rounded_halves_up() {
        cases!("ROUND":
            (1.5) => 2i64;
            (-1.5) => -1i64;
            (-1.6) => -2i64;
            (0.49999999999999994) => 0i64;
            (f64::NAN) => 0i64;
            (f64::INFINITY) => i64::MAX;
            (1.25, 1) => 1.3;
            (-1.25, 1) => -1.2;
            (0.285, 2) => 0.29;
            (12345.678, -2) => 12300.0;
            (5.0, -1) => 10.0;
            (4.0, -20) => 0.0;
            (1e300, 5) => 1e300;
            (1.1, i32::MAX) => 1.1;
            (1.1, i32::MIN) => 0.0;
            (1.5, NULL) => NULL;
        );
    }

    #[test]
    fn doubles_are_cut() {
        cases!("TRUNC":
            (1.7) => 1i64;
            (-1.7) => -1i64;
            (12345.678, 2) => 12345.67;
            (-12345.678, -1) => -12340.0;
            (1.1, -2) => 0.0;
        );
    }

    #[test]
    fn decimals_keep_their_scale_when_digits_are_given() {
        cases!("ROUND":
            (Decimal::new(125, 2), 1) => Decimal::new(130, 2);
            (Decimal::new(-125, 2), 1) => Decimal::new(-120, 2);
            (Decimal::new(-126, 2), 1) => Decimal::new(-130, 2);
            (Decimal::new(125, 2), 5) => Decimal::new(125, 2);
            (Decimal::new(995, 2), -1) => Decimal::new(1000, 2);
            (Decimal::new(995, 2)) => Decimal::new(10, 0);
            (Decimal::new(-250, 2)) => Decimal::new(-2, 0);
        );
        let nines = "9".repeat(18).parse::<i128>().unwrap() * 100 + 99;
        fails!("ROUND": (Decimal::new(nines, 2)););
        cases!("TRUNC": (Decimal::new(-199, 2)) => Decimal::new(-1, 0);
            (Decimal::new(199, 2), 1) => Decimal::new(190, 2););
    }
}
