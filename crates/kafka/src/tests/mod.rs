//! In-process tests with raw frames.
