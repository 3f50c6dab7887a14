//! Which windows of which keys changed since the last flush, in the order of their first change.

/// Keys and window starts; the rows themselves are in the store.
#[derive(Debug)]
pub(crate) struct HeldBack {
    /// All keys, one behind the other.
    keys: Vec<u8>,
    /// Where a key ends, and the start of its window.
    entries: Vec<(usize, i64)>,
    /// The lowest of the starts.
    oldest: i64,
}

impl HeldBack {
    pub(crate) fn new() -> Self {
        Self { keys: vec![], entries: vec![], oldest: i64::MAX }
    }

    pub(crate) fn add(&mut self, key: &[u8], start: i64) {
        self.keys.extend_from_slice(key);
        self.entries.push((self.keys.len(), start));
        self.oldest = self.oldest.min(start);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether some window starts before `bound`.
    pub(crate) fn has_before(&self, bound: i64) -> bool {
        self.oldest < bound
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], i64)> {
        let mut from = 0;
        self.entries
            .iter()
            .map(move |&(end, start)| (&self.keys[std::mem::replace(&mut from, end)..end], start))
    }

    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.entries.clear();
        self.oldest = i64::MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_order() {
        let mut held = HeldBack::new();
        for round in 0..2 {
            assert!(!held.has_before(i64::MAX));
            for (key, start) in [("b", 10), ("", 5), ("aa", 20)] {
                held.add(key.as_bytes(), start + round);
            }
            assert!(held.has_before(6 + round) && !held.has_before(5 + round));
            let found: Vec<_> = held.iter().collect();
            let expect: [(&[u8], i64); 3] = [(b"b", 10 + round), (b"", 5 + round), (b"aa", 20 + round)];
            assert_eq!(found, expect);
            held.clear();
        }
    }
}
