//! The day that dates are judged by: the only place that asks the clock for it.

/// A day on the command line, or today.
pub(super) fn day(as_of: Option<chrono::NaiveDate>) -> chrono::NaiveDate {
    as_of.unwrap_or_else(|| chrono::Utc::now().date_naive())
}
