//! Dates of the fixed time, in UTC and the C locale. Letters: strftime(3).

use super::values::Value;
use crate::shell::Bytes;

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    time: i64,
    year: i64,
    /// From 1.
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    /// Sunday is 0.
    weekday: i64,
    /// From 0.
    day_of_year: i64,
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; months and days may lie outside their ranges.
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12);
    // Years that begin with March end with the leap day.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

impl Date {
    /// Nothing for years that nobody writes.
    pub(super) fn of(time: i64) -> Option<Date> {
        let day = time.div_euclid(DAY);
        let second = time.rem_euclid(DAY);
        if day.abs() > 3_000_000 {
            return None;
        }
        // The estimate is right or one too large.
        let mut year = 1970 + (day * 400).div_euclid(146_097);
        year += i64::from(days(year + 1, 1, 1) <= day);
        year -= i64::from(days(year, 1, 1) > day);
        let month = (1..=12).rev().find(|month| days(year, *month, 1) <= day)?;
        Some(Date {
            time,
            year,
            month,
            day: day - days(year, month, 1) + 1,
            hour: second / 3_600,
            minute: second / 60 % 60,
            second: second % 60,
            weekday: (day + 4).rem_euclid(7),
            day_of_year: day - days(year, 1, 1),
        })
    }

    pub(super) fn table(&self) -> Value {
        let whole = [
            ("year", self.year),
            ("month", self.month),
            ("day", self.day),
            ("hour", self.hour),
            ("min", self.minute),
            ("sec", self.second),
            ("yday", self.day_of_year + 1),
            ("wday", self.weekday + 1),
        ];
        let fields = whole.into_iter().map(|(name, number)| (name, Value::Integer(number)));
        Value::record(fields.chain([("isdst", Value::Boolean(false))]))
    }

    /// The letter that is not known, if there is one.
    pub(super) fn format(&self, format: &[u8]) -> Result<Bytes, char> {
        let mut text = Vec::new();
        let mut letters = format.iter();
        while let Some(letter) = letters.next() {
            if *letter == b'%' {
                let letter = letters.next().map_or(' ', |letter| char::from(*letter));
                text.extend_from_slice(self.letter(letter).ok_or(letter)?.as_bytes());
            } else {
                text.push(*letter);
            }
        }
        Ok(text)
    }

    fn letter(&self, letter: char) -> Option<String> {
        let Date { year, month, day, hour, minute, second, .. } = *self;
        let name = |names: &[&'static str], index: i64| {
            usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or_default()
        };
        let short = |name: &'static str| name.chars().take(3).collect::<String>();
        let hour_of_12 = (hour + 11) % 12 + 1;
        let half = if hour < 12 { "AM" } else { "PM" };
        Some(match letter {
            'a' => short(name(&WEEKDAYS, self.weekday)),
            'A' => name(&WEEKDAYS, self.weekday).to_owned(),
            'b' | 'h' => short(name(&MONTHS, month - 1)),
            'B' => name(&MONTHS, month - 1).to_owned(),
            'c' => {
                let (weekday, month) = (short(name(&WEEKDAYS, self.weekday)), short(name(&MONTHS, month - 1)));
                format!("{weekday} {month} {day:2} {hour:02}:{minute:02}:{second:02} {year}")
            }
            'C' => format!("{:02}", year.div_euclid(100)),
            'd' => format!("{day:02}"),
            'D' | 'x' => format!("{month:02}/{day:02}/{:02}", year.rem_euclid(100)),
            'e' => format!("{day:2}"),
            'F' => format!("{year}-{month:02}-{day:02}"),
            'H' => format!("{hour:02}"),
            'I' => format!("{hour_of_12:02}"),
            'j' => format!("{:03}", self.day_of_year + 1),
            'm' => format!("{month:02}"),
            'M' => format!("{minute:02}"),
            'n' => "\n".to_owned(),
            'p' => half.to_owned(),
            'r' => format!("{hour_of_12:02}:{minute:02}:{second:02} {half}"),
            'R' => format!("{hour:02}:{minute:02}"),
            's' => self.time.to_string(),
            'S' => format!("{second:02}"),
            't' => "\t".to_owned(),
            'T' | 'X' => format!("{hour:02}:{minute:02}:{second:02}"),
            'u' => ((self.weekday + 6) % 7 + 1).to_string(),
            'w' => self.weekday.to_string(),
            'y' => format!("{:02}", year.rem_euclid(100)),
            'Y' => year.to_string(),
            'z' => "+0000".to_owned(),
            'Z' => "UTC".to_owned(),
            '%' => "%".to_owned(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_c_library() {
        let shown = |time: i64| Date::of(time).map(|date| date.format(b"%F %T %j %w %a %b %e %I%p %y %C"));
        let text = |text: &str| Some(Ok(text.as_bytes().to_vec()));
        // `date -u -d @… +…`
        assert_eq!(shown(0), text("1970-01-01 00:00:00 001 4 Thu Jan  1 12AM 70 19"));
        assert_eq!(shown(951_782_400), text("2000-02-29 00:00:00 060 2 Tue Feb 29 12AM 00 20"));
        assert_eq!(shown(1_735_689_599), text("2024-12-31 23:59:59 366 2 Tue Dec 31 11PM 24 20"));
        assert_eq!(shown(1_735_689_600), text("2025-01-01 00:00:00 001 3 Wed Jan  1 12AM 25 20"));
        assert_eq!(shown(-1), text("1969-12-31 23:59:59 365 3 Wed Dec 31 11PM 69 19"));
        assert_eq!(Date::of(i64::MAX), None);
        assert_eq!(Date::of(0).map(|date| date.format(b"%q")), Some(Err('q')));
    }

    #[test]
    fn every_day_has_its_number() {
        for day in (-800_000..800_000).step_by(97) {
            let date = Date::of(day * DAY).unwrap();
            assert_eq!(days(date.year, date.month, date.day), day);
            assert!((1..=12).contains(&date.month) && (1..=31).contains(&date.day), "{date:?}");
        }
    }
}
