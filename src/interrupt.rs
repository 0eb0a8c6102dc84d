//! Ctrl-C and SIGTERM, as a flag that long commands look at.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Set by Ctrl-C or SIGTERM, from the first call on; without a call the program ends at once.
pub(crate) fn interrupted() -> &'static Arc<AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    FLAG.get_or_init(|| {
        let flag = Arc::new(AtomicBool::new(false));
        let handler = flag.clone();
        // Fails only if another handler is set, and this is the program's one place that sets any.
        let _ = ctrlc::set_handler(move || handler.store(true, Ordering::Relaxed));
        flag
    })
}
