//! Command lines by chance.
