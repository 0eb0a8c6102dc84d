//! What the agent tells people and the host of a trial guest: lines on the console, and the status.

pub mod console;
pub mod membership;
pub mod status;
