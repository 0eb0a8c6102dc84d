//! Keys for Secure Boot: who signs what the firmware starts, and what makes the firmware ask for it.
//!
//! * `certificates`: PEM texts → the certificates of a signer
//! * `signer`: a private key that is here, or a command that has it elsewhere
//! * `identity`: a signer with its certificates signs images and variables
//! * `enrolment`: the files from which systemd-boot puts keys into a firmware that has none

mod certificates;
mod enrolment;
mod identity;
mod signer;

pub use certificates::certificates;
pub use enrolment::{Enroll, Enrolment, KeyFile};
pub use identity::Identity;
pub use signer::{PemKey, SignCommand, Signer, ToSign};
