//! What the agent's verbs end with, beside 0: systemd decides by it whether to start them again.

/// A mistake in what people wrote, which stays until it is mended: `RestartPreventExitStatus=` of the units.
pub const MISTAKE: u8 = 1;
/// A failure that may pass.
pub const FAILURE: u8 = 2;
