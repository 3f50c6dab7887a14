//! Pacing a replay: how long to wait before an event, so that recorded gaps pass N times faster.
//!
//! The first event sets the origin; every later one is due `(its time - first time) / speed` after it. A reader that
//! falls behind is never told to wait until it has caught up. Recorded time is untrusted: a jump of more than
//! [`GAP_MS_MAX`] in either direction is not waited for, it moves the origin instead.

use std::{str::FromStr, time::Duration};

/// Longest gap in recorded time that is waited for; an hour of silence or a broken clock is skipped.
pub const GAP_MS_MAX: i64 = 60 * 60 * 1000;

/// Fastest pace that still counts as a pace.
const TIMES_MAX: f64 = 1e9;

/// How fast recorded time passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// As fast as the events can be read.
    Max,
    /// So many times the recorded speed; positive and finite.
    Times(f64),
}

/// Says why a speed was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("speed {text:?} is not a positive number, such as 10, 10x or 0.5, nor \"max\"")]
pub struct SpeedError {
    /// The text that was given.
    pub text: String,
}

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Self, SpeedError> {
        if text.eq_ignore_ascii_case("max") {
            return Ok(Self::Max);
        }
        let number = text.strip_suffix(['x', 'X']).unwrap_or(text);
        match number.parse::<f64>() {
            Ok(times) if times > 0.0 && times <= TIMES_MAX => Ok(Self::Times(times)),
            _ => Err(SpeedError { text: text.to_owned() }),
        }
    }
}

/// Decides how long to wait before each event of a replay.
#[derive(Debug, Clone)]
pub struct Pace {
    speed: Speed,
    origin: Option<Origin>,
    skipped_gaps: u64,
}

#[derive(Debug, Clone, Copy)]
struct Origin {
    event_ms: i64,
    at: Duration,
    latest_ms: i64,
}

impl Pace {
    /// Creates a pace that starts with the first event it is shown.
    pub fn new(speed: Speed) -> Self {
        Self { speed, origin: None, skipped_gaps: 0 }
    }

    /// Returns how long to wait before the event of time `event_ms`, where `now` is the monotonic time since any
    /// fixed moment.
    pub fn wait(&mut self, event_ms: i64, now: Duration) -> Duration {
        let Speed::Times(times) = self.speed else { return Duration::ZERO };
        let Some(origin) = &mut self.origin else {
            self.origin = Some(Origin { event_ms, at: now, latest_ms: event_ms });
            return Duration::ZERO;
        };
        if event_ms.abs_diff(origin.latest_ms) > GAP_MS_MAX as u64 {
            self.skipped_gaps += 1;
            *origin = Origin { event_ms, at: now, latest_ms: event_ms };
            return Duration::ZERO;
        }
        origin.latest_ms = origin.latest_ms.max(event_ms);
        let Ok(elapsed_ms) = u64::try_from(event_ms.saturating_sub(origin.event_ms)) else {
            return Duration::ZERO;
        };
        let due = Duration::try_from_secs_f64(elapsed_ms as f64 / 1000.0 / times).unwrap_or(Duration::MAX);
        origin.at.saturating_add(due).saturating_sub(now)
    }

    /// Returns how many gaps were too long to wait for.
    pub fn skipped_gaps(&self) -> u64 {
        self.skipped_gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn ten_times_faster_waits_a_tenth_of_the_gap() {
        let mut pace = Pace::new(Speed::Times(10.0));
        assert_eq!(pace.wait(5_000, ms(100)), ms(0));
        assert_eq!(pace.wait(6_000, ms(100)), ms(100));
        assert_eq!(pace.wait(6_000, ms(150)), ms(50));
    }

    #[test]
    fn reader_behind_its_time_catches_up_without_waiting() {
        let mut pace = Pace::new(Speed::Times(1.0));
        pace.wait(0, ms(0));
        assert_eq!(pace.wait(1_000, ms(3_000)), ms(0));
        assert_eq!(pace.wait(3_500, ms(3_000)), ms(500));
    }

    #[test]
    fn earlier_event_is_not_waited_for_and_later_ones_keep_their_place() {
        let mut pace = Pace::new(Speed::Times(1.0));
        pace.wait(10_000, ms(0));
        assert_eq!(pace.wait(9_000, ms(0)), ms(0));
        assert_eq!(pace.wait(10_500, ms(0)), ms(500));
    }

    #[test]
    fn gap_of_a_year_is_skipped() {
        let mut pace = Pace::new(Speed::Times(1.0));
        pace.wait(0, ms(0));
        assert_eq!(pace.wait(31_536_000_000, ms(10)), ms(0));
        assert_eq!(pace.wait(31_536_000_700, ms(10)), ms(700));
        assert_eq!(pace.skipped_gaps(), 1);
    }

    #[test]
    fn full_speed_never_waits() {
        let mut pace = Pace::new(Speed::Max);
        pace.wait(0, ms(0));
        assert_eq!(pace.wait(1_000, ms(0)), ms(0));
    }

    #[test]
    fn speeds_are_read_and_nonsense_is_refused() {
        assert_eq!("10x".parse(), Ok(Speed::Times(10.0)));
        assert_eq!("0.5".parse(), Ok(Speed::Times(0.5)));
        assert_eq!("MAX".parse(), Ok(Speed::Max));
        for text in ["", "x", "0", "-1", "nan", "inf", "1e300"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_wait_exceeds_the_longest_gap_times_events(times in 0.1f64..1000.0, events in prop::collection::vec(any::<i64>(), 1..50)) {
            let mut pace = Pace::new(Speed::Times(times));
            let bound = Duration::from_millis(GAP_MS_MAX as u64 * 50).div_f64(times) + ms(1);
            for event_ms in events {
                prop_assert!(pace.wait(event_ms, ms(0)) <= bound);
            }
        }
    }
}
