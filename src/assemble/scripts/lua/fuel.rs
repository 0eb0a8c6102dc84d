//! What a run in Lua may still do, and the error by which one ends.

use std::cell::Cell;
use std::rc::Rc;

/// What one run may keep, in bytes.
pub(super) const MEMORY: usize = 16 << 20;

/// Steps that are left, shared with the hook that counts Lua's instructions.
#[derive(Debug, Clone, Default)]
pub(super) struct Fuel {
    left: Rc<Cell<u64>>,
    used_up: Rc<Cell<bool>>,
}

impl Fuel {
    /// Whether so many were left.
    pub(super) fn spend(&self, steps: u64) -> bool {
        match self.left.get().checked_sub(steps) {
            Some(left) => self.left.set(left),
            None => {
                self.left.set(0);
                self.used_up.set(true);
            }
        }
        !self.used_up.get()
    }

    pub(super) fn left(&self) -> u64 {
        self.left.get()
    }

    /// What is left after work that was counted elsewhere.
    pub(super) fn set(&self, left: u64) {
        self.left.set(left);
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.used_up.get()
    }
}

/// What ends a run inside Lua; the reason is kept outside.
pub(super) fn over() -> mlua::Error {
    mlua::Error::runtime("over")
}
