//! Times in the user's time zone: that of `TZ`, otherwise the system's, otherwise UTC.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, ZonedDateTime};

use crate::words::calendar;

static ZONE: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::try_system().unwrap_or(TimeZone::UTC));

/// The longest setting in seconds: ten years.
const LONGEST: u64 = 3650 * 86_400;

/// Seconds since 1970 as `2026-11-21 13:00:00 CET`.
pub(crate) fn local(seconds: u64) -> String {
    in_zone(seconds, &ZONE)
}

fn in_zone(seconds: u64, zone: &TimeZone) -> String {
    let time = i64::try_from(seconds).ok();
    let time = time.and_then(|seconds| Timestamp::from_second(seconds).ok());
    match time {
        Some(time) => {
            let time = time.to_zoned_datetime(zone.clone());
            time.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
        }
        // Beyond the year 9999.
        None => calendar(seconds),
    }
}

/// A text of the director with its times, which are UTC, as local ones.
pub(crate) fn localised(text: &str) -> String {
    in_zone_all(text, &ZONE)
}

fn in_zone_all(text: &str, zone: &TimeZone) -> String {
    const LENGTH: usize = "2026-11-21 12:00:00Z".len();
    let mut shown = String::new();
    let mut done = 0;
    for (last, _) in text.match_indices('Z') {
        let end = last + 1;
        let Some(start) = end.checked_sub(LENGTH).filter(|start| *start >= done) else {
            continue;
        };
        let time = text
            .get(start..end)
            .and_then(|time| time.parse::<Timestamp>().ok());
        if let Some(Ok(seconds)) = time.map(|time| u64::try_from(time.as_second())) {
            shown.push_str(&text[done..start]);
            shown.push_str(&in_zone(seconds, zone));
            done = end;
        }
    }
    shown.push_str(&text[done..]);
    shown
}

/// Parses the time of `--since`; returns seconds since 1970.
pub(crate) fn moment(text: &str) -> Result<u64, String> {
    let time = parse(text.trim(), &now());
    let seconds = time.and_then(|time| u64::try_from(time.as_second()).ok());
    seconds.ok_or_else(|| {
        "expected a time such as 10m, 2h, 7d, 13:00, 2026-11-21, \"2026-11-21 13:00\", today or \
         yesterday"
            .to_owned()
    })
}

/// Parses the end of a setting, a time to come; returns how long it is until then.
pub(crate) fn until(text: &str) -> Result<Duration, String> {
    ahead(text.trim(), &now()).ok_or_else(|| {
        "expected a time to come, within 3650d, such as 18:00 or \"2026-11-21 18:00\"; `--for 2h` \
         is a time from now"
            .to_owned()
    })
}

fn now() -> ZonedDateTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(i64::MAX);
    let now = Timestamp::from_second(now).unwrap_or(Timestamp::UNIX_EPOCH);
    now.to_zoned_datetime(ZONE.clone())
}

/// How long it is until a time. A time of day that is over is tomorrow's.
fn ahead(text: &str, now: &ZonedDateTime) -> Option<Duration> {
    let left = |time: Timestamp| time.as_second().checked_sub(now.timestamp().as_second());
    let mut seconds = left(parse(text, now)?)?;
    if seconds <= 0 && time_of_day(split(text).0).is_some() {
        seconds = left(parse(text, &now.checked_add(1.day()).ok()?)?)?;
    }
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
    (seconds <= LONGEST).then_some(Duration::from_secs(seconds))
}

fn time_of_day(text: &str) -> Option<Time> {
    let formats = ["%H:%M:%S", "%H:%M"];
    formats
        .iter()
        .find_map(|format| Time::strptime(format, text).ok())
}

fn parse(text: &str, now: &ZonedDateTime) -> Option<Timestamp> {
    let day = |day: Date| day.to_zoned_datetime(now.time_zone().clone()).ok();
    let today = now.date();
    match text {
        "now" => return Some(now.timestamp()),
        "today" => return day(today).map(|time| time.timestamp()),
        "yesterday" => {
            let yesterday = today.checked_sub(1.day()).ok()?;
            return day(yesterday).map(|time| time.timestamp());
        }
        _ => {}
    }
    if let Some(seconds) = text.strip_prefix('@') {
        return Timestamp::from_second(seconds.parse().ok()?).ok();
    }
    if let Some(seconds) = ago(text) {
        return now.timestamp().checked_sub(seconds.seconds()).ok();
    }
    // With an offset or `Z`, as in RFC 3339.
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let (civil, zone) = split(text);
    let time = civil_time(civil, today)?;
    let time = match zone {
        Some("UTC" | "GMT") => time.to_zoned_datetime(TimeZone::UTC).ok()?,
        Some(zone) => {
            // A time as `events` shows it. In autumn an hour comes twice, with two names.
            let time = now.time_zone().to_ambiguous_zoned_datetime(time);
            let both = [time.clone().earlier().ok()?, time.later().ok()?];
            let is_named = |time: &ZonedDateTime| time.strftime("%Z").to_string() == zone;
            both.into_iter().find(is_named)?
        }
        None => time.to_zoned_datetime(now.time_zone().clone()).ok()?,
    };
    Some(time.timestamp())
}

/// A time without a zone, on this day unless it has one.
fn civil_time(text: &str, today: Date) -> Option<DateTime> {
    for format in [
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M",
    ] {
        if let Ok(time) = DateTime::strptime(format, text) {
            return Some(time);
        }
    }
    if let Ok(day) = Date::strptime("%Y-%m-%d", text) {
        return Some(day.to_datetime(Time::midnight()));
    }
    time_of_day(text).map(|time| today.to_datetime(time))
}

