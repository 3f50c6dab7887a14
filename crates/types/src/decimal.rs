//! DECIMAL: an exact number of up to 38 digits with a fixed scale.
//!
//! The unscaled number is an `i128`, kept as two words so that a `Value` stays 32 bytes. Arithmetic is
//! exact in 256 bits, then rounded once, half away from zero, into the result's precision and scale.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::decimal_type::PRECISION_MAX;
use crate::wide::{Wide, compare_scaled};

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
    /// Digits would be lost although rounding was not asked for.
    #[error("rounding needed")]
    Inexact,
}

/// What happens to digits that do not fit the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest, halves away from zero.
    HalfUp,
    /// Towards zero.
    Down,
    /// Towards negative infinity.
    Floor,
    /// Towards positive infinity.
    Ceiling,
    /// Lost digits are an error.
    Exact,
}

/// An exact number: `unscaled / 10^scale`.
///
/// Order and equality are numeric: `1.0` equals `1.00`.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    high: i64,
    low: u64,
    scale: u8,
}

impl Decimal {
    /// Zero with no digits after the point.
    pub const ZERO: Self = Self { high: 0, low: 0, scale: 0 };

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

    /// Digits of the unscaled number, at least 1.
    pub fn precision(&self) -> u8 {
        digits(self.magnitude())
    }

    /// Whether the number has at most `precision` digits.
    pub fn fits(&self, precision: u8) -> bool {
        self.precision() <= precision
    }

    /// The shortest decimal that reads back as the DOUBLE, as Java's `BigDecimal.valueOf`.
    pub fn from_f64(value: f64) -> Result<Self, DecimalError> {
        if !value.is_finite() {
            return Err(DecimalError::Invalid);
        }
        zmij::Buffer::new().format_finite(value).parse()
    }

    /// The nearest DOUBLE.
    pub fn to_f64(&self) -> f64 {
        const EXACT_MAX: u128 = 1 << 53;
        let magnitude = self.magnitude();
        // Both operands are exact, so the quotient is correctly rounded.
        if magnitude <= EXACT_MAX && self.scale <= 22 {
            return self.unscaled() as f64 / 10f64.powi(self.scale.into());
        }
        fast_float2::parse(self.to_string()).unwrap_or(f64::NAN)
    }

    /// The whole part, if it fits.
    pub fn to_i64(&self) -> Option<i64> {
        i64::try_from(self.whole()).ok()
    }

    /// The whole part without a bound.
    pub fn whole(&self) -> i128 {
        match 10i128.checked_pow(self.scale.into()) {
            Some(divisor) => self.unscaled() / divisor,
            None => 0,
        }
    }

    /// The same number with `scale` digits after the point.
    pub fn rescale(self, scale: u8, rounding: Rounding) -> Result<Self, DecimalError> {
        let unscaled = self.unscaled();
        if scale >= self.scale {
            let power = u32::from(scale - self.scale);
            if unscaled == 0 {
                return Ok(Self::new(0, scale));
            }
            let factor = 10i128.checked_pow(power).ok_or(DecimalError::Overflow)?;
            return Ok(Self::new(unscaled.checked_mul(factor).ok_or(DecimalError::Overflow)?, scale));
        }
        // A power beyond i128 is more than twice any magnitude but the smallest i128's.
        let (quotient, remainder, half) = match 10i128.checked_pow(u32::from(self.scale - scale)) {
            Some(divisor) => {
                let remainder = unscaled % divisor;
                (unscaled / divisor, remainder, remainder.unsigned_abs() >= divisor.unsigned_abs() / 2)
            }
            None => (0, unscaled, false),
        };
        let away = match rounding {
            _ if remainder == 0 => false,
            Rounding::HalfUp => half,
            Rounding::Down => false,
            Rounding::Floor => unscaled < 0,
            Rounding::Ceiling => unscaled > 0,
            Rounding::Exact => return Err(DecimalError::Inexact),
        };
        Ok(Self::new(if away { quotient + unscaled.signum() } else { quotient }, scale))
    }

