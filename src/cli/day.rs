//! The day that dates are judged by, and the time of a log: the only place that asks the clock for them.

/// A day on the command line, or today.
pub(super) fn day(as_of: Option<chrono::NaiveDate>) -> chrono::NaiveDate {
    as_of.unwrap_or_else(|| chrono::Utc::now().date_naive())
}

/// The time that a log gives its lines.
pub(super) fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now()
}