/// A time, and the name of its zone, if it has one: `2026-11-21 13:00:00 CET`.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(' ') {
        Some((time, zone))
            if zone.starts_with(|letter: char| {
                letter.is_ascii_alphabetic() || letter == '+' || letter == '-'
            }) =>
        {
            (time.trim_end(), Some(zone))
        }
        _ => (text, None),
    }
}

/// Seconds of `10m`, `1h30m`, `7d`, also followed by `ago`.
fn ago(text: &str) -> Option<i64> {
    let text = text.strip_suffix("ago").map_or(text, str::trim_end);
    let mut seconds: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|letter: char| !letter.is_ascii_alphabetic());
        let (unit, after) = after.split_at(end.unwrap_or(after.len()));
        let unit = match unit {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return None,
        };
        let part = number.parse::<i64>().ok()?.checked_mul(unit)?;
        seconds = seconds.checked_add(part)?;
        rest = after.trim_start();
    }
    (!text.is_empty()).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 12:00:00 UTC.
    const NOON: u64 = 1_795_262_400;

    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    #[test]
    fn times_have_the_zone_of_their_season() {
        assert_eq!(in_zone(NOON, &berlin()), "2026-11-21 13:00:00 CET");
        assert_eq!(
            in_zone(1_782_000_000, &berlin()),
            "2026-06-21 02:00:00 CEST"
        );
        assert_eq!(in_zone(NOON, &TimeZone::UTC), "2026-11-21 12:00:00 UTC");
        assert_eq!(in_zone(u64::MAX, &TimeZone::UTC), calendar(u64::MAX));
    }

    #[test]
    fn times_within_a_text_are_local_and_the_rest_stays() {
        for (text, shown) in [
            (
                "drained already, since 2026-11-21 12:00:00Z by root: Zü (1h left)",
                "drained already, since 2026-11-21 13:00:00 CET by root: Zü (1h left)",
            ),
            ("2026-11-21 12:00:00Z", "2026-11-21 13:00:00 CET"),
            (
                "ZZ äöüZ 2026-13-21 12:00:00Z",
                "ZZ äöüZ 2026-13-21 12:00:00Z",
            ),
            ("", ""),
        ] {
            assert_eq!(in_zone_all(text, &berlin()), shown);
        }
    }

    #[test]
    fn a_time_is_given_as_people_give_it() {
        let now = Timestamp::from_second(NOON.try_into().unwrap()).unwrap();
        let now = now.to_zoned_datetime(berlin());
        let read = |text: &str| {
            let time = parse(text, &now)?;
            Some(calendar(time.as_second().try_into().unwrap()))
        };
        for (text, time) in [
            ("now", "2026-11-21 12:00:00Z"),
            ("10m", "2026-11-21 11:50:00Z"),
            ("1h30m", "2026-11-21 10:30:00Z"),
            ("1h 30min ago", "2026-11-21 10:30:00Z"),
            ("7d", "2026-11-14 12:00:00Z"),
            ("2w", "2026-11-07 12:00:00Z"),
            ("today", "2026-11-20 23:00:00Z"),
            ("yesterday", "2026-11-19 23:00:00Z"),
            ("09:30", "2026-11-21 08:30:00Z"),
            ("09:30:15", "2026-11-21 08:30:15Z"),
            ("2026-11-21", "2026-11-20 23:00:00Z"),
            ("2026-06-21 13:00", "2026-06-21 11:00:00Z"),
            ("2026-11-21T13:00:05", "2026-11-21 12:00:05Z"),
            ("2026-11-21 13:00:00 CET", "2026-11-21 12:00:00Z"),
            ("2026-11-21 12:00:00 UTC", "2026-11-21 12:00:00Z"),
            ("2026-11-21 12:00:00Z", "2026-11-21 12:00:00Z"),
            ("2026-11-21T14:00:00+02:00", "2026-11-21 12:00:00Z"),
            // The hour that comes twice.
            ("2026-10-25 02:30:00 CEST", "2026-10-25 00:30:00Z"),
            ("2026-10-25 02:30:00 CET", "2026-10-25 01:30:00Z"),
            ("@1795262400", "2026-11-21 12:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(time), "{text}");
        }
        for wrong in [
            "",
            "5",
            "ago",
            "m",
            "25:00",
            "2026-13-01",
            "soon",
            "10x",
            "2026-11-21 13:00:00 EST",
            "99999999999999999999d",
            "@x",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_end_of_a_setting_is_a_time_to_come() {
        let now = Timestamp::from_second(NOON.try_into().unwrap()).unwrap();
        let now = now.to_zoned_datetime(berlin());
        for (text, hours) in [
            ("18:00", 5),
            ("18:00 CET", 5),
            // It is one o'clock: the next time it is so is tomorrow.
            ("13:00", 24),
            ("09:00", 20),
            ("2026-11-21 14:00", 1),
            ("2026-11-21T13:00:00Z", 1),
            ("2026-11-22", 11),
        ] {
            let time = Some(Duration::from_secs(hours * 3600));
            assert_eq!(ahead(text, &now), time, "{text}");
        }
        for wrong in [
            "",
            "2h",
            "now",
            "today",
            "2026-11-21 13:00",
            "2036-12-01",
            "soon",
        ] {
            assert_eq!(ahead(wrong, &now), None, "{wrong}");
        }
    }
}
