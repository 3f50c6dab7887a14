//! What members of groups say of themselves and are assigned, kept as copies whose bytes are counted, of all groups
//! together: a slice of a request would keep its whole frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// Bytes kept for all groups together.
const KEPT_MAX: usize = 256 << 20;
/// What keeping something takes besides it.
const KEPT_BYTES: usize = 256;

/// Counts for all groups.
#[derive(Default)]
pub(crate) struct GroupBytes {
    kept: Arc<AtomicUsize>,
}

/// A copy that is counted until nobody has it any more.
struct Kept {
    bytes: Box<[u8]>,
    counted: usize,
    all: Arc<AtomicUsize>,
}

impl GroupBytes {
    /// Returns a copy, counted with the length of what is kept beside it; `None` when all groups have too much.
    pub(crate) fn keep(&self, bytes: &[u8], beside: usize) -> Option<Bytes> {
        let counted = KEPT_BYTES + bytes.len() + beside;
        if self.kept.fetch_add(counted, Ordering::Relaxed) + counted > KEPT_MAX {
            self.kept.fetch_sub(counted, Ordering::Relaxed);
            return None;
        }
        Some(Bytes::from_owner(Kept { bytes: bytes.into(), counted, all: self.kept.clone() }))
    }

    /// Returns how much is kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.all.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_counted_until_it_is_dropped() {
        let all = GroupBytes::default();
        let one = all.keep(b"metadata", 10).unwrap();
        assert_eq!((&*one, all.kept()), (&b"metadata"[..], KEPT_BYTES + 18));
        let same = one.clone();
        assert!(all.keep(b"", KEPT_MAX - KEPT_BYTES).is_none());
        drop(one);
        assert_eq!(all.kept(), KEPT_BYTES + 18);
        drop(same);
        assert_eq!(all.kept(), 0);
    }
}
