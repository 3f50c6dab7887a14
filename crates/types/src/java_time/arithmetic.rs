//! Adds to DATE, TIME and TIMESTAMP; a negative amount subtracts.

use crate::civil::{Civil, DAY_MS, days_in_month};

/// What an amount counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Calendar years.
    Years,
    /// Calendar months.
    Months,
    /// Seven days.
    Weeks,
    /// 24 hours.
    Days,
    /// 60 minutes.
    Hours,
    /// 60 seconds.
    Minutes,
    /// 1000 milliseconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    /// The unit in milliseconds; months and years have none.
    fn ms(self) -> Option<i64> {
        match self {
            Self::Years | Self::Months => None,
            Self::Weeks => Some(7 * DAY_MS),
            Self::Days => Some(DAY_MS),
            Self::Hours => Some(3_600_000),
            Self::Minutes => Some(60_000),
            Self::Seconds => Some(1000),
            Self::Milliseconds => Some(1),
        }
    }

    fn months(self) -> i64 {
        if self == Self::Years { 12 } else { 1 }
    }
}

/// Returns the TIMESTAMP `amount` units later, in UTC's calendar; `None` beyond the type.
pub fn add_to_timestamp(ms: i64, amount: i64, unit: Unit) -> Option<i64> {
    match unit.ms() {
        Some(unit_ms) => ms.checked_add(amount.checked_mul(unit_ms)?),
        None => {
            let days = add_months(ms.div_euclid(DAY_MS), amount.checked_mul(unit.months())?)?;
            days.checked_mul(DAY_MS)?.checked_add(ms.rem_euclid(DAY_MS))
        }
    }
}

/// Returns the DATE `amount` units later; parts of a day are cut off. `None` beyond the type.
pub fn add_to_date(days: i32, amount: i64, unit: Unit) -> Option<i32> {
    let ms = add_to_timestamp(i64::from(days) * DAY_MS, amount, unit)?;
    i32::try_from(ms.div_euclid(DAY_MS)).ok()
}

/// Returns the TIME `amount` units later, going on after midnight; `None` for months and years.
pub fn add_to_time(ms: i32, amount: i64, unit: Unit) -> Option<i32> {
    let units_per_day = DAY_MS / unit.ms()?.min(DAY_MS);
    let added = amount % units_per_day * unit.ms()?;
    Some((i64::from(ms) + added).rem_euclid(DAY_MS) as i32)
}

/// Day 31 of a shorter month is its last day.
fn add_months(days: i64, months: i64) -> Option<i64> {
    const YEAR_MAX: i64 = 1_000_000_000;
    let Civil { year, month, day } = Civil::from_days(days);
    let total = (year * 12 + i64::from(month) - 1).checked_add(months)?;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) as u32 + 1);
    if year.abs() > YEAR_MAX {
        return None;
    }
    Some(Civil { year, month, day: day.min(days_in_month(year, month)) }.to_days())
}
