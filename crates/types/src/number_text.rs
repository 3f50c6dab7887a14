//! DOUBLE and BYTES as text, digit for digit what Java prints.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Text;

/// Returns the DOUBLE as Java's `Double.toString` (JDK 19 and later): the shortest digits that read back,
/// plain from 10^-3 up to 10^7, else as `1.0E10`.
pub fn double_text(value: f64) -> Text {
    if value.is_nan() {
        return Text::const_new("NaN");
    }
    if value.is_infinite() {
        return Text::const_new(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let mut text = Text::const_new("");
    if value.is_sign_negative() {
        text.push('-');
    }
    let magnitude = value.abs();
    if magnitude == 0.0 {
        text.push_str("0.0");
        return text;
    }
    let mut shortest = Shortest::of(magnitude);
    if magnitude == f64::from_bits(1) {
        // Java asks for two digits if there are two: 4.9E-324, not 5E-324.
        shortest = Shortest { digits: *b"49000000000000000000", len: 2, exponent: -324 };
    }
    shortest.write(&mut text);
    text
}

/// Returns the DOUBLE a text stands for: digits with sign, point and exponent, or `NaN` and `Infinity` in
/// any case; surrounding blanks are ignored.
pub fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.eq_ignore_ascii_case("NaN") {
        return Some(f64::NAN);
    }
    if unsigned.eq_ignore_ascii_case("Infinity") {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    let plain = |b: &u8| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    if !unsigned.as_bytes().iter().all(plain) {
        return None;
    }
    fast_float2::parse(text.strip_prefix('+').filter(|rest| !rest.starts_with('-')).unwrap_or(text)).ok()
}

/// Returns the bytes as base64 with padding.
pub fn bytes_to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Returns the bytes a base64 text stands for, `None` if it is not base64.
pub fn bytes_from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// The shortest digits of a positive number: `d.ddd * 10^exponent`.
struct Shortest {
    digits: [u8; 20],
    len: usize,
    exponent: i32,
}

impl Shortest {
    fn of(magnitude: f64) -> Self {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(magnitude);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let mut shortest =
            Self { digits: [b'0'; 20], len: 0, exponent: exponent.parse().unwrap_or_default() };
        // Where the point stands, counted in significant digits.
        let mut point = None;
        let mut zeros_before = 0;
        for byte in mantissa.bytes() {
            match byte {
                b'.' => point = Some(shortest.len as i32 - zeros_before),
                b'0' if shortest.len == 0 => zeros_before += i32::from(point.is_some()),
                digit => shortest.push(digit),
            }
        }
        let whole = match point {
            Some(point) if zeros_before == 0 => point,
            Some(point) => point - zeros_before,
            None => shortest.len as i32,
        };
        shortest.exponent += whole - 1;
        while shortest.len > 1 && shortest.digits[shortest.len - 1] == b'0' {
            shortest.len -= 1;
        }
        shortest
    }

    fn push(&mut self, digit: u8) {
        // 17 digits suffice for any DOUBLE; plain notation adds zeros that only move the point.
        if let Some(slot) = self.digits.get_mut(self.len) {
            *slot = digit;
            self.len += 1;
        }
    }

    fn write(&self, text: &mut Text) {
        let digits = std::str::from_utf8(&self.digits[..self.len]).unwrap_or_default();
        match self.exponent {
            0..7 => {
                let whole = self.exponent as usize + 1;
                if digits.len() > whole {
                    text.push_str(&digits[..whole]);
                    text.push('.');
                    text.push_str(&digits[whole..]);
                } else {
                    text.push_str(digits);
                    text.extend(std::iter::repeat_n('0', whole - digits.len()));
                    text.push_str(".0");
                }
            }
            -3..0 => {
                text.push_str("0.");
                text.extend(std::iter::repeat_n('0', (-self.exponent - 1) as usize));
                text.push_str(digits);
            }
            _ => {
                text.push_str(&digits[..1]);
                text.push('.');
                text.push_str(if digits.len() > 1 { &digits[1..] } else { "0" });
                text.push('E');
                text.push_str(itoa::Buffer::new().format(self.exponent));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_print_as_in_java() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (100.0, "100.0"),
            (123456.789, "123456.789"),
            (1234567.0, "1234567.0"),
            (1e7, "1.0E7"),
            (12345678.9, "1.23456789E7"),
            (1e10, "1.0E10"),
            (0.001, "0.001"),
            (0.00123, "0.00123"),
            (0.0001, "1.0E-4"),
            (1e-5, "1.0E-5"),
            (0.012, "0.012"),
            (2e23, "2.0E23"),
            (1.0e23, "1.0E23"),
            (9007199254740993.0, "9.007199254740992E15"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (5e-324, "4.9E-324"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double_text(value), text);
        }
    }

    #[test]
    fn odd_texts_are_no_doubles() {
        for text in ["", "-", "1f", "1d", "0x1p3", "inf", "1 2", "e5", "+-1", "--1", "1e"] {
            assert_eq!(parse_double(text), None, "{text}");
        }
        assert_eq!(parse_double(" +1.5e3 "), Some(1500.0));
        assert_eq!(parse_double("-infinity"), Some(f64::NEG_INFINITY));
    }

    proptest! {
        #[test]
        fn double_text_reads_back(value in any::<f64>()) {
            let text = double_text(value);
            prop_assert_eq!(parse_double(&text).unwrap().to_bits(), value.to_bits());
        }

        #[test]
        fn base64_reads_back(bytes: Vec<u8>) {
            prop_assert_eq!(bytes_from_base64(&bytes_to_base64(&bytes)), Some(bytes));
        }
    }
}
