//! INT_FROM_BYTES, BIGINT_FROM_BYTES and DOUBLE_FROM_BYTES.

use types::EvalError;

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("INT_FROM_BYTES", "CONVERSIONS", "Reads four bytes as INTEGER.")
            .overload("(BYTES) → INT", lift!(|b: &[u8]| big_endian(b, "BIG_ENDIAN").map(i32::from_be_bytes)))
            .overload(
                "(BYTES, STRING) → INT",
                lift!(|b: &[u8], order: &str| big_endian(b, order).map(i32::from_be_bytes)),
            ),
        Scalar::new("BIGINT_FROM_BYTES", "CONVERSIONS", "Reads eight bytes as BIGINT.")
            .overload(
                "(BYTES) → BIGINT",
                lift!(|b: &[u8]| big_endian(b, "BIG_ENDIAN").map(i64::from_be_bytes)),
            )
            .overload(
                "(BYTES, STRING) → BIGINT",
                lift!(|b: &[u8], order: &str| big_endian(b, order).map(i64::from_be_bytes)),
            ),
        Scalar::new("DOUBLE_FROM_BYTES", "CONVERSIONS", "Reads eight bytes as DOUBLE.")
            .overload(
                "(BYTES) → DOUBLE",
                lift!(|b: &[u8]| big_endian(b, "BIG_ENDIAN").map(f64::from_be_bytes)),
            )
            .overload(
                "(BYTES, STRING) → DOUBLE",
                lift!(|b: &[u8], order: &str| big_endian(b, order).map(f64::from_be_bytes)),
            ),
    ]
}

/// The bytes in big-endian order.
fn big_endian<const N: usize>(bytes: &[u8], order: &str) -> Result<[u8; N], EvalError> {
    let mut bytes = <[u8; N]>::try_from(bytes)
        .map_err(|_| EvalError::new(format!("number must have {N} bytes, has {}", bytes.len())))?;
    match order.to_ascii_uppercase().as_str() {
        "BIG_ENDIAN" => {}
        "LITTLE_ENDIAN" => bytes.reverse(),
        _ => {
            return Err(EvalError::new(format!(
                "unknown byte order \"{order}\", expected BIG_ENDIAN or LITTLE_ENDIAN"
            )));
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use crate::testing::{cases, fails};

    #[test]
    fn both_byte_orders_are_read() {
        cases!("INT_FROM_BYTES": (vec![0u8, 0, 7, 0xe5]) => 2021;
            (vec![0xe5u8, 7, 0, 0], "LITTLE_ENDIAN") => 2021;);
        cases!("BIGINT_FROM_BYTES": (5i64.to_be_bytes().to_vec()) => 5i64;);
        cases!("DOUBLE_FROM_BYTES": (1.5f64.to_le_bytes().to_vec(), "little_endian") => 1.5;);
        fails!("INT_FROM_BYTES": (vec![1u8]); (vec![0u8; 4], "MIDDLE"););
    }
}
