//! Keyed and windowed state of queries: in memory, logged, snapshotted, spilled.
