//! UUID: a random one, or sixteen bytes written as one.

use super::random::random_u64;
use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("UUID", "STRING", "Returns a random UUID, or the UUID of sixteen bytes.")
            .overload("() → STRING", lift!(|| random_uuid(random_u64(), random_u64())))
            .overload(
                "(BYTES) → STRING",
                lift!(|bytes: &[u8]| <[u8; 16]>::try_from(bytes).ok().map(|bytes| uuid_text(&bytes))),
            )
            .impure(),
    ]
}

/// Version 4, variant 1, as RFC 9562 numbers the bits.
fn random_uuid(high: u64, low: u64) -> String {
    let bits = (u128::from(high) << 64 | u128::from(low)) & !(0xf << 76 | 0b11 << 62);
    uuid_text(&(bits | 0x4 << 76 | 0b10 << 62).to_be_bytes())
}

fn uuid_text(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NULL, cases};

    #[test]
    fn random_bits_make_a_version_4_uuid() {
        assert_eq!(random_uuid(0, 0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(random_uuid(u64::MAX, u64::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn sixteen_bytes_are_written_as_uuid() {
        cases!("UUID":
            ((0u8..16).collect::<Vec<_>>()) => "00010203-0405-0607-0809-0a0b0c0d0e0f";
            (vec![1u8]) => NULL;
        );
    }
}
