//! Keys with a window behind them, as Kafka Streams writes them.
//!
//! ```text
//! TUMBLING, HOPPING   key bytes, start (8 bytes, big endian); the end is start + size
//! SESSION             key bytes, end (8 bytes), start (8 bytes)
//! ```

use plan::step::WindowInfo;

const BOUND_BYTES: usize = 8;

/// Returns the key's own bytes and its window; `None` if the bytes are too few.
pub fn split_window(bytes: &[u8], window: WindowInfo) -> Option<(&[u8], (i64, i64))> {
    let (rest, start) = split_bound(bytes)?;
    match window {
        WindowInfo::Time { size_ms } => Some((rest, (start, start.saturating_add(size_ms)))),
        WindowInfo::Session => {
            let (key, end) = split_bound(rest)?;
            Some((key, (start, end)))
        }
    }
}

/// Appends a window to the key's own bytes.
pub fn join_window(key: &mut Vec<u8>, window: WindowInfo, (start, end): (i64, i64)) {
    if window == WindowInfo::Session {
        key.extend_from_slice(&end.to_be_bytes());
    }
    key.extend_from_slice(&start.to_be_bytes());
}

fn split_bound(bytes: &[u8]) -> Option<(&[u8], i64)> {
    let (rest, bound) = bytes.split_at_checked(bytes.len().checked_sub(BOUND_BYTES)?)?;
    Some((rest, i64::from_be_bytes(bound.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(window: WindowInfo, bounds: (i64, i64), len: usize) {
        let mut key = b"key".to_vec();
        join_window(&mut key, window, bounds);
        assert_eq!(key.len(), len);
        assert_eq!(split_window(&key, window), Some((&b"key"[..], bounds)));
    }

    #[test]
    fn windows_come_back() {
        round_trip(WindowInfo::Time { size_ms: 10 }, (5, 15), 11);
        round_trip(WindowInfo::Session, (5, 7), 19);
    }

    #[test]
    fn too_few_bytes_are_no_window() {
        assert_eq!(split_window(b"1234567", WindowInfo::Time { size_ms: 1 }), None);
        assert_eq!(split_window(b"123456789012345", WindowInfo::Session), None);
    }
}
