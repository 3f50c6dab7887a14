//! DECIMAL: an exact number of up to 38 digits with a fixed scale.
//!
//! The unscaled number is an `i128`, kept as two words so that a `Value` stays 32 bytes.

use std::cmp::Ordering;
use std::fmt;

/// Why a decimal operation has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// The result needs more digits than the type has.
    #[error("numeric field overflow")]
    Overflow,
    /// Division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// The text is not a number.
    #[error("not a decimal number")]
    Invalid,
}

/// An exact number: `unscaled / 10^scale`.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    high: i64,
    low: u64,
    scale: u8,
}

impl Decimal {
    /// `unscaled / 10^scale`
    pub fn new(unscaled: i128, scale: u8) -> Self {
        Self { high: (unscaled >> 64) as i64, low: unscaled as u64, scale }
    }

    /// The number without its point.
    pub fn unscaled(&self) -> i128 {
        ((self.high as i128) << 64) | self.low as i128
    }

    /// Digits after the point.
    pub fn scale(&self) -> u8 {
        self.scale
    }

    /// The nearest DOUBLE.
    pub fn to_f64(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }
}
