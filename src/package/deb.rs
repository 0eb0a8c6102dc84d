//! A `.deb` → [`Package`](super::Package).
