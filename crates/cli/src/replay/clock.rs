//! Offsets of a recorder's clock: `-2h`, `90s`, `1d12h`, `500ms`.

use anyhow::{Result, bail};

const UNITS_MS: [(&str, i64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Returns milliseconds.
pub fn parse_offset_ms(text: &str) -> Result<i64> {
    let (sign, mut rest) = match text.trim().strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.trim().trim_start_matches('+')),
    };
    let mut total_ms = 0_i64;
    if rest.is_empty() {
        bail!("clock offset {text:?} is empty");
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
        let unit_ms = UNITS_MS.iter().find(|(name, _)| *name == unit).map(|(_, unit_ms)| *unit_ms);
        let part_ms = number.parse::<i64>().ok().zip(unit_ms).and_then(|(n, unit_ms)| n.checked_mul(unit_ms));
        match part_ms.and_then(|part_ms| total_ms.checked_add(part_ms)) {
            Some(sum_ms) => total_ms = sum_ms,
            None => bail!("clock offset {text:?} is not a time such as 90s, -2h or 1d12h"),
        }
        rest = &rest[digits + letters..];
    }
    Ok(sign * total_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_with_sign_and_units() {
        for (text, ms) in
            [("90s", 90_000), ("-2h", -7_200_000), ("+1d12h", 129_600_000), ("500ms", 500), ("0s", 0)]
        {
            assert_eq!(parse_offset_ms(text).unwrap(), ms);
        }
        for text in ["", "-", "5", "s", "5 s", "5x", "99999999999999999999d", "9223372036854775807d", "日"] {
            assert!(parse_offset_ms(text).is_err(), "{text}");
        }
    }
}
