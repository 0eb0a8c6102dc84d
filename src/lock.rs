// LEAD'S NOTE: the lead writes src/resolve/*, src/package/version.rs and src/lock.rs on main; leave them. See src/repo/mod.rs for Offer.
