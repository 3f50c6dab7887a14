//! Windowed keys as Kafka Streams writes them: the key's bytes, then the window's start (8 bytes, big
//! endian); of a session its end, then its start.

use plan::step::WindowInfo;

/// The key's own bytes and its window; `None` when there are too few bytes.
pub(crate) fn split(bytes: &[u8], window: WindowInfo) -> Option<(&[u8], (i64, i64))> {
    let (rest, start) = split_number(bytes)?;
    match window {
        WindowInfo::Time { size_ms } => Some((rest, (start, start.saturating_add(size_ms)))),
        WindowInfo::Session => split_number(rest).map(|(key, end)| (key, (start, end))),
    }
}

/// Appends a window to the key's own bytes.
pub(crate) fn join(key: &mut Vec<u8>, window: WindowInfo, (start, end): (i64, i64)) {
    if window == WindowInfo::Session {
        key.extend_from_slice(&end.to_be_bytes());
    }
    key.extend_from_slice(&start.to_be_bytes());
}

fn split_number(bytes: &[u8]) -> Option<(&[u8], i64)> {
    let (rest, last) = bytes.split_last_chunk::<8>()?;
    Some((rest, i64::from_be_bytes(*last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_come_back() {
        for (window, bounds) in [(WindowInfo::Time { size_ms: 10 }, (5, 15)), (WindowInfo::Session, (5, 7))] {
            let mut key = b"key".to_vec();
            join(&mut key, window, bounds);
            assert_eq!(split(&key, window), Some((&b"key"[..], bounds)));
        }
        assert_eq!(split(b"1234567", WindowInfo::Session), None);
    }
}
