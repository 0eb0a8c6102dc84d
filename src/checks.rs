//! Checks of a finished root: stub.
