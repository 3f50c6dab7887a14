//! In-process tests: a broker on a free port, a client that writes raw frames.

// Functions that only tests call may unwrap too.
#![allow(clippy::unwrap_used)]

mod amplified;
mod client;
mod expiry;
mod fetches;
mod groups;
mod hostile;
mod large;
mod legacy;
mod limits;
mod login;
mod newer;
mod peers;
mod quotas;
mod records;
mod reserved;
mod restart;
mod rights;
mod slow_disk;
mod storage;
mod tls;
mod transactions;
mod versions;
mod waiting;
