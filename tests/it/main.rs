//! The one integration binary. Its modules:
//!
//! * `recipes`: every mistake in `tests/recipes/bad`, and its good twin

mod recipes;
