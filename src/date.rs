//! Dates of repositories and files: seconds since 1970 and how they are written, in UTC only.

use chrono::{DateTime, Datelike, NaiveDateTime};

/// How far a date may lie after the beginning of the day it is judged by: that day, and one for the time zone in which
/// it was taken from a calendar.
pub(crate) const CLOCK_TOLERANCE: i64 = 2 * 86_400;

/// `Sat, 15 Nov 2025 09:44:51 UTC` (RFC 822 with four digits of year, as Release files have it) in seconds since 1970.
pub(crate) fn parse_release_date(text: &str) -> Option<i64> {
    let text = ["UTC", "GMT", "+0000"].iter().find_map(|zone| text.trim().strip_suffix(zone))?;
    Some(NaiveDateTime::parse_from_str(text.trim_end(), "%a, %d %b %Y %H:%M:%S").ok()?.and_utc().timestamp())
}

/// `2025-11-15`.
pub(crate) fn show_day(seconds: i64) -> String {
    match DateTime::from_timestamp(seconds, 0) {
        Some(time) => time.format("%Y-%m-%d").to_string(),
        None => format!("{seconds} s after 1970"),
    }
}

/// `Sat, 15 Nov 2025 09:44:51 GMT`, as HTTP's heads have it (RFC 9110, 5.6.7); `None` for years that it has no form for.
pub(crate) fn show_http_date(seconds: i64) -> Option<String> {
    let time = DateTime::from_timestamp(seconds, 0).filter(|time| (0..=9999).contains(&time.year()))?;
    Some(time.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_shown() {
        let known = [
            ("Thu, 01 Jan 1970 00:00:00 UTC", 0, "1970-01-01"),
            ("Tue, 29 Feb 2000 23:59:59 UTC", 951_868_799, "2000-02-29"),
            ("Sat, 15 Nov 2025  9:44:51 +0000", 1_763_199_891, "2025-11-15"),
            ("Fri, 31 Dec 2100 00:00:00 GMT", 4_133_894_400, "2100-12-31"),
        ];
        for (text, seconds, shown) in known {
            assert_eq!(parse_release_date(text), Some(seconds), "{text}");
            assert_eq!(show_day(seconds), shown);
        }
        for text in
            ["", "UTC", "Sat, 15 Nov 2025 09:44:51 CET", "Sat, 15 Nox 2025 09:44:51 UTC", "Sat, 15 Nov 2025 9 UTC"]
        {
            assert_eq!(parse_release_date(text), None, "{text}");
        }
        assert_eq!(show_http_date(1_763_199_891).as_deref(), Some("Sat, 15 Nov 2025 09:44:51 GMT"));
        assert_eq!(show_http_date(i64::MAX), None);
        assert_eq!(show_day(i64::MAX), "9223372036854775807 s after 1970");
    }
}
