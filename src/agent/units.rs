//! The units that start the agent.
pub const UNITS: &[(&str, &str)] = &[];
