//! In-process tests: a broker on a free port, a client that writes raw frames.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

mod client;
mod groups;
mod hostile;
mod legacy;
mod login;
mod records;
mod transactions;
mod versions;