    /// The number as DECIMAL(precision, scale), rounded half up.
    pub fn fit(self, precision: u8, scale: u8) -> Result<Self, DecimalError> {
        let rescaled = self.rescale(scale, Rounding::HalfUp)?;
        if rescaled.fits(precision) { Ok(rescaled) } else { Err(DecimalError::Overflow) }
    }

    /// The sum as DECIMAL(precision, scale), rounded half up.
    pub fn add(self, right: Self, precision: u8, scale: u8) -> Result<Self, DecimalError> {
        if self.scale == right.scale
            && scale == self.scale
            && let Some(sum) = self.unscaled().checked_add(right.unscaled())
        {
            return Self::new(sum, scale).fit(precision, scale);
        }
        let common = self.scale.max(right.scale);
        let scaled = |number: Self| {
            let power = u32::from(common - number.scale);
            Wide::new(number.magnitude()).times_ten_to(power).ok_or(DecimalError::Overflow)
        };
        let (left, other) = (scaled(self)?, scaled(right)?);
        let (negative, sum) = match (self.is_negative(), right.is_negative()) {
            (a, b) if a == b => (a, left.plus(other).ok_or(DecimalError::Overflow)?),
            (a, _) if left >= other => (a, left.minus(other)),
            (_, b) => (b, other.minus(left)),
        };
        Self::round(negative, sum, common.into(), precision, scale)
    }

    /// The difference as DECIMAL(precision, scale), rounded half up.
    pub fn sub(self, right: Self, precision: u8, scale: u8) -> Result<Self, DecimalError> {
        self.add(right.negated()?, precision, scale)
    }

    /// The product as DECIMAL(precision, scale), rounded half up.
    pub fn mul(self, right: Self, precision: u8, scale: u8) -> Result<Self, DecimalError> {
        let product = Wide::product(self.magnitude(), right.magnitude());
        let product_scale = u32::from(self.scale) + u32::from(right.scale);
        Self::round(self.is_negative() != right.is_negative(), product, product_scale, precision, scale)
    }

    /// The quotient as DECIMAL(precision, scale), rounded half up.
    pub fn div(self, right: Self, precision: u8, scale: u8) -> Result<Self, DecimalError> {
        let (dividend, divisor) = (self.magnitude(), right.magnitude());
        if divisor == 0 {
            return Err(DecimalError::DivisionByZero);
        }
        let negative = self.is_negative() != right.is_negative();
        let power = i32::from(scale) + i32::from(right.scale) - i32::from(self.scale);
        let (dividend, divisor) = if power >= 0 {
            let dividend = Wide::new(dividend).times_ten_to(power.unsigned_abs());
            (dividend.ok_or(DecimalError::Overflow)?, divisor)
        } else {
            let divisor = Wide::new(divisor).times_ten_to(power.unsigned_abs()).and_then(Wide::narrow);
            match divisor {
                Some(divisor) => (Wide::new(dividend), divisor),
                // A divisor beyond 128 bits is at least twice the dividend.
                None => return Ok(Self::new(0, scale)),
            }
        };
        let (quotient, remainder) = dividend.divided_by(divisor);
        let up = remainder >= divisor - remainder;
        let quotient = quotient.plus(Wide::new(up.into())).ok_or(DecimalError::Overflow)?;
        Self::round(negative, quotient, scale.into(), precision, scale)
    }

    /// The remainder, with the sign of the dividend, as DECIMAL(precision, scale).
    pub fn rem(self, right: Self, precision: u8, scale: u8) -> Result<Self, DecimalError> {
        let (dividend, divisor) = (self.magnitude(), right.magnitude());
        if divisor == 0 {
            return Err(DecimalError::DivisionByZero);
        }
        let remainder = if self.scale >= right.scale {
            let power = u32::from(self.scale - right.scale);
            match Wide::new(divisor).times_ten_to(power).and_then(Wide::narrow) {
                Some(divisor) => dividend % divisor,
                None => dividend,
            }
        } else {
            let power = u32::from(right.scale - self.scale);
            Wide::new(dividend).times_ten_to(power).ok_or(DecimalError::Overflow)?.divided_by(divisor).1
        };
        let common = self.scale.max(right.scale);
        Self::round(self.is_negative(), Wide::new(remainder), common.into(), precision, scale)
    }

