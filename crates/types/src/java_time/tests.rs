//! Patterns against what Java's formatter gives.

use proptest::prelude::*;

use super::*;

fn utc(pattern: &str, text: &str) -> Result<i64, TimeError> {
    Pattern::parse(pattern).unwrap().parse_timestamp(text, &TimeZone::UTC)
}

fn print(pattern: &str, ms: i64, zone_name: &str) -> String {
    let zone = zone(zone_name).unwrap();
    Pattern::parse(pattern).unwrap().format_timestamp(ms, &zone).unwrap().into()
}

#[test]
fn timestamps_are_read() {
    for (pattern, text, ms) in [
        ("yyyy-MM-dd'T'HH:mm:ssX", "2018-05-11T21:58:33Z", 1_526_075_913_000),
        ("yyyy-MM-dd'T'HH:mm:ssX", "2018-05-11t21:58:33z", 1_526_075_913_000),
        ("yyyy-MM-dd'T'HH:mm:ss.SX", "2019-08-27T13:31:09.2+0000", 1_566_912_669_200),
        ("yyyy-MM-dd'T'HH:mm:ss zzz", "2018-05-11T21:58:33 PST", 1_526_101_113_000),
        ("yyyy-MM-dd HH:mm:ss VV", "2018-05-11 14:58:33 America/Los_Angeles", 1_526_075_913_000),
        ("yyyyMMddHHmmssSSS", "20180511215833123", 1_526_075_913_123),
        ("yyyy-MM-dd[ HH:mm[:ss]]", "1970-01-02", 86_400_000),
        ("yyyy-MM-dd[ HH:mm[:ss]]", "1970-01-02 00:01", 86_460_000),
        ("dd/MMM/yyyy:HH:mm:ss Z", "01/Jan/1970:01:00:00 +0100", 0),
        ("EEE MMM d HH:mm:ss yyyy", "Thu Jan 1 00:00:01 1970", 1000),
        ("h:mm a", "1:05 pm", 47_100_000),
        ("yyyy-DDD", "2020-366", 1_609_372_800_000),
        ("''yy", "'70", 3_155_760_000_000),
        ("yyyy-MM-dd", "2021-02-30", 1_614_470_400_000),
    ] {
        assert_eq!(utc(pattern, text), Ok(ms), "{pattern} {text}");
    }
}

#[test]
fn texts_that_do_not_match_are_refused() {
    assert_eq!(utc("yyyy-MM-dd", "not a date"), Err(TimeError::Mismatch(0)));
    assert_eq!(utc("yyyy-MM-dd", "2020-01-01x"), Err(TimeError::Mismatch(10)));
    assert_eq!(utc("yyyy-MM-dd", "2020-13-01"), Err(TimeError::Invalid));
    assert_eq!(utc("EEE yyyy-MM-dd", "Mon 1970-01-01"), Err(TimeError::Invalid));
    assert!(utc("VV", "Nowhere/City").is_err());
    assert!(utc("u", "999999999999999999").is_err());
}

