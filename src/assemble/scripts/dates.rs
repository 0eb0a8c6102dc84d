//! Dates of the Gregorian calendar, in UTC and the C locale. Letters: strftime(3).

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
    pub(super) year: i64,
    /// From 1.
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    /// Sunday is 0.
    pub(super) weekday: i64,
    /// From 0.
    pub(super) day_of_year: i64,
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
    pub(super) fn of(time: i64) -> Date {
        let day = time.div_euclid(DAY);
        let second = time.rem_euclid(DAY);
        // The estimate is right or one too large.
        let mut year = 1970 + (day * 400).div_euclid(146_097);
        year += i64::from(days(year + 1, 1, 1) <= day);
        year -= i64::from(days(year, 1, 1) > day);
        let month = (1..=12).rev().find(|month| days(year, *month, 1) <= day).unwrap_or(1);
        Date {
            time,
            year,
            month,
            day: day - days(year, month, 1) + 1,
            hour: second / 3_600,
            minute: second / 60 % 60,
            second: second % 60,
            weekday: (day + 4).rem_euclid(7),
            day_of_year: day - days(year, 1, 1),
        }
    }

    /// As strftime shows it; the letter that is not known, if there is one.
    pub(super) fn format(&self, format: &[u8]) -> Result<Bytes, char> {
        formatted(format, |letter| self.letter(letter))
    }

    /// The same with `%N`, which only coreutils have: no time here has a fraction of a second.
    pub(super) fn gnu_format(&self, format: &[u8]) -> Result<Bytes, char> {
        formatted(format, |letter| if letter == 'N' { Some("000000000".to_owned()) } else { self.letter(letter) })
    }

    /// What a letter behind a percent sign stands for.
    pub(super) fn letter(&self, letter: char) -> Option<String> {
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

fn formatted(format: &[u8], of: impl Fn(char) -> Option<String>) -> Result<Bytes, char> {
    let mut text = Vec::new();
    let mut letters = format.iter();
    while let Some(letter) = letters.next() {
        if *letter == b'%' {
            let letter = letters.next().map_or(' ', |letter| char::from(*letter));
            text.extend_from_slice(of(letter).ok_or(letter)?.as_bytes());
        } else {
            text.push(*letter);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_c_library() {
        let shown = |time: i64| Date::of(time).format(b"%F %T %j %w %a %b %e %I%p %y %C");
        let text = |text: &str| Ok(text.as_bytes().to_vec());
        // `date -u -d @… +…`
        assert_eq!(shown(0), text("1970-01-01 00:00:00 001 4 Thu Jan  1 12AM 70 19"));
        assert_eq!(shown(951_782_400), text("2000-02-29 00:00:00 060 2 Tue Feb 29 12AM 00 20"));
        assert_eq!(shown(1_735_689_599), text("2024-12-31 23:59:59 366 2 Tue Dec 31 11PM 24 20"));
        assert_eq!(shown(1_735_689_600), text("2025-01-01 00:00:00 001 3 Wed Jan  1 12AM 25 20"));
        assert_eq!(shown(-1), text("1969-12-31 23:59:59 365 3 Wed Dec 31 11PM 69 19"));
        let more = |time: i64| {
            Date::of(time).gnu_format(b"%A %u %B %D %R %s%n%N%%").map(|text| String::from_utf8(text).unwrap())
        };
        let expected = "Tuesday 2 February 02/29/00 12:34 951827696\n000000000%";
        assert_eq!(more(951_827_696), Ok(expected.to_owned()));
        assert_eq!(Date::of(i64::MAX).format(b"%F %T"), text("292277026596-12-04 15:30:07"));
        assert_eq!(Date::of(i64::MIN).format(b"%m-%d %T"), text("01-27 08:29:52"));
        assert_eq!(Date::of(0).gnu_format(b"%Q"), Err('Q'));
        assert_eq!(Date::of(0).format(b"%N"), Err('N'));
    }

    #[test]
    fn every_day_has_its_number() {
        for day in (-800_000..800_000).step_by(97) {
            let date = Date::of(day * DAY);
            assert_eq!(days(date.year, date.month, date.day), day);
            assert!((1..=12).contains(&date.month) && (1..=31).contains(&date.day), "{date:?}");
        }
    }
}