    /// The number without its sign.
    pub fn abs(self) -> Self {
        Self::new(self.unscaled().saturating_abs(), self.scale)
    }

    /// The number with the opposite sign.
    pub fn negated(self) -> Result<Self, DecimalError> {
        let unscaled = self.unscaled().checked_neg().ok_or(DecimalError::Overflow)?;
        Ok(Self::new(unscaled, self.scale))
    }

    /// The smallest whole number not below, keeping the scale.
    pub fn ceil(self) -> Result<Self, DecimalError> {
        self.rounded_to(0, Rounding::Ceiling)
    }

    /// The largest whole number not above, keeping the scale.
    pub fn floor(self) -> Result<Self, DecimalError> {
        self.rounded_to(0, Rounding::Floor)
    }

    /// The number rounded half up to `places` after the point (before it if negative), keeping the scale.
    pub fn round_to(self, places: i32) -> Result<Self, DecimalError> {
        self.rounded_to(places, Rounding::HalfUp)
    }

    /// The number rounded to `places` after the point (before it if negative), keeping the scale.
    pub fn rounded_to(self, places: i32, rounding: Rounding) -> Result<Self, DecimalError> {
        let dropped = i64::from(self.scale) - i64::from(places);
        if dropped <= 0 {
            return Ok(self);
        }
        // With the point moved, the digits to drop are those after it.
        let dropped = u8::try_from(dropped.min(255)).unwrap_or(u8::MAX);
        let kept = Self::new(self.unscaled(), dropped).rescale(0, rounding)?;
        Ok(Self::new(kept.rescale(dropped, rounding)?.unscaled(), self.scale))
    }

    /// -1, 0 or 1.
    pub fn signum(&self) -> i32 {
        self.unscaled().signum() as i32
    }

    /// The same number without zeros at the end of the digits after the point.
    pub fn normalized(self) -> Self {
        let (mut unscaled, mut scale) = (self.unscaled(), self.scale);
        while scale > 0 && unscaled % 10 == 0 {
            unscaled /= 10;
            scale -= 1;
        }
        Self::new(unscaled, scale)
    }

    fn magnitude(&self) -> u128 {
        self.unscaled().unsigned_abs()
    }

    fn is_negative(&self) -> bool {
        self.high < 0
    }

    fn round(
        negative: bool,
        magnitude: Wide,
        from_scale: u32,
        precision: u8,
        scale: u8,
    ) -> Result<Self, DecimalError> {
        let scaled = match from_scale.checked_sub(scale.into()) {
            Some(power) => magnitude.over_ten_to(power),
            None => magnitude.times_ten_to(u32::from(scale) - from_scale).ok_or(DecimalError::Overflow)?,
        };
        let magnitude = scaled.narrow().and_then(|m| i128::try_from(m).ok()).ok_or(DecimalError::Overflow)?;
        let result = Self::new(if negative { -magnitude } else { magnitude }, scale);
        if result.fits(precision) { Ok(result) } else { Err(DecimalError::Overflow) }
    }
}

impl From<i32> for Decimal {
    fn from(value: i32) -> Self {
        Self::new(value.into(), 0)
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self::new(value.into(), 0)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let (left, right) = (self.unscaled(), other.unscaled());
        if self.scale == other.scale {
            return left.cmp(&right);
        }
        let by_magnitude = || {
            let (a, b) = (left.unsigned_abs(), right.unsigned_abs());
            compare_scaled(a, other.scale.into(), b, self.scale.into())
        };
        match (left.signum(), right.signum()) {
            (-1, -1) => by_magnitude().reverse(),
            (1, 1) => by_magnitude(),
            (a, b) => a.cmp(&b),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Decimal {}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let normalized = self.normalized();
        normalized.unscaled().hash(state);
        // Zero is one number, whatever its scale was.
        normalized.scale.hash(state);
    }
}

/// All digits, no exponent, as Java's `BigDecimal.toPlainString`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negative() {
            f.write_str("-")?;
        }
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(self.magnitude());
        let scale = usize::from(self.scale);
        if scale == 0 {
            return f.write_str(digits);
        }
        match digits.len().checked_sub(scale) {
            Some(whole) if whole > 0 => {
                f.write_str(&digits[..whole])?;
                f.write_str(".")?;
                f.write_str(&digits[whole..])
            }
            _ => {
                f.write_str("0.")?;
                for _ in digits.len()..scale {
                    f.write_str("0")?;
                }
                f.write_str(digits)
            }
        }
    }
}

