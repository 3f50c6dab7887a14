//! The server over real sockets, with a fake engine behind it.

mod client;
mod endpoints;
mod hostile;
mod streams;
