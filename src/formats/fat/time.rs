//! Times as FAT writes them: a date and a time of day in two-second steps, from 1980 to 2107, without a time zone.

use chrono::{DateTime, Datelike, Timelike};

/// First and last second that FAT can say: 1980-01-01 and 2107-12-31.
const FIRST: i64 = 315_532_800;
const LAST: i64 = 4_354_819_199;

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
        let date = DateTime::from_timestamp(epoch.clamp(FIRST, LAST), 0).unwrap_or_default();
        let part = |value: u32| u16::try_from(value).expect("a part of a date is small");
        let year = u16::try_from(date.year() - 1980).expect("the epoch is within FAT's years");
        Stamp {
            date: year << 9 | part(date.month()) << 5 | part(date.day()),
            time: part(date.hour()) << 11 | part(date.minute()) << 5 | part(date.second() / 2),
            hundredths: if date.second() % 2 == 1 { 100 } else { 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_clamped_to_the_years_of_fat() {
        assert_eq!(Stamp::of(0), Stamp { date: 0x21, time: 0, hundredths: 0 });
        assert_eq!(Stamp::of(i64::MAX), Stamp { date: 0xff9f, time: 0xbf7d, hundredths: 100 });
    }
}
