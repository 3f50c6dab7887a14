//! Sixteen bytes looked at together: where a string may stop, where a number does.
//!
//! SSE2 is part of every x86-64, so there is nothing to detect; other machines use the scalar twins,
//! which the tests hold equal.

/// Bytes looked at together.
pub(super) const BLOCK_BYTES: usize = 16;

pub(super) type Block = [u8; BLOCK_BYTES];

/// What a block means inside a string, one bit a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StringMask {
    /// A quote, a backslash or a control character.
    pub special: u32,
    /// Not ASCII.
    pub high: u32,
}

/// The 16 bytes at `at`, if there are so many.
#[inline(always)]
pub(super) fn whole_block(bytes: &[u8], at: usize) -> Option<&Block> {
    bytes.get(at..)?.first_chunk()
}

/// The bytes at `at`, less than a block of them, as one number: filled up with zeros behind the end. A zero is a control
/// character and no digit, so every loop over blocks stops there.
#[inline(never)]
fn last_word(bytes: &[u8], at: usize) -> u128 {
    let rest = bytes.get(at..).unwrap_or_default();
    match bytes.last_chunk::<BLOCK_BYTES>() {
        // Every record ends so: the last 16 bytes there are, without those before `at`.
        Some(last) if !rest.is_empty() => {
            u128::from_le_bytes(*last) >> (8 * BLOCK_BYTES.saturating_sub(rest.len()))
        }
        _ => rest.iter().rev().fold(0, |word, byte| word << 8 | u128::from(*byte)),
    }
}

/// The string mask of the 16 bytes at `at`.
#[inline(always)]
pub(super) fn string_mask_at(bytes: &[u8], at: usize) -> StringMask {
    // Masks, not blocks, leave the branches: a block would take the way over memory.
    match whole_block(bytes, at) {
        Some(block) => string_mask(block),
        None => string_mask(&last_word(bytes, at).to_le_bytes()),
    }
}

/// Ones for the digits among the 16 bytes at `at`.
#[inline(always)]
pub(super) fn digit_mask_at(bytes: &[u8], at: usize) -> u32 {
    match whole_block(bytes, at) {
        Some(block) => digit_mask(block),
        None => digit_mask(&last_word(bytes, at).to_le_bytes()),
    }
}

/// Bytes that [`few_digits_at`] looks at.
pub(super) const FEW_BYTES: usize = 8;

/// How many of the 8 bytes at `at` are digits, from the first on; 0 also where there are fewer bytes.
#[inline(always)]
pub(super) fn few_digits_at(bytes: &[u8], at: usize) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else { return 0 };
    // Digits become 0 to 9; all else has or gets its top bit. Sums carry only out of bytes that are no digits.
    let digits = u64::from_le_bytes(*chunk) ^ (ONES * u64::from(b'0'));
    let others = (digits.wrapping_add(ONES * (0x80 - 10)) | digits) & (ONES * 0x80);
    others.trailing_zeros() as usize / 8
}

/// The 16 bytes at `at` as one number, the first byte lowest.
#[inline(always)]
pub(super) fn word_at(bytes: &[u8], at: usize) -> u128 {
    match whole_block(bytes, at) {
        Some(block) => u128::from_le_bytes(*block),
        None => last_word(bytes, at),
    }
}

#[cfg(target_arch = "x86_64")]
mod imp {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8, _mm_sub_epi8,
    };

    use super::{Block, StringMask};

    #[inline(always)]
    fn vector(block: &Block) -> __m128i {
        // SAFETY: the reference covers the 16 bytes read, and this load asks for no alignment.
        unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
    }

    #[inline(always)]
    pub(crate) fn string_mask(block: &Block) -> StringMask {
        let v = vector(block);
        // SAFETY: SSE2 is part of the x86-64 baseline; none of these touches memory.
        unsafe {
            let quote = _mm_cmpeq_epi8(v, _mm_set1_epi8(b'"' as i8));
            let backslash = _mm_cmpeq_epi8(v, _mm_set1_epi8(b'\\' as i8));
            let control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
            let special = _mm_or_si128(_mm_or_si128(quote, backslash), control);
            StringMask { special: _mm_movemask_epi8(special) as u32, high: _mm_movemask_epi8(v) as u32 }
        }
    }

    #[inline(always)]
    pub(crate) fn digit_mask(block: &Block) -> u32 {
        let v = vector(block);
        // SAFETY: as above.
        unsafe {
            let value = _mm_sub_epi8(v, _mm_set1_epi8(b'0' as i8));
            let digit = _mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value);
            _mm_movemask_epi8(digit) as u32
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
use scalar as imp;

use imp::{digit_mask, string_mask};

#[cfg(any(test, not(target_arch = "x86_64")))]
mod scalar {
    use super::{Block, StringMask};

    fn mask(block: &Block, test: impl Fn(u8) -> bool) -> u32 {
        block.iter().enumerate().fold(0, |bits, (i, &byte)| bits | u32::from(test(byte)) << i)
    }

    pub(crate) fn string_mask(block: &Block) -> StringMask {
        StringMask {
            special: mask(block, |b| b == b'"' || b == b'\\' || b < 0x20),
            high: mask(block, |b| b >= 0x80),
        }
    }

    pub(crate) fn digit_mask(block: &Block) -> u32 {
        mask(block, |b| b.is_ascii_digit())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_byte_value_is_classified_as_by_the_scalar_twin() {
        for byte in 0..=u8::MAX {
            for place in 0..BLOCK_BYTES {
                let mut block = [b'a'; BLOCK_BYTES];
                block[place] = byte;
                assert_eq!(string_mask(&block), scalar::string_mask(&block));
                assert_eq!(digit_mask(&block), scalar::digit_mask(&block));
            }
        }
    }

    proptest! {
        #[test]
        fn digits_are_counted_in_eight_bytes(text in "[0-9]{0,10}[ -~ä]?[0-9]{0,10}", at in 0usize..12) {
            let bytes = text.as_bytes();
            let rest = bytes.get(at..).unwrap_or_default();
            let count = rest.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
            prop_assert_eq!(few_digits_at(bytes, at), if rest.len() < 8 { 0 } else { count });
        }

        #[test]
        fn blocks_are_classified_as_by_the_scalar_twin(block: [u8; BLOCK_BYTES]) {
            prop_assert_eq!(string_mask(&block), scalar::string_mask(&block));
            prop_assert_eq!(digit_mask(&block), scalar::digit_mask(&block));
        }

        #[test]
        fn a_block_behind_the_end_is_filled_with_zeros(bytes in proptest::collection::vec(1u8.., 0..40), at in 0usize..50) {
            let mut padded = bytes.clone();
            padded.resize(100, 0);
            prop_assert_eq!(&word_at(&bytes, at).to_le_bytes()[..], &padded[at..at + BLOCK_BYTES]);
        }
    }
}
