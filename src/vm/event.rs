//! What happens during a run, and how it ends.

use serde::Serialize;

/// What happens during a run, in the form that `--json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    Started {
        accelerator: &'static str,
        firmware: &'static str,
        disk_bytes: u64,
    },
    /// A line of the report port, as the guest wrote it.
    Report {
        report: serde_json::Value,
    },
    Reset {
        count: u32,
    },
    Stopping {
        reason: &'static str,
    },
    Ended {
        verdict: Verdict,
        code: u8,
        seconds: u64,
    },
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The guest powered off and nothing was awaited, or what was awaited came.
    Passed,
    /// The guest itself said that it failed.
    Failed {
        code: u8,
        message: String,
    },
    /// The guest stopped or reset before it said what was awaited.
    Silent {
        reason: String,
    },
    TimeLimit,
    /// The user ended it.
    Interrupted,
}

impl Verdict {
    /// Exit code: 0 passed; the guest's own, 1 to 123 (a greater one is 123); 1 silent; 124 time limit; 130
    /// interrupted.
    pub fn code(&self) -> u8 {
        match self {
            Verdict::Passed => 0,
            Verdict::Failed { code, .. } => (*code).clamp(1, 123),
            Verdict::Silent { .. } => 1,
            Verdict::TimeLimit => 124,
            Verdict::Interrupted => 130,
        }
    }
}
