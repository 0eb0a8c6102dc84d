//! Times as FAT writes them: a date and a time of day in two-second steps, from 1980 to 2107, without a time zone.

use crate::formats::calendar::Civil;

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
        let Civil { year, month, day, hour, minute, second } = Civil::of(epoch.clamp(FIRST, LAST));
        let year = u16::try_from(year - 1980).expect("the epoch is within FAT's years");
        let [month, day, hour, minute, two_seconds] = [month, day, hour, minute, second / 2].map(u16::from);
        Stamp {
            date: year << 9 | month << 5 | day,
            time: hour << 11 | minute << 5 | two_seconds,
            hundredths: second % 2 * 100,
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
