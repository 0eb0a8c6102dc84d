//! Whom and what programs trust: the authorities' certificates, in each family's form, and Red Hat's policies of
//! cryptography.

pub(super) mod crypto_policies;
pub(super) mod debian;
pub(super) mod red_hat;
mod x509;
