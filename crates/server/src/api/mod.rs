//! The endpoints: one file each, reached through `routes`.

pub mod close_query;
pub mod cluster;
pub mod consume;
pub mod health;
pub mod info;
pub mod inserts_stream;
pub mod ksql;
pub mod metadata;
pub mod metrics;
pub mod names;
pub mod produce;
pub mod property;
pub mod query;
pub mod query_stream;
pub mod status;
pub mod terminate;
pub mod topics;
pub mod websocket;
