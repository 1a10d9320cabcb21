//! The real programs Livehouse runs on: found, built or fetched, and run as private processes.
