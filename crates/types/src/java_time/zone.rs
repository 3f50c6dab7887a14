//! Time zones by name, and the way between UTC and local time.

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, civil};

use super::TimeError;
use super::names::ABBREVIATIONS;
use crate::Text;
use crate::civil::{Civil, DAY_MS};
use crate::iso_time::parse_offset;

/// Bytes the name of a time zone may have.
pub(super) const ZONE_BYTES_MAX: usize = 64;

/// A time zone at one moment.
pub(super) struct Place {
    /// Seconds east of UTC.
    pub(super) offset_s: i64,
    pub(super) abbreviation: Text,
    pub(super) id: Text,
}

/// Returns the zone of an IANA name (`Europe/Berlin`), of `UTC`, `GMT` or `Z`, or of an offset such as
/// `+2`, `+0200`, `+02:00`, `GMT+2` or `UTC-05:30`.
pub fn zone(name: &str) -> Result<TimeZone, TimeError> {
    let unknown = || TimeError::Zone(name.chars().take(ZONE_BYTES_MAX).collect());
    if name.is_empty() || name.len() > ZONE_BYTES_MAX {
        return Err(unknown());
    }
    let is = |word: &str| name.eq_ignore_ascii_case(word);
    if is("Z") || is("UTC") || is("GMT") || is("UT") {
        return Ok(TimeZone::UTC);
    }
    let after = |prefix: &str| name.strip_prefix(prefix).filter(|rest| rest.starts_with(['+', '-']));
    let offset = after("UTC").or_else(|| after("GMT")).or_else(|| after("UT")).or_else(|| after(""));
    if let Some(offset) = offset {
        let seconds = parse_offset(offset).ok_or_else(unknown)?;
        return Ok(TimeZone::fixed(Offset::from_seconds(seconds as i32).map_err(|_| unknown())?));
    }
    TimeZone::get(name).map_err(|_| unknown())
}

/// The zone a text names where a pattern says `z`: also by abbreviation.
pub(super) fn zone_or_abbreviation(name: &str) -> Result<TimeZone, TimeError> {
    match ABBREVIATIONS.iter().find(|(short, _)| name.eq_ignore_ascii_case(short)) {
        Some((_, full)) => zone(full),
        None => zone(name),
    }
}

pub(super) fn place_at(zone: &TimeZone, ms: i64) -> Result<Place, TimeError> {
    if let Ok(offset) = zone.to_fixed_offset() {
        let offset_s = i64::from(offset.seconds());
        let name = if offset_s == 0 { Text::const_new("UTC") } else { offset_text(offset_s) };
        return Ok(Place { offset_s, abbreviation: name.clone(), id: name });
    }
    let timestamp = Timestamp::from_millisecond(ms).map_err(|_| TimeError::OutOfRange)?;
    let info = zone.to_offset_info(timestamp);
    Ok(Place {
        offset_s: info.offset().seconds().into(),
        abbreviation: info.abbreviation().into(),
        id: zone.iana_name().unwrap_or("UTC").into(),
    })
}

/// The moment at which the clocks of `zone` show `local`: the earlier of two, and if there is none, as
/// if they had not yet been put forward.
pub(super) fn to_utc(zone: &TimeZone, local: i64) -> Result<i64, TimeError> {
    let out_of_range = || TimeError::OutOfRange;
    if let Ok(offset) = zone.to_fixed_offset() {
        return local.checked_sub(i64::from(offset.seconds()) * 1000).ok_or_else(out_of_range);
    }
    let Civil { year, month, day } = Civil::from_days(local.div_euclid(DAY_MS));
    let time = local.rem_euclid(DAY_MS);
    let year = i16::try_from(year).map_err(|_| TimeError::OutOfRange)?;
    let date = civil::Date::new(year, month as i8, day as i8).map_err(|_| TimeError::OutOfRange)?;
    let (hour, minute, second) = (time / 3_600_000, time / 60_000 % 60, time / 1000 % 60);
    let nanosecond = (time % 1000 * 1_000_000) as i32;
    let date_time = date.at(hour as i8, minute as i8, second as i8, nanosecond);
    let timestamp = zone.to_ambiguous_timestamp(date_time).compatible().map_err(|_| TimeError::OutOfRange)?;
    Ok(timestamp.as_millisecond())
}

/// `+02:00`
fn offset_text(offset_s: i64) -> Text {
    let mut text = Text::const_new("");
    super::print::print_offset(&mut text, offset_s, super::print::OffsetStyle::COLON);
    text
}
