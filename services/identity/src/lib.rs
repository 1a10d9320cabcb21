//! Who a connection is: guest sessions for Resgate.
