//! Kafka's wire protocol over the log: any Kafka client reaches Tripline as a cluster of one node.
//!
//! ```text
//! socket → frame (length, header, shape checked) → dispatch (API key, version) → api/<name>.rs → the log
//! ```
//!
//! Record batches stay opaque: what a producer sent is what lies on disk and what a consumer gets. Rules that hold
//! everywhere:
//!
//! - A connection's requests are carried out in the order they came and answered in that order.
//! - `acks=all` is answered after the sync that makes the records durable; many producers share one.
//! - No length from outside is believed before it is checked; a frame that cannot be decoded closes its connection.
//! - `ApiVersions` lists what `dispatch.rs` serves, from the same table.

mod addresses;
mod altering;
mod answer_bytes;
mod answer_room;
mod api;
mod broker;
mod clock;
mod config;
mod connection;
mod dispatch;
mod dynamic;
mod error;
mod expiry;
mod fetch_session;
mod frame;
mod fuzz_door;
mod group;
mod incoming;
pub mod jaas;
mod legacy;
mod listen;
mod newer;
mod owner;
mod quotas;
mod security;
mod shape;
mod shape_table;
mod store;

#[cfg(test)]
mod tests;

pub use clock::Clock;
pub use config::{ConfigError, KafkaConfig, Listener};
pub use frame::check_request;
pub use fuzz_door::{Offline, check_body};
pub use listen::{KafkaServer, ListenError, Running};
pub use owner::{NoOwner, Owner};
