//! The tutorials' SQL over real recordings, against the real program: a server in a process of its own, statements
//! and questions over HTTP, events from `tripline replay`.
//!
//! Each recording runs undisturbed ([`counts`]) and with a server that is killed ten times during the replay
//! ([`kills`]), at one and at several partitions; the counts must be the same. The recordings lie beside the project
//! (`../shared/data`); where they are not there the tests say so and pass. `TRIPLINE_KILLS=200 cargo test -p cli --test
//! recordings kills` kills more often, also servers that are about to start, at moments that `TRIPLINE_SEED` picks.

#![allow(clippy::unwrap_used, reason = "tests; the lint does not see helpers of test files as such")]

mod case;
mod counts;
mod cutting_proxy;
mod kills;
mod process;
mod statements;