/// Sign, digits, point and exponent as Java's `BigDecimal(String)`; `1.10` keeps its scale of 2.
///
/// Unlike Java, digits after the point that exceed 38 in all are rounded half up.
impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let bytes = text.as_bytes();
        let (negative, bytes) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, bytes),
        };
        let end = bytes.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(bytes.len());
        let exponent = if end < bytes.len() { parse_exponent(&bytes[end + 1..])? } else { 0 };
        let mut reader = DigitReader::default();
        for &byte in &bytes[..end] {
            reader.read(byte)?;
        }
        let magnitude = reader.finish()?;
        let unscaled = if negative { -magnitude } else { magnitude };
        place_point(unscaled, reader.scale - exponent)
    }
}

/// Collects digits left to right and rounds those beyond the 38th significant one.
#[derive(Default)]
struct DigitReader {
    magnitude: u128,
    significant: u8,
    scale: i64,
    point_seen: bool,
    any_digit: bool,
    first_dropped: Option<u8>,
}

impl DigitReader {
    fn read(&mut self, byte: u8) -> Result<(), DecimalError> {
        match byte {
            b'.' if !self.point_seen => self.point_seen = true,
            b'0'..=b'9' => self.digit(byte - b'0'),
            _ => return Err(DecimalError::Invalid),
        }
        Ok(())
    }

    fn digit(&mut self, digit: u8) {
        self.any_digit = true;
        if self.significant < PRECISION_MAX && self.first_dropped.is_none() {
            self.magnitude = self.magnitude * 10 + u128::from(digit);
            self.significant += u8::from(self.magnitude != 0);
            self.scale += i64::from(self.point_seen);
        } else {
            self.first_dropped.get_or_insert(digit);
            self.scale -= i64::from(!self.point_seen);
        }
    }

    fn finish(&self) -> Result<i128, DecimalError> {
        if !self.any_digit {
            return Err(DecimalError::Invalid);
        }
        let up = self.first_dropped.is_some_and(|d| d >= 5);
        i128::try_from(self.magnitude + u128::from(up)).map_err(|_| DecimalError::Overflow)
    }
}

fn parse_exponent(bytes: &[u8]) -> Result<i64, DecimalError> {
    let digits = bytes.strip_prefix(b"+").or(bytes.strip_prefix(b"-")).unwrap_or(bytes);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecimalError::Invalid);
    }
    const EXPONENT_DIGITS_MAX: usize = 9;
    let first = digits.iter().position(|&d| d != b'0').unwrap_or(digits.len());
    let digits = &digits[first..];
    if digits.len() > EXPONENT_DIGITS_MAX {
        return Err(DecimalError::Overflow);
    }
    let value = digits.iter().fold(0i64, |value, d| value * 10 + i64::from(d - b'0'));
    Ok(if bytes[0] == b'-' { -value } else { value })
}

