//! Number text as Java reads and writes it: `Long.parseLong`, `BigDecimal`.

use types::Decimal;

/// A number taken apart: `digits × 10^-scale`.
struct Parts {
    negative: bool,
    /// Without zeros in front; none if the number is zero.
    digits: Vec<u8>,
    /// Digits as written behind the point, less the exponent: `BigDecimal`'s scale.
    scale: i64,
}

/// Why a text does not become the number asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberError {
    /// It is no number.
    Invalid,
    /// The type has not so many digits.
    OutOfRange,
    /// The type has not so many digits after the point.
    NeedsRounding,
}

/// Takes apart what `new BigDecimal(text)` accepts: JSON's numbers and also `+1`, `.5`, `5.` and `05`.
fn parts(text: &str) -> Option<Parts> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(e) => (&text[..e], i64::from(text[e + 1..].parse::<i32>().ok()?)),
        None => (text, 0),
    };
    let negative = mantissa.starts_with('-');
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let digits = whole.bytes().chain(fraction.bytes()).skip_while(|&digit| digit == b'0').collect();
    Some(Parts { negative, digits, scale: fraction.len() as i64 - exponent })
}

/// Returns a number's text as `BigDecimal.toString` has it; that is what ksqlDB puts into a STRING.
pub(crate) fn java_text(number: &str) -> String {
    let Some(Parts { negative, mut digits, scale }) = parts(number) else {
        return number.to_owned();
    };
    let zero = digits.is_empty();
    if zero {
        digits.push(b'0');
    }
    let mut text = String::with_capacity(digits.len() + 12);
    if negative && !zero {
        text.push('-');
    }
    let count = digits.len() as i64;
    let exponent = count - 1 - scale;
    let digits = digits.iter().map(|&digit| char::from(digit));
    if scale >= 0 && exponent >= -6 {
        // At most six zeros, as the exponent is not less than -6.
        if exponent < 0 {
            text.push_str("0.");
            text.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
            text.extend(digits);
        } else {
            for (i, digit) in digits.enumerate() {
                if i as i64 == exponent + 1 {
                    text.push('.');
                }
                text.push(digit);
            }
        }
        return text;
    }
    for (i, digit) in digits.enumerate() {
        if i == 1 {
            text.push('.');
        }
        text.push(digit);
    }
    if exponent != 0 {
        text.push_str(if exponent < 0 { "E" } else { "E+" });
        text.push_str(&exponent.to_string());
    }
    text
}

/// Returns the whole part of a number. Unlike ksqlDB, which keeps the low bits of a number that is too
/// large, out of range is an error.
pub(crate) fn whole(number: &str) -> Result<i64, NumberError> {
    if let Ok(value) = number.parse() {
        return Ok(value);
    }
    let Parts { negative, mut digits, scale } = parts(number).ok_or(NumberError::Invalid)?;
    let count = digits.len() as i64 - scale;
    if digits.is_empty() || count <= 0 {
        return Ok(0);
    }
    if count > 19 {
        return Err(NumberError::OutOfRange);
    }
    digits.resize(count as usize, b'0');
    let unsigned = unsigned(&digits);
    i64::try_from(if negative { -unsigned } else { unsigned }).map_err(|_| NumberError::OutOfRange)
}

/// Returns the number as DECIMAL of that precision and scale, exactly or not at all.
pub(crate) fn decimal(number: &str, precision: u8, scale: u8) -> Result<Decimal, NumberError> {
    let Parts { negative, mut digits, scale: written } = parts(number).ok_or(NumberError::Invalid)?;
    if digits.is_empty() {
        return Ok(Decimal::new(0, scale));
    }
    let count = digits.len() as i64 - written + i64::from(scale);
    if digits.len() as i64 - written > i64::from(precision) - i64::from(scale) {
        return Err(NumberError::OutOfRange);
    }
    if count <= 0 || digits.iter().skip(count as usize).any(|&digit| digit != b'0') {
        return Err(NumberError::NeedsRounding);
    }
    // Not more than `precision`, which is at most 38.
    digits.resize(count as usize, b'0');
    let unsigned = unsigned(&digits);
    Ok(Decimal::new(if negative { -unsigned } else { unsigned }, scale))
}

/// The number of at most 38 digits.
fn unsigned(digits: &[u8]) -> i128 {
    digits.iter().fold(0, |value, digit| value * 10 + i128::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_that_of_big_decimal() {
        for (number, text) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0.0"),
            ("12", "12"),
            ("-12.50", "-12.50"),
            ("0.0000010", "0.0000010"),
            ("0.0000001", "1E-7"),
            ("1e3", "1E+3"),
            ("1.50e3", "1.50E+3"),
            ("1.5e1", "15"),
            ("1.25e1", "12.5"),
            ("123e-2", "1.23"),
            ("1e-7", "1E-7"),
            ("0e3", "0E+3"),
            ("0.00", "0.00"),
        ] {
            assert_eq!(java_text(number), text, "{number}");
        }
    }

    #[test]
    fn whole_part_is_cut_and_range_is_checked() {
        assert_eq!(whole("1.9"), Ok(1));
        assert_eq!(whole("-1.9"), Ok(-1));
        assert_eq!(whole("1.9e3"), Ok(1900));
        assert_eq!(whole("0.5"), Ok(0));
        assert_eq!(whole("0e999999"), Ok(0));
        assert_eq!(whole("1e-999999"), Ok(0));
        assert_eq!(whole("9223372036854775807.9"), Ok(i64::MAX));
        assert_eq!(whole("-9223372036854775808.0"), Ok(i64::MIN));
        assert_eq!(whole("9223372036854775808"), Err(NumberError::OutOfRange));
        assert_eq!(whole("1e19"), Err(NumberError::OutOfRange));
        assert_eq!(whole("1e2147483647"), Err(NumberError::OutOfRange));
        assert_eq!(whole("x"), Err(NumberError::Invalid));
    }

    #[test]
    fn decimal_is_exact_or_an_error() {
        let unscaled = |text, precision, scale| decimal(text, precision, scale).map(|d| d.unscaled());
        assert_eq!(unscaled("10", 6, 4), Ok(100_000));
        assert_eq!(unscaled(".12", 33, 16), Ok(1_200_000_000_000_000));
        assert_eq!(unscaled("-0.0001", 6, 4), Ok(-1));
        assert_eq!(unscaled("1.23000", 4, 2), Ok(123));
        assert_eq!(unscaled("1.234", 4, 2), Err(NumberError::NeedsRounding));
        assert_eq!(unscaled("1e-9", 4, 2), Err(NumberError::NeedsRounding));
        assert_eq!(unscaled("100", 4, 2), Err(NumberError::OutOfRange));
        assert_eq!(unscaled("1e99", 38, 0), Err(NumberError::OutOfRange));
        assert_eq!(unscaled("99999999999999999999999999999999999999", 38, 0), Ok(10i128.pow(38) - 1));
        assert_eq!(unscaled("", 4, 2), Err(NumberError::Invalid));
        assert_eq!(unscaled("1 ", 4, 2), Err(NumberError::Invalid));
    }
}
