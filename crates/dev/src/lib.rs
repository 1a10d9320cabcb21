//! cargo dev: the one entry for people, CI and pipelines.
