//! Any bytes as a Zeek log: every event is one JSON object, as `serde_json` and the scanner read it.

#![no_main]

use connect::source::ZeekTsv;
use formats::json::{Kind, scan_value};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

/// Longest `#path` that is passed on.
const PATH_BYTES_MAX: usize = 255;

fuzz_target!(|data: &[u8]| {
    let mut zeek = ZeekTsv::new();
    let mut event = b"left over".to_vec();
    for line in data.split(|&byte| byte == b'\n') {
        match zeek.take_line(line, &mut event) {
            Ok(true) => {
                let raw: Result<&RawValue, _> = serde_json::from_slice(&event);
                let shown = String::from_utf8_lossy(&event);
                assert!(raw.is_ok_and(|raw| raw.get().starts_with('{')), "{shown}");
                let slot = scan_value(&event).unwrap_or_else(|error| panic!("{error}: {shown}"));
                assert_eq!(slot.kind, Kind::Object);
            }
            Ok(false) => {
                assert!(line.starts_with(b"#") && event.is_empty());
                assert!(zeek.path().is_none_or(|path| path.len() <= PATH_BYTES_MAX));
            }
            Err(error) => {
                // What is quoted of the log in a message is short, escaped and of one line.
                let message = error.to_string();
                assert!(message.len() < 2000 && !message.chars().any(char::is_control), "{message:?}");
            }
        }
    }
});
