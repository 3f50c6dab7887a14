//! In-process tests: a broker on a free port, a client that writes raw frames.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

mod client;
mod groups;
mod hostile;
mod login;
mod records;
mod storage;
mod transactions;
mod versions;
