//! Functions of DOUBLEs: roots, powers, logarithms, trigonometry.
//!
//! ksqlDB declares these for INTEGER, BIGINT and DOUBLE; here the implicit cast to DOUBLE does it.
//! Results outside a function's domain are NaN or infinite, as in Java.

use crate::adapter::lift;
use crate::function::Scalar;

const CATEGORY: &str = "MATHEMATICAL";

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        of_one("ACOS", "Returns the arc cosine.", f64::acos),
        of_one("ASIN", "Returns the arc sine.", f64::asin),
        of_one("ATAN", "Returns the arc tangent.", f64::atan),
        of_one("CBRT", "Returns the cube root.", f64::cbrt),
        of_one("COS", "Returns the cosine.", f64::cos),
        of_one("COSH", "Returns the hyperbolic cosine.", f64::cosh),
        of_one("COT", "Returns the cotangent.", |x| 1.0 / x.tan()),
        of_one("DEGREES", "Converts radians to degrees.", f64::to_degrees),
        of_one("EXP", "Returns e to a power.", f64::exp),
        of_one("LN", "Returns the natural logarithm.", f64::ln),
        of_one("RADIANS", "Converts degrees to radians.", f64::to_radians),
        of_one("SIN", "Returns the sine.", f64::sin),
        of_one("SINH", "Returns the hyperbolic sine.", f64::sinh),
        of_one("SQRT", "Returns the square root.", f64::sqrt),
        of_one("TAN", "Returns the tangent.", f64::tan),
        of_one("TANH", "Returns the hyperbolic tangent.", f64::tanh),
        Scalar::new("ATAN2", CATEGORY, "Returns the angle of the point (x, y), given y before x.")
            .overload("(DOUBLE, DOUBLE) → DOUBLE", lift!(|y: f64, x: f64| y.atan2(x))),
        Scalar::new("LOG", CATEGORY, "Returns the natural logarithm, or that to a base given first.")
            .overload("(DOUBLE) → DOUBLE", lift!(|x: f64| x.ln()))
            .overload("(DOUBLE, DOUBLE) → DOUBLE", lift!(|base: f64, x: f64| log(base, x))),
        Scalar::new("PI", CATEGORY, "Returns π.").overload("() → DOUBLE", lift!(|| std::f64::consts::PI)),
        Scalar::new("POWER", CATEGORY, "Returns a number to a power.")
            .overload("(DOUBLE, DOUBLE) → DOUBLE", lift!(|base: f64, exponent: f64| power(base, exponent))),
        Scalar::new("SIGN", CATEGORY, "Returns -1, 0 or 1.")
            .overload("(DOUBLE) → INT", lift!(|x: f64| sign(x))),
    ]
}

fn of_one(name: &'static str, description: &'static str, f: fn(f64) -> f64) -> Scalar {
    Scalar::new(name, CATEGORY, description).overload("(DOUBLE) → DOUBLE", lift!(|x: f64| f(x)))
}

/// NaN for a base that is 1 or not positive.
fn log(base: f64, x: f64) -> f64 {
    if base <= 0.0 || base == 1.0 { f64::NAN } else { x.ln() / base.ln() }
}

/// As Java: `pow(1, NaN)` and `pow(±1, ±∞)` are NaN.
fn power(base: f64, exponent: f64) -> f64 {
    let is_nan_in_java = exponent.is_nan() || base.abs() == 1.0 && exponent.is_infinite();
    if is_nan_in_java { f64::NAN } else { base.powf(exponent) }
}

fn sign(x: f64) -> i32 {
    i32::from(x > 0.0) - i32::from(x < 0.0)
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, call, cases, value};

    #[test]
    fn values_of_the_functions() {
        cases!("EXP": (1.0) => std::f64::consts::E; (NULL) => NULL;);
        cases!("LN": (0.0) => f64::NEG_INFINITY; (2.0) => std::f64::consts::LN_2;);
        cases!("LOG": (13.0) => 2.5649493574615367; (15.0, 13.0) => 0.9471572411831843;
            (15.0, 0.0) => f64::NEG_INFINITY; (15.0, NULL) => NULL;);
        cases!("SQRT": (4.0) => 2.0;);
        cases!("CBRT": (-8.0) => -2.0;);
        cases!("SIGN": (-3.0) => -1; (0.0) => 0; (2.0) => 1;);
        cases!("COT": (0.0) => f64::INFINITY;);
        cases!("ATAN2": (0.0, -3.0) => std::f64::consts::PI;);
        cases!("POWER": (2.0, 10.0) => 1024.0;);
        cases!("PI": () => std::f64::consts::PI;);
        cases!("DEGREES": (std::f64::consts::PI) => 180.0;);
    }

    #[test]
    fn outside_the_domain_is_nan() {
        for (name, args) in [
            ("SQRT", vec![-1.0]),
            ("ACOS", vec![2.0]),
            ("LN", vec![-1.0]),
            ("LOG", vec![1.0, 13.0]),
            ("POWER", vec![1.0, f64::NAN]),
        ] {
            let args: Vec<_> = args.into_iter().map(value).collect();
            assert!(call(name, &args).unwrap().as_f64().unwrap().is_nan(), "{name}");
        }
    }
}
