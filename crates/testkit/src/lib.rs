//! Real servers for tests, one world per test.
