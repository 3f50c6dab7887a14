//! One entry in a chunk: `head | key | value`.
//!
//! The head is two varints: `key length << 2 | mark`, then the value's length. Keys up to 31 bytes and values up to
//! 127 bytes have a head of two bytes. An entry never changes its length; only its value bytes and its mark are
//! overwritten in place, so a chunk can always be walked from its start.

/// What the mark in an entry's head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Unchanged since the last drain.
    Clean = 0,
    /// Changed since the last drain.
    Dirty = 1,
    /// Removed since the last drain; kept until the tombstone is drained.
    Removed = 2,
    /// Garbage.
    Dead = 3,
}

impl Mark {
    fn from_bits(bits: u8) -> Mark {
        match bits & 3 {
            0 => Mark::Clean,
            1 => Mark::Dirty,
            2 => Mark::Removed,
            _ => Mark::Dead,
        }
    }

    /// Returns whether the entry awaits the next drain.
    pub(crate) fn is_changed(self) -> bool {
        matches!(self, Mark::Dirty | Mark::Removed)
    }
}

/// The most bytes a head takes: two varints of 32-bit lengths and the mark.
pub(crate) const HEAD_BYTES_MAX: usize = 10;

/// A decoded head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) mark: Mark,
    pub(crate) head_len: usize,
    pub(crate) key_len: usize,
    pub(crate) value_len: usize,
}

impl Head {
    /// Reads the head at the start of `bytes`; `None` when it is cut short or overlong.
    #[inline]
    pub(crate) fn decode(bytes: &[u8]) -> Option<Head> {
        let first = *bytes.first()?;
        let second = *bytes.get(1)?;
        if first < 0x80 && second < 0x80 {
            let mark = Mark::from_bits(first);
            return Some(Head {
                mark,
                head_len: 2,
                key_len: usize::from(first >> 2),
                value_len: usize::from(second),
            });
        }
        let (key_and_mark, key_head) = read_varint(bytes)?;
        let (value_len, value_head) = read_varint(&bytes[key_head..])?;
        Some(Head {
            mark: Mark::from_bits(key_and_mark as u8),
            head_len: key_head + value_head,
            key_len: usize::try_from(key_and_mark >> 2).ok()?,
            value_len: usize::try_from(value_len).ok()?,
        })
    }

    /// Returns the length of the whole entry.
    #[inline]
    pub(crate) fn entry_len(&self) -> usize {
        self.head_len + self.key_len + self.value_len
    }

    /// Returns the key of the entry that starts at `bytes[0]`.
    #[inline]
    pub(crate) fn key<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.head_len..self.head_len + self.key_len]
    }

    /// Returns the value of the entry that starts at `bytes[0]`.
    #[inline]
    pub(crate) fn value<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.head_len + self.key_len..self.entry_len()]
    }
}

/// Returns the length of an entry with these lengths.
pub(crate) fn entry_len(key_len: usize, value_len: usize) -> usize {
    varint_len((key_len as u64) << 2) + varint_len(value_len as u64) + key_len + value_len
}

/// Appends an entry to `chunk`.
#[inline]
pub(crate) fn write_entry(chunk: &mut Vec<u8>, mark: Mark, key: &[u8], value: &[u8]) {
    write_varint(chunk, (key.len() as u64) << 2 | mark as u64);
    write_varint(chunk, value.len() as u64);
    chunk.extend_from_slice(key);
    chunk.extend_from_slice(value);
}

/// Sets the mark of the entry that starts at `bytes[0]`.
#[inline]
pub(crate) fn set_mark(bytes: &mut [u8], mark: Mark) {
    bytes[0] = bytes[0] & !3 | mark as u8;
}

/// Appends `number` as a little-endian base-128 varint.
#[inline]
pub(crate) fn write_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads a varint and returns it with its length; `None` when it is cut short or longer than 64 bits.
#[inline]
pub(crate) fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0u64;
    for (at, &byte) in bytes.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return None;
        }
        number |= bits << (7 * at);
        if byte < 0x80 {
            return Some((number, at + 1));
        }
    }
    None
}

fn varint_len(number: u64) -> usize {
    ((64 - (number | 1).leading_zeros()) as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varint_reads_back(number: u64) {
            let mut out = Vec::new();
            write_varint(&mut out, number);
            prop_assert_eq!(out.len(), varint_len(number));
            prop_assert_eq!(read_varint(&out), Some((number, out.len())));
            prop_assert_eq!(read_varint(&out[..out.len() - 1]), None);
        }

        #[test]
        fn entry_reads_back(key in prop::collection::vec(any::<u8>(), 0..300), value in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut chunk = Vec::new();
            write_entry(&mut chunk, Mark::Dirty, &key, &value);
            set_mark(&mut chunk, Mark::Removed);
            let head = Head::decode(&chunk).expect("just written");
            prop_assert_eq!(head.mark, Mark::Removed);
            prop_assert_eq!(head.entry_len(), chunk.len());
            prop_assert_eq!(entry_len(key.len(), value.len()), chunk.len());
            prop_assert_eq!(head.key(&chunk), &key[..]);
            prop_assert_eq!(head.value(&chunk), &value[..]);
        }
    }
}
