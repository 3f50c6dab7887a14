//! Times and lengths of time in scenario files: `1500`, `1s`, `1h30m`, `2024-01-31T10:00:00Z`.

const UNITS: [(&str, i64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Milliseconds of a time or a length of time.
pub(crate) fn parse(text: &str) -> Option<i64> {
    if let Some(rest) = text.strip_prefix('-') {
        return parse(rest)?.checked_neg();
    }
    if let Ok(ms) = text.parse::<i64>() {
        return Some(ms);
    }
    if text.contains('T') {
        return text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
    }
    let mut rest = text;
    let mut total = 0i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |n| digits + n);
        let (_, factor) = UNITS.into_iter().find(|(name, _)| *name == &rest[digits..unit_end])?;
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = &rest[unit_end..];
    }
    (!text.is_empty()).then_some(total)
}

/// The shortest form that [`parse`] reads back.
pub(crate) fn show(ms: i64) -> String {
    match UNITS.into_iter().rev().find(|(_, factor)| ms != 0 && ms % factor == 0) {
        Some((unit, factor)) if factor > 1 => format!("{}{unit}", ms / factor),
        _ => ms.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_all_forms() {
        for (text, ms) in [
            ("0", 0),
            ("1500", 1500),
            ("-5", -5),
            ("1s", 1000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("2d", 172_800_000),
            ("1970-01-01T00:01:00Z", 60_000),
        ] {
            assert_eq!(parse(text), Some(ms), "{text}");
        }
        for text in ["", "s", "1x", "1s5", "9223372036854775807d", "-", "T"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn shown_times_are_read_back(ms in proptest::num::i64::ANY) {
            proptest::prop_assume!(ms != i64::MIN);
            proptest::prop_assert_eq!(parse(&show(ms)), Some(ms));
        }
    }
}