/// `unscaled / 10^scale` brought to a scale of 0 to 38.
fn place_point(unscaled: i128, scale: i64) -> Result<Decimal, DecimalError> {
    let max = i64::from(PRECISION_MAX);
    if unscaled == 0 {
        return Ok(Decimal::new(0, scale.clamp(0, max) as u8));
    }
    if scale < 0 {
        if scale < -max {
            return Err(DecimalError::Overflow);
        }
        let grown = Decimal::new(unscaled, 0).rescale((-scale) as u8, Rounding::Exact)?;
        let whole = Decimal::new(grown.unscaled(), 0);
        return if whole.fits(PRECISION_MAX) { Ok(whole) } else { Err(DecimalError::Overflow) };
    }
    match u8::try_from(scale) {
        Ok(scale) if scale <= PRECISION_MAX => Ok(Decimal::new(unscaled, scale)),
        Ok(scale) => Decimal::new(unscaled, scale).rescale(PRECISION_MAX, Rounding::HalfUp),
        Err(_) => Ok(Decimal::new(0, PRECISION_MAX)),
    }
}

fn digits(magnitude: u128) -> u8 {
    magnitude.checked_ilog10().map_or(1, |log| log as u8 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn text_keeps_its_scale() {
        for text in ["1.10", "0", "-0.05", "123", "0.000", "99999999999999999999999999999999999999"] {
            assert_eq!(decimal(text).to_string(), text);
        }
        assert_eq!(decimal("01.00").to_string(), "1.00");
        assert_eq!(decimal(".5").to_string(), "0.5");
        assert_eq!(decimal("5.").to_string(), "5");
        assert_eq!(decimal("1.5E3").to_string(), "1500");
        assert_eq!(decimal("1.5e-3").to_string(), "0.0015");
    }

    #[test]
    fn hostile_text_is_refused() {
        for text in ["", "-", ".", "1.2.3", "1e", "e5", "1e+", "--1", " 1", "1_0", "0x1", "NaN"] {
            assert_eq!(text.parse::<Decimal>(), Err(DecimalError::Invalid), "{text}");
        }
        for text in ["1e39", "1e999999999999", "-100000000000000000000000000000000000000"] {
            assert_eq!(text.parse::<Decimal>(), Err(DecimalError::Overflow), "{text}");
        }
        assert_eq!(decimal("1e-999999999"), Decimal::ZERO);
    }

    #[test]
    fn digits_beyond_38_are_rounded() {
        let text = format!("0.{}5", "3".repeat(38));
        assert_eq!(decimal(&text).to_string(), format!("0.{}4", "3".repeat(37)));
    }

    #[test]
    fn order_ignores_scale() {
        assert_eq!(decimal("1.0"), decimal("1.00"));
        assert!(decimal("10.01") < decimal("10.012"));
        assert!(decimal("-10.012") < decimal("-10.01"));
        assert!(Decimal::new(i128::MAX, 0) > Decimal::new(i128::MAX, 255));
        assert!(Decimal::new(i128::MIN, 0) < Decimal::new(i128::MIN, 255));
    }

    #[test]
    fn arithmetic_gives_the_asked_for_scale() {
        assert_eq!(decimal("10.01").add(decimal("5.10"), 5, 2).unwrap().to_string(), "15.11");
        assert_eq!(decimal("10.1").mul(decimal("-2.0"), 9, 4).unwrap().to_string(), "-20.2000");
        assert_eq!(decimal("10").div(decimal("3"), 10, 2).unwrap().to_string(), "3.33");
        assert_eq!(decimal("2").div(decimal("3"), 10, 2).unwrap().to_string(), "0.67");
        assert_eq!(decimal("-1").div(decimal("8"), 10, 2).unwrap().to_string(), "-0.13");
        assert_eq!(decimal("10.10").rem(decimal("-2.00"), 4, 2).unwrap().to_string(), "0.10");
        assert_eq!(decimal("1").div(decimal("0.00"), 10, 2), Err(DecimalError::DivisionByZero));
        assert_eq!(decimal("99.99").add(decimal("0.01"), 4, 2), Err(DecimalError::Overflow));
    }

    #[test]
    fn rounding_to_places_keeps_the_scale() {
        let large = decimal("12345678987654321.2345678987654321");
        assert_eq!(large.round_to(10).unwrap().to_string(), "12345678987654321.2345678988000000");
        assert_eq!(large.round_to(-2).unwrap().to_string(), "12345678987654300.0000000000000000");
        assert_eq!(decimal("-1.5").ceil().unwrap().to_string(), "-1.0");
        assert_eq!(decimal("-1.5").floor().unwrap().to_string(), "-2.0");
        assert_eq!(decimal("1.5").round_to(0).unwrap().to_string(), "2.0");
    }

    #[test]
    fn doubles_are_read_by_their_shortest_text() {
        assert_eq!(Decimal::from_f64(0.1).unwrap().to_string(), "0.1");
        assert_eq!(Decimal::from_f64(1e20).unwrap().whole(), 100_000_000_000_000_000_000);
        assert_eq!(Decimal::from_f64(f64::NAN), Err(DecimalError::Invalid));
        assert_eq!(Decimal::from_f64(1e300), Err(DecimalError::Overflow));
    }

    /// The model: the same number as text of equal length, compared digit by digit.
    fn aligned(number: Decimal) -> i128 {
        number.rescale(12, Rounding::Exact).unwrap().unscaled()
    }

    prop_compose! {
        fn small()(unscaled in -1_000_000_000_000i128..1_000_000_000_000, scale in 0u8..=12) -> Decimal {
            Decimal::new(unscaled, scale)
        }
    }

    prop_compose! {
        fn any_decimal()(unscaled in any::<i128>(), scale in any::<u8>()) -> Decimal {
            Decimal::new(unscaled, scale)
        }
    }

    proptest! {
        #[test]
        fn order_is_that_of_aligned_numbers(a in small(), b in small()) {
            prop_assert_eq!(a.cmp(&b), aligned(a).cmp(&aligned(b)));
        }

        #[test]
        fn sum_and_difference_are_exact(a in small(), b in small()) {
            prop_assert_eq!(a.add(b, 38, 12).unwrap().unscaled(), aligned(a) + aligned(b));
            prop_assert_eq!(a.sub(b, 38, 12).unwrap().unscaled(), aligned(a) - aligned(b));
        }

        #[test]
        fn product_is_exact(a in small(), b in small()) {
            let product = a.mul(b, 38, a.scale() + b.scale()).unwrap();
            prop_assert_eq!(product.unscaled(), a.unscaled() * b.unscaled());
        }

        #[test]
        fn quotient_is_within_half_a_unit(a in small(), b in small()) {
            prop_assume!(b.signum() != 0);
            let (a, b) = (Decimal::new(a.unscaled() % 1_000_000, a.scale()), b);
            let quotient = a.div(b, 38, 6).unwrap();
            // 2 * |a * 10^6 - quotient * b| <= |b|, all at one scale
            let error = (aligned(a) * 1_000_000 - quotient.unscaled() * aligned(b)).abs();
            prop_assert!(2 * error <= aligned(b).abs());
        }

        #[test]
        fn remainder_is_that_of_aligned_numbers(a in small(), b in small()) {
            prop_assume!(b.signum() != 0);
            prop_assert_eq!(a.rem(b, 38, 12).unwrap().unscaled(), aligned(a) % aligned(b));
        }

        #[test]
        fn text_round_trips(unscaled in -10i128.pow(37)..10i128.pow(37), scale in 0u8..=38) {
            let number = Decimal::new(unscaled, scale);
            let back = decimal(&number.to_string());
            prop_assert_eq!((back.unscaled(), back.scale()), (unscaled, scale));
        }

        #[test]
        fn nothing_panics(a in any_decimal(), b in any_decimal(), p in any::<u8>(), s in any::<u8>(), places in any::<i32>()) {
            let _ = (a.add(b, p, s), a.sub(b, p, s), a.mul(b, p, s), a.div(b, p, s), a.rem(b, p, s));
            let _ = (a.cmp(&b), a.rescale(s, Rounding::HalfUp), a.to_f64(), a.to_i64(), a.abs(), a.negated());
            let _ = (a.ceil(), a.floor(), a.round_to(places), a.to_string(), a.normalized());
        }

        #[test]
        fn parsing_never_panics(text in "[-+0-9.eE]{0,60}") {
            let _ = text.parse::<Decimal>();
        }
    }
}
