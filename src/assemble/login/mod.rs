//! Who may log in, as PAM is told: the stacks that services include, which on both families a program would make.

pub(super) mod authselect;
pub(super) mod pam;
pub(crate) mod service;
