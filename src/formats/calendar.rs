//! Dates on the Gregorian calendar, in UTC, for formats that store them in parts.

/// A second of a day of a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: u8,
    /// From 1.
    pub(crate) day: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
}

impl Civil {
    /// The date of a time in seconds since 1970. Counts years from 1 March of year 0, so that a leap day is the last of
    /// its year: 400 years have 146,097 days, and the months from March on start at day (153 m + 2) / 5.
    pub(crate) fn of(epoch: i64) -> Civil {
        let (days, seconds) = (epoch.div_euclid(86_400) + 719_468, epoch.rem_euclid(86_400));
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let part = |value: i64| u8::try_from(value).expect("a part of a date is less than 60");
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: part(month),
            day: part(day_of_year - (153 * march_month + 2) / 5 + 1),
            hour: part(seconds / 3600),
            minute: part(seconds / 60 % 60),
            second: part(seconds % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_with_the_calendar() {
        let date = |epoch| {
            let Civil { year, month, day, hour, minute, second } = Civil::of(epoch);
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
        };
        assert_eq!(date(0), "1970-01-01 00:00:00");
        assert_eq!(date(-1), "1969-12-31 23:59:59");
        assert_eq!(date(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(date(1_700_000_001), "2023-11-14 22:13:21");
        assert_eq!(date(4_354_819_199), "2107-12-31 23:59:59");
        assert_eq!(date(4_107_542_400), "2100-03-01 00:00:00");
    }
}
