//! A small HTTP/1.1 client: requests to one server, answers streamed.

mod client;
mod endpoint;
#[cfg(test)]
pub mod fake;

pub use client::{Client, Response, ServerError};
pub use endpoint::Endpoint;

/// Returns a text as one segment of a path.
pub fn path_segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
