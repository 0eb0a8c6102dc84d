//! Times as FAT writes them: a date and a time of day in two-second steps, from 1980 to 2107, without a time zone.

use std::ops::Range;

/// Seconds from 1970 to the first time that FAT can say, 1980-01-01, and to the one after the last, 2108-01-01.
pub(super) const TIMES: Range<i64> = 315_532_800..4_354_819_200;

/// A time in a directory entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) date: u16,
    pub(super) time: u16,
    /// Hundredths of a second that `time` leaves out, for the creation time.
    pub(super) hundredths: u8,
}

impl Stamp {
    /// The UTC time of an epoch, or FAT's nearest.
    pub(super) fn of(epoch: i64) -> Stamp {
        let seconds = epoch.clamp(TIMES.start, TIMES.end - 1);
        let (year, month, day) = civil_date(seconds.div_euclid(86_400));
        let second = seconds.rem_euclid(86_400);
        let small = |value: i64| u16::try_from(value).expect("FAT's years, and parts of a date, have 16 bits");
        let date = small((year - 1980) << 9 | month << 5 | day);
        let time = small(second / 3600 << 11 | second / 60 % 60 << 5 | second % 60 / 2);
        Stamp { date, time, hundredths: if second % 2 == 0 { 0 } else { 100 } }
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. Counts from 1 March of year 0, so
/// that the leap day is the last of its year: 400 years have 146,097 days, and the months from March on start at
/// day (153 m + 2) / 5.
pub(crate) fn civil_date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_dates_agree_with_the_calendar() {
        assert_eq!(civil_date(0), (1970, 1, 1));
        assert_eq!(civil_date(-1), (1969, 12, 31));
        assert_eq!(civil_date(11_016), (2000, 2, 29));
        assert_eq!(civil_date(19_676), (2023, 11, 15));
        assert_eq!(civil_date(TIMES.start / 86_400), (1980, 1, 1));
        assert_eq!(civil_date(TIMES.end / 86_400 - 1), (2107, 12, 31));
    }

    #[test]
    fn stamps_are_clamped_to_the_years_of_fat() {
        assert_eq!(Stamp::of(0), Stamp { date: 0x21, time: 0, hundredths: 0 });
        assert_eq!(Stamp::of(i64::MAX), Stamp { date: 0xff9f, time: 0xbf7d, hundredths: 100 });
    }
}
