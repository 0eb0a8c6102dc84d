//! Long-term kernel lines and the month in which kernel.org ends them.
//!
//! Source: kernel.org's table of longterm releases as of March 2026. A line that is not here is not long-term.

use chrono::NaiveDate;

#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub name: &'static str,
    /// Last month of maintenance: year, month.
    pub ends: (i32, u32),
}

pub const LINES: &[Line] = &[
    Line { name: "6.18", ends: (2028, 12) },
    Line { name: "6.12", ends: (2028, 12) },
    Line { name: "6.6", ends: (2027, 12) },
    Line { name: "6.1", ends: (2027, 12) },
    Line { name: "5.15", ends: (2026, 12) },
    Line { name: "5.10", ends: (2026, 12) },
    Line { name: "5.4", ends: (2025, 12) },
    Line { name: "4.19", ends: (2024, 12) },
    Line { name: "4.14", ends: (2024, 1) },
    Line { name: "4.9", ends: (2023, 1) },
    Line { name: "4.4", ends: (2022, 2) },
    Line { name: "3.16", ends: (2020, 6) },
    Line { name: "3.10", ends: (2017, 11) },
];

/// First line whose EROFS reads zstd.
pub const ZSTD_FROM: (u32, u32) = (6, 10);

impl Line {
    /// Whether maintenance is over on `day`.
    pub fn ended(&self, day: NaiveDate) -> bool {
        let (year, month) = self.ends;
        let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        NaiveDate::from_ymd_opt(next.0, next.1, 1).is_some_and(|first_day_after| day >= first_day_after)
    }
}

pub fn find(name: &str) -> Option<&'static Line> {
    LINES.iter().find(|line| line.name == name)
}

/// Lines that are maintained on `day`, newest first.
pub fn maintained(day: NaiveDate) -> Vec<&'static str> {
    LINES.iter().filter(|line| !line.ended(day)).map(|line| line.name).collect()
}

/// `6.12` → (6, 12), for comparisons.
pub fn number(line: &str) -> Option<(u32, u32)> {
    let (major, minor) = line.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
