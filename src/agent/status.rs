//! placeholder
pub fn boottime() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    std::time::Duration::try_from(time).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}
