//! The HTTP side of Tripline: ksqlDB's REST endpoints, our own under `/api/v1`, and metrics.
//!
//! ```text
//! listen ─ connection ─ guard ─ routes ─ api/<endpoint> ─ backend (the engine)
//!                                             │
//!                                        row_stream: rows of a query, as fast as the client reads
//! ```
//!
//! The only crate that knows JSON of the API. Everything from outside has a bound in [`Limits`] or in a
//! constant next to its use.

#![allow(clippy::result_large_err, reason = "an error ends its request: its size does not matter")]

mod api;
mod backend;
mod body;
mod call;
mod config;
mod connection;
mod entity_json;
mod error;
mod gauge;
mod guard;
mod json;
mod listen;
mod metered;
mod print_stream;
mod properties_file;
mod request_body;
mod routes;
mod row_stream;
mod state;
mod type_json;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use backend::{Backend, Printer, QueryRows, RowSource};
pub use config::{Limits, ServerConfig};
pub use error::ServerError;
pub use listen::{Running, Server};
pub use properties_file::{Setting, parse_override, read_settings};
