//! The Kubernetes part of a recipe: its version, what follows from it, and what contradicts it.
//!
//! ```text
//! kubernetes: in the recipe ─ section ─► Kubernetes + package pins ─ coherence ─► defaults, contradictions
//!                                              table.yaml ──────────────┘
//! ```

pub mod coherence;
mod release;
pub mod section;
pub mod table;

pub use release::{Kubernetes, Version};

#[cfg(test)]
mod tests;
