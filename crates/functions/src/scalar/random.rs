//! RANDOM: a number from 0 to below 1.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("RANDOM", "MATHEMATICAL", "Returns a random number from 0 to below 1.")
            .overload("() → DOUBLE", lift!(|| unit(random_u64())))
            .impure(),
    ]
}

/// The upper 53 bits are the digits a DOUBLE has.
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// SplitMix64, seeded for each thread by the operating system (through the standard hasher's keys).
/// Not for secrets.
pub(super) fn random_u64() -> u64 {
    thread_local!(static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0u8)));
    STATE.with(|state| {
        state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut z = state.get();
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lie_between_zero_and_one() {
        assert_eq!(unit(0), 0.0);
        assert!(unit(u64::MAX) < 1.0);
        assert_ne!(random_u64(), random_u64());
    }
}
