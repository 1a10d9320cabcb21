//! Seat inventory: holds decided by Postgres and shown live.
