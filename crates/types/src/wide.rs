//! 256-bit magnitudes, just enough for exact decimal arithmetic before rounding.

use std::cmp::Ordering;

/// The largest `k` for which `10^k` fits in a `u128`.
const POWER_MAX: u32 = 38;

/// `high * 2^128 + low`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wide {
    high: u128,
    low: u128,
}

impl Wide {
    pub(crate) fn new(low: u128) -> Self {
        Self { high: 0, low }
    }

    /// The exact product.
    pub(crate) fn product(left: u128, right: u128) -> Self {
        const MASK: u128 = u64::MAX as u128;
        let (a, b) = (left >> 64, left & MASK);
        let (c, d) = (right >> 64, right & MASK);
        if a == 0 && c == 0 {
            return Self::new(b * d);
        }
        let bottom = b * d;
        // At most 2^128 - 1: (2^64 - 1)^2 + 2 * (2^64 - 1).
        let middle = a * d + (bottom >> 64);
        let (middle, carry) = middle.overflowing_add(b * c);
        let high = a * c + (middle >> 64) + ((carry as u128) << 64);
        Self { high, low: (middle << 64) | (bottom & MASK) }
    }

    fn times(self, factor: u128) -> Option<Self> {
        let low = Self::product(self.low, factor);
        let high = self.high.checked_mul(factor)?.checked_add(low.high)?;
        Some(Self { high, low: low.low })
    }

    /// `self * 10^power`, if it fits.
    pub(crate) fn times_ten_to(mut self, mut power: u32) -> Option<Self> {
        if self.is_zero() {
            return Some(self);
        }
        while power > 0 {
            let step = power.min(POWER_MAX);
            self = self.times(10u128.pow(step))?;
            power -= step;
        }
        Some(self)
    }

    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        let (low, carry) = self.low.overflowing_add(other.low);
        let high = self.high.checked_add(other.high)?.checked_add(carry as u128)?;
        Some(Self { high, low })
    }

    /// `self - other`; `other` is not larger.
    pub(crate) fn minus(self, other: Self) -> Self {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        Self { high: self.high.wrapping_sub(other.high).wrapping_sub(borrow as u128), low }
    }

    /// Quotient and remainder; `divisor` is not zero.
    pub(crate) fn divided_by(self, divisor: u128) -> (Self, u128) {
        let (high, remainder) = (self.high / divisor, self.high % divisor);
        let (low, remainder) = divide_two_words(remainder, self.low, divisor);
        (Self { high, low }, remainder)
    }

    /// `self / 10^power`, half away from zero.
    pub(crate) fn over_ten_to(mut self, mut power: u32) -> Self {
        // Only the last step rounds: whether it is at least half is seen in its first digit alone.
        while power > POWER_MAX {
            self = self.divided_by(10u128.pow(POWER_MAX)).0;
            power -= POWER_MAX;
        }
        if power == 0 {
            return self;
        }
        let divisor = 10u128.pow(power);
        let (quotient, remainder) = self.divided_by(divisor);
        if remainder >= divisor / 2 { quotient.plus(Self::new(1)).unwrap_or(quotient) } else { quotient }
    }

    pub(crate) fn is_zero(self) -> bool {
        self.high == 0 && self.low == 0
    }

    /// The number, if it fits in one word.
    pub(crate) fn narrow(self) -> Option<u128> {
        (self.high == 0).then_some(self.low)
    }
}

/// Compares `left * 10^left_power` with `right * 10^right_power`.
pub(crate) fn compare_scaled(left: u128, left_power: u32, right: u128, right_power: u32) -> Ordering {
    if left == 0 || right == 0 {
        return left.cmp(&right);
    }
    let common = left_power.min(right_power);
    match (
        Wide::new(left).times_ten_to(left_power - common),
        Wide::new(right).times_ten_to(right_power - common),
    ) {
        (Some(left), Some(right)) => left.cmp(&right),
        // Only the side with a power can outgrow 256 bits, and then the other is smaller.
        (None, _) => Ordering::Greater,
        (_, None) => Ordering::Less,
    }
}

/// `(high * 2^128 + low) / divisor` where `high < divisor`.
fn divide_two_words(high: u128, low: u128, divisor: u128) -> (u128, u128) {
    if high == 0 {
        return (low / divisor, low % divisor);
    }
    let mut quotient = 0u128;
    let mut remainder = high;
    for bit in (0..128).rev() {
        let carry = remainder >> 127 != 0;
        remainder = (remainder << 1) | ((low >> bit) & 1);
        if carry || remainder >= divisor {
            remainder = remainder.wrapping_sub(divisor);
            quotient |= 1 << bit;
        }
    }
    (quotient, remainder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn largest_product_divides_back() {
        let product = Wide::product(u128::MAX, u128::MAX);
        assert_eq!(product, Wide { high: u128::MAX - 1, low: 1 });
        assert_eq!(product.divided_by(u128::MAX), (Wide::new(u128::MAX), 0));
    }

    #[test]
    fn division_by_a_large_power_rounds_half_up() {
        let half = Wide::new(5).times_ten_to(69).unwrap();
        assert_eq!(half.over_ten_to(70), Wide::new(1));
        assert_eq!(half.minus(Wide::new(1)).over_ten_to(70), Wide::new(0));
    }

    #[test]
    fn powers_beyond_256_bits_are_refused() {
        assert_eq!(Wide::new(1).times_ten_to(78), None);
        assert!(Wide::new(1).times_ten_to(77).is_some());
    }
}
