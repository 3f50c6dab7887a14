//! The DECIMAL type an operation on two DECIMALs has: SQL Server's rules, as ksqlDB uses them.
//!
//! Unlike ksqlDB, whose precision has no limit, results are capped at 38 digits: the digits before the
//! point are kept, and of those after it at least `SCALE_KEPT`.

/// Digits a DECIMAL can have.
pub const PRECISION_MAX: u8 = 38;

/// Digits after the point that a capped result keeps at least, if it had them.
const SCALE_KEPT: u16 = 6;

/// Precision and scale of INTEGER where a DECIMAL is needed.
pub const INT_AS_DECIMAL: (u8, u8) = (10, 0);

/// Precision and scale of BIGINT where a DECIMAL is needed.
pub const BIGINT_AS_DECIMAL: (u8, u8) = (19, 0);

/// Returns precision and scale of a sum or difference.
pub fn add_type(p1: u8, s1: u8, p2: u8, s2: u8) -> (u8, u8) {
    let (precision, scale) = wide(p1, s1, p2, s2);
    cap(precision + 1, scale)
}

/// Returns precision and scale of a product.
pub fn mul_type(p1: u8, s1: u8, p2: u8, s2: u8) -> (u8, u8) {
    cap(u16::from(p1) + u16::from(p2) + 1, u16::from(s1) + u16::from(s2))
}

/// Returns precision and scale of a quotient.
pub fn div_type(p1: u8, s1: u8, p2: u8, s2: u8) -> (u8, u8) {
    let scale = (u16::from(s1) + u16::from(p2) + 1).max(6);
    cap(whole(p1, s1) + u16::from(s2) + scale, scale)
}

/// Returns precision and scale of a remainder.
pub fn rem_type(p1: u8, s1: u8, p2: u8, s2: u8) -> (u8, u8) {
    let scale = u16::from(s1.max(s2));
    cap((whole(p1, s1).min(whole(p2, s2)) + scale).max(1), scale)
}

/// Returns the smallest precision and scale that hold both.
pub fn widest_type(p1: u8, s1: u8, p2: u8, s2: u8) -> (u8, u8) {
    let (precision, scale) = wide(p1, s1, p2, s2);
    cap(precision, scale)
}

fn wide(p1: u8, s1: u8, p2: u8, s2: u8) -> (u16, u16) {
    let scale = u16::from(s1.max(s2));
    (whole(p1, s1).max(whole(p2, s2)) + scale, scale)
}

fn whole(precision: u8, scale: u8) -> u16 {
    u16::from(precision.saturating_sub(scale))
}

fn cap(precision: u16, scale: u16) -> (u8, u8) {
    let max = u16::from(PRECISION_MAX);
    if precision <= max {
        return (precision as u8, scale as u8);
    }
    let whole = precision - scale.min(precision);
    let scale = max.saturating_sub(whole).max(scale.min(SCALE_KEPT));
    (PRECISION_MAX, scale as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_operands_get_an_exact_type() {
        assert_eq!(add_type(4, 2, 4, 2), (5, 2));
        assert_eq!(add_type(5, 2, 4, 2), (6, 2));
        assert_eq!(mul_type(4, 2, 4, 2), (9, 4));
        assert_eq!(div_type(4, 2, 4, 2), (11, 7));
        assert_eq!(rem_type(4, 2, 4, 2), (4, 2));
        assert_eq!(widest_type(4, 2, 10, 0), (12, 2));
    }

    #[test]
    fn results_beyond_38_digits_keep_the_whole_part() {
        assert_eq!(mul_type(38, 10, 38, 10), (38, 6));
        assert_eq!(add_type(38, 10, 38, 10), (38, 9));
        assert_eq!(div_type(19, 0, 19, 0), (38, 19));
    }
}
