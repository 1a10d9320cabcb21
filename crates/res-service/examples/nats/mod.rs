//! Where the examples find NATS.

/// The address in `NATS_URL`, or that of a server here.
pub(crate) fn url() -> String {
    std::env::var("NATS_URL").unwrap_or_else(|_| "127.0.0.1:4222".to_owned())
}
