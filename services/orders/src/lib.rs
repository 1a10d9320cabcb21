//! Orders: from a hold to a paid order, live.
