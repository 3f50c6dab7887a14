//! Any bytes as a frame of Kafka's protocol: header, shape check and decoding never panic and never reserve memory for
//! what is not there.
//!
//! The input is the frame behind its length: API key, version, correlation id, client id, body.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    kafka::check_request(data);
});
