//! Dates of repositories: seconds since 1970 and the calendar, in UTC only.

/// `Sat, 15 Nov 2025 09:44:51 UTC` (RFC 822 with four digits of year, as Release files have it) in seconds since 1970.
pub(crate) fn parse_release_date(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, time, "UTC" | "GMT" | "+0000"] = words[..] else { return None };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = i64::try_from(months.iter().position(|name| *name == month)?).ok()? + 1;
    let time: Vec<&str> = time.split(':').collect();
    let [hours, minutes, seconds] = time[..] else { return None };
    let number = |text: &str, low: i64, high: i64| text.parse().ok().filter(|value| (low..=high).contains(value));
    let day = days(number(year, 1970, 9999)?, month, number(day, 1, 31)?);
    Some(day * 86_400 + number(hours, 0, 23)? * 3600 + number(minutes, 0, 59)? * 60 + number(seconds, 0, 60)?)
}

/// `2025-11-15`.
pub(crate) fn show_day(seconds: i64) -> String {
    let (year, month, day) = calendar(seconds.div_euclid(86_400));
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2025-11-15T09:44:51Z`.
pub(crate) fn show_time(seconds: i64) -> String {
    let second = seconds.rem_euclid(86_400);
    format!("{}T{:02}:{:02}:{:02}Z", show_day(seconds), second / 3600, second / 60 % 60, second % 60)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that the leap day is the
/// last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (month * 153 + 2) / 5 + day
        - 719_469
}

/// Year, month and day of a day counted from 1970-01-01: the greatest date not after it.
fn calendar(day: i64) -> (i64, i64, i64) {
    let mut year = 1970 + day.div_euclid(366);
    while days(year + 1, 1, 1) <= day {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| days(year, *month, 1) <= day).unwrap_or(1);
    (year, month, day - days(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_shown() {
        let known = [
            ("Thu, 01 Jan 1970 00:00:00 UTC", 0, "1970-01-01T00:00:00Z"),
            ("Tue, 29 Feb 2000 23:59:59 UTC", 951_868_799, "2000-02-29T23:59:59Z"),
            ("Sat, 15 Nov 2025 09:44:51 UTC", 1_763_199_891, "2025-11-15T09:44:51Z"),
            ("Fri, 31 Dec 2100 00:00:00 GMT", 4_133_894_400, "2100-12-31T00:00:00Z"),
        ];
        for (text, seconds, shown) in known {
            assert_eq!(parse_release_date(text), Some(seconds), "{text}");
            assert_eq!(show_time(seconds), shown);
        }
        for text in ["", "Sat, 15 Nov 2025 09:44:51 CET", "Sat, 15 Nox 2025 09:44:51 UTC", "Sat, 15 Nov 2025 9 UTC"] {
            assert_eq!(parse_release_date(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_comes_right_after_the_one_before() {
        let mut before = calendar(-1);
        for day in 0..60_000 {
            let (year, month, today) = calendar(day);
            assert_eq!(days(year, month, today), day);
            assert!((year, month, today) > before);
            before = (year, month, today);
        }
    }
}
