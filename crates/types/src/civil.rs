//! The proleptic Gregorian calendar for any day an `i64` of milliseconds can reach.

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    /// 0 is 1 BC.
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: u32,
    /// 1 to 31.
    pub(crate) day: u32,
}

/// Days in the 400 years after which the calendar repeats.
const CYCLE_DAYS: i64 = 146_097;

impl Civil {
    /// The day `days` after 1970-01-01.
    pub(crate) fn from_days(days: i64) -> Self {
        // Years begin in March here, so that the leap day is the last: 719468 days before 1970-01-01.
        let shifted = days + 719_468;
        let cycle = shifted.div_euclid(CYCLE_DAYS);
        let day_of_cycle = shifted.rem_euclid(CYCLE_DAYS);
        let year_of_cycle =
            (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
        let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year_of_cycle + cycle * 400 + i64::from(month <= 2);
        Self { year, month: month as u32, day: day as u32 }
    }

    /// Days since 1970-01-01; the year is within ±10^15.
    pub(crate) fn to_days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let cycle = year.div_euclid(400);
        let year_of_cycle = year.rem_euclid(400);
        let march_month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * march_month + 2) / 5 + i64::from(self.day) - 1;
        let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
        cycle * CYCLE_DAYS + day_of_cycle - 719_468
    }

    /// The day, if month and day exist.
    pub(crate) fn checked(year: i64, month: u32, day: u32) -> Option<Self> {
        let exists = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
        exists.then_some(Self { year, month, day })
    }

    /// 1 to 366.
    pub(crate) fn day_of_year(self) -> u32 {
        (self.to_days() - Self { month: 1, day: 1, ..self }.to_days() + 1) as u32
    }
}

/// 1 is Monday, 7 is Sunday.
pub(crate) fn weekday(days: i64) -> u32 {
    (days + 3).rem_euclid(7) as u32 + 1
}

pub(crate) fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(crate) fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_days() {
        assert_eq!(Civil::from_days(0), Civil { year: 1970, month: 1, day: 1 });
        assert_eq!(Civil::from_days(-1), Civil { year: 1969, month: 12, day: 31 });
        assert_eq!(Civil { year: 2000, month: 2, day: 29 }.to_days(), 11_016);
        assert_eq!(Civil { year: 2020, month: 12, day: 31 }.day_of_year(), 366);
        assert_eq!(weekday(0), 4);
        assert_eq!(Civil::checked(2021, 2, 29), None);
    }

    proptest! {
        #[test]
        fn days_round_trip(ms: i64) {
            let days = ms.div_euclid(DAY_MS);
            prop_assert_eq!(Civil::from_days(days).to_days(), days);
        }

        #[test]
        fn days_agree_with_the_library(days in -4_000_000i64..2_900_000) {
            let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            let civil = Civil::from_days(days);
            prop_assert_eq!((civil.year, civil.month, civil.day), (date.year().into(), date.month() as u32, date.day() as u32));
        }
    }
}