#[test]
fn timestamps_are_printed() {
    let ms = 1_526_075_913_007;
    for (pattern, zone, text) in [
        ("yyyy-MM-dd HH:mm:ss zzz", "America/Los_Angeles", "2018-05-11 14:58:33 PDT"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSX", "UTC", "2018-05-11T21:58:33.007Z"),
        (
            "X XX XXX x Z ZZZZZ O OOOO VV",
            "+05:30",
            "+0530 +0530 +05:30 +0530 +0530 +05:30 GMT+5:30 GMT+05:30 +05:30",
        ),
        ("X Z O", "UTC+2", "+02 +0200 GMT+2"),
        ("EEEE, d MMMM y G, 'o''clock' h a", "UTC", "Friday, 11 May 2018 AD, o'clock 9 PM"),
        ("D QQQ w YYYY e k K yy", "UTC", "131 Q2 19 2018 5 21 9 18"),
    ] {
        assert_eq!(print(pattern, ms, zone), text, "{pattern}");
    }
}

#[test]
fn dates_and_times_have_their_own_fields() {
    let pattern = Pattern::parse("dd-MMM-yyyy").unwrap();
    assert_eq!(pattern.format_date(18993).unwrap(), "01-Jan-2022");
    assert_eq!(pattern.parse_date("01-JAN-2022"), Ok(18993));
    assert_eq!(pattern.format_time(0), Err(TimeError::Field('d')));
    assert_eq!(Pattern::parse("MMM-yyyy").unwrap().parse_date("JAN-2022"), Ok(18993));
    let pattern = Pattern::parse("HH_mm_ss_SSS").unwrap();
    assert_eq!(pattern.format_time(65_000).unwrap(), "00_01_05_000");
    assert_eq!(pattern.parse_time("00_01_05_000"), Ok(65_000));
    assert_eq!(pattern.format_date(0), Err(TimeError::Field('H')));
}

#[test]
fn bad_patterns_are_refused() {
    assert_eq!(Pattern::parse("'T"), Err(PatternError::Unmatched('\'')));
    assert_eq!(Pattern::parse("yyyy]"), Err(PatternError::Unmatched(']')));
    assert_eq!(Pattern::parse("b"), Err(PatternError::Letter('b')));
    assert_eq!(Pattern::parse("ddd"), Err(PatternError::Letter('d')));
    assert_eq!(Pattern::parse(&"[".repeat(100)), Err(PatternError::TooLong));
}

#[test]
fn zones_have_many_names() {
    for (name, offset_s) in
        [("UTC", 0), ("Z", 0), ("+02:00", 7200), ("GMT+2", 7200), ("+0200", 7200), ("-05", -18_000)]
    {
        assert_eq!(zone::place_at(&zone(name).unwrap(), 0).unwrap().offset_s, offset_s, "{name}");
    }
    assert!(zone("Europe/Berlin").is_ok());
    for name in ["", "nowhere", "+99", "../../etc/passwd"] {
        assert!(zone(name).is_err(), "{name}");
    }
}

#[test]
fn a_skipped_hour_is_read_as_if_the_clock_had_not_changed() {
    let berlin = zone("Europe/Berlin").unwrap();
    let pattern = Pattern::parse("yyyy-MM-dd HH:mm").unwrap();
    assert_eq!(pattern.parse_timestamp("2023-03-26 02:30", &berlin), Ok(1_679_794_200_000));
    assert_eq!(pattern.parse_timestamp("2023-10-29 02:30", &berlin), Ok(1_698_539_400_000));
}

#[test]
fn months_end_on_their_last_day() {
    let jan_31 = 30 * DAY_MS;
    assert_eq!(add_to_timestamp(jan_31, 1, Unit::Months), Some(58 * DAY_MS));
    assert_eq!(add_to_date(30, -1, Unit::Years), Some(30 - 365));
    assert_eq!(add_to_time(0, -1, Unit::Hours), Some(82_800_000));
    assert_eq!(add_to_time(0, i64::MIN, Unit::Weeks), Some(0));
    assert_eq!(add_to_timestamp(i64::MAX, 1, Unit::Milliseconds), None);
}

proptest! {
    #[test]
    fn nothing_panics(pattern in "[a-zA-Z'\\[\\]: -]{0,12}", ms: i64, days: i32, text in "[0-9A-Za-z:+/ -]{0,20}") {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            for zone in [TimeZone::UTC, zone("Europe/Berlin").unwrap()] {
                let _ = (pattern.format_timestamp(ms, &zone), pattern.parse_timestamp(&text, &zone));
            }
            let _ = (pattern.format_date(days), pattern.format_time(days));
            let _ = (pattern.parse_date(&text), pattern.parse_time(&text));
        }
    }

    #[test]
    fn arithmetic_never_panics(ms: i64, days: i32, amount: i64) {
        for unit in [Unit::Years, Unit::Months, Unit::Weeks, Unit::Hours, Unit::Milliseconds] {
            let _ = (add_to_timestamp(ms, amount, unit), add_to_date(days, amount, unit), add_to_time(days, amount, unit));
        }
    }

    #[test]
    fn timestamps_round_trip(ms in -60_000_000_000_000i64..250_000_000_000_000) {
        let pattern = Pattern::parse("uuuu-MM-dd'T'HH:mm:ss.SSSXXXXX").unwrap();
        for zone in [TimeZone::UTC, zone("America/New_York").unwrap()] {
            let text = pattern.format_timestamp(ms, &zone).unwrap();
            prop_assert_eq!(pattern.parse_timestamp(&text, &TimeZone::UTC), Ok(ms));
        }
    }
}
