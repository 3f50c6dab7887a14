//! Numbers and durations.

use types::Decimal;

use super::{Parser, Result, shortened};
use crate::ast::{IntervalUnit, Literal, Span};
use crate::error::{SqlError, SqlErrorCode, nearest};
use crate::lexer::TokenKind;

/// Digits a DECIMAL can have.
const DECIMAL_DIGITS_MAX: usize = 38;

impl Parser<'_> {
    /// Whether a number is `n` tokens ahead.
    pub(super) fn is_number(&self, n: usize) -> bool {
        use TokenKind::{Whole, WithExponent, WithPoint};
        matches!(self.token_after(n).kind, Whole | WithPoint | WithExponent)
    }

    /// The number that is next, with the sign that was read before it.
    pub(super) fn number(&mut self, is_negative: bool) -> Result<Literal> {
        let token = self.token().clone();
        let digits = self.source(token.span);
        let signed = format!("{}{digits}", if is_negative { "-" } else { "" });
        let literal = match token.kind {
            TokenKind::Whole => whole(&signed),
            TokenKind::WithPoint => decimal(digits, is_negative),
            TokenKind::WithExponent => {
                signed.parse().ok().filter(|number: &f64| number.is_finite()).map(Literal::Double)
            }
            _ => return Err(self.unexpected()),
        };
        let literal = literal.ok_or_else(|| out_of_range(&signed, token.span))?;
        self.advance();
        Ok(literal)
    }

    /// A whole number that is not negative, as after LIMIT.
    pub(super) fn count(&mut self, what: &'static str) -> Result<i64> {
        let token = self.token().clone();
        if token.kind != TokenKind::Whole {
            let message = match token.kind {
                TokenKind::End => format!("{what} expected at the end"),
                _ => format!("{what} expected instead of \"{}\"", shortened(self.source(token.span))),
            };
            return Err(self.error(message, token.span).with_hint("a whole number of 0 or more"));
        }
        let digits = self.source(token.span);
        let count = digits.parse().map_err(|_| out_of_range(digits, token.span))?;
        self.advance();
        Ok(count)
    }

    /// `5 MINUTES`, in ms.
    pub(super) fn duration_ms(&mut self) -> Result<i64> {
        let start = self.start();
        let number = self.count("duration")?;
        let unit_span = self.token().span;
        let unit = interval_unit(self.source(unit_span));
        let unit_ms = unit.and_then(unit_ms).ok_or_else(|| {
            let found = shortened(self.source(unit_span));
            let hint =
                match nearest(&found, UNITS.iter().flat_map(|unit| [*unit, unit.trim_end_matches('S')])) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("units are {}", UNITS.join(", ")),
                };
            self.error(format!("unit of time expected instead of \"{found}\""), unit_span).with_hint(hint)
        })?;
        self.advance();
        let span = self.span_from(start);
        number.checked_mul(unit_ms).ok_or_else(|| out_of_range(self.source(span), span))
    }

    /// The unit that is next and is followed by a comma, as in `DATEADD(DAYS, 1, d)`.
    pub(super) fn interval_argument(&self) -> Option<IntervalUnit> {
        let token = self.token();
        (token.kind == TokenKind::Word && self.token_is(1, ","))
            .then(|| interval_unit(self.source(token.span)))
            .flatten()
    }
}

fn out_of_range(number: &str, span: Span) -> SqlError {
    let message = format!("invalid numeric literal: {} is out of range", shortened(number));
    SqlError::new(SqlErrorCode::NumberOutOfRange, message, span)
}

fn whole(signed: &str) -> Option<Literal> {
    signed.parse().map(Literal::Integer).or_else(|_| signed.parse().map(Literal::BigInt)).ok()
}

fn decimal(digits: &str, is_negative: bool) -> Option<Literal> {
    let (before, after) = digits.split_once('.')?;
    let significant = before.trim_start_matches('0').len() + after.len();
    if significant > DECIMAL_DIGITS_MAX {
        return None;
    }
    let unscaled = format!("{before}{after}").parse::<i128>().ok()?;
    let scale = u8::try_from(after.len()).ok()?;
    Some(Literal::Decimal(Decimal::new(if is_negative { -unscaled } else { unscaled }, scale)))
}

/// Returns the unit of a word in singular or plural.
/// The units of windows, as they are suggested.
const UNITS: [&str; 5] = ["DAYS", "HOURS", "MINUTES", "SECONDS", "MILLISECONDS"];

pub(crate) fn interval_unit(word: &str) -> Option<IntervalUnit> {
    Some(match &*word.to_ascii_uppercase() {
        "YEAR" | "YEARS" => IntervalUnit::Years,
        "MONTH" | "MONTHS" => IntervalUnit::Months,
        "DAY" | "DAYS" => IntervalUnit::Days,
        "HOUR" | "HOURS" => IntervalUnit::Hours,
        "MINUTE" | "MINUTES" => IntervalUnit::Minutes,
        "SECOND" | "SECONDS" => IntervalUnit::Seconds,
        "MILLISECOND" | "MILLISECONDS" => IntervalUnit::Milliseconds,
        _ => return None,
    })
}

/// Months and years have no fixed length.
fn unit_ms(unit: IntervalUnit) -> Option<i64> {
    Some(match unit {
        IntervalUnit::Years | IntervalUnit::Months => return None,
        IntervalUnit::Days => 86_400_000,
        IntervalUnit::Hours => 3_600_000,
        IntervalUnit::Minutes => 60_000,
        IntervalUnit::Seconds => 1_000,
        IntervalUnit::Milliseconds => 1,
    })
}
