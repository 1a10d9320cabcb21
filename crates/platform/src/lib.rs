//! The process around a service: options, telemetry, Postgres, KeyDB, bus and outbox, ownership, health, stop.
