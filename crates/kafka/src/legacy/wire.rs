//! The layout of old versions: big-endian numbers, texts behind an i16, bytes and arrays behind an i32.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;

/// Items of arrays one request may have, as everywhere.
const ITEMS_MAX: usize = 1 << 18;

/// Reads a request; `None` as soon as something does not fit, before anything is reserved for it.
pub(super) struct Reader<'a> {
    /// All of it, so that bytes need not be copied.
    whole: &'a Bytes,
    at: usize,
    items: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(whole: &'a Bytes) -> Reader<'a> {
        Reader { whole, at: 0, items: 0 }
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.whole.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn array_of<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        self.array_of().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.array_of().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array_of().map(i64::from_be_bytes)
    }

    /// Takes a text that may be null.
    pub(super) fn nullable_text(&mut self) -> Option<Option<StrBytes>> {
        let len = self.i16()?;
        if len == -1 {
            return Some(None);
        }
        let text = std::str::from_utf8(self.take(usize::try_from(len).ok()?)?).ok()?;
        Some(Some(StrBytes::from_string(text.to_owned())))
    }

    pub(super) fn text(&mut self) -> Option<StrBytes> {
        self.nullable_text()?
    }

    /// Takes bytes that may be null, without copying them.
    pub(super) fn nullable_bytes(&mut self) -> Option<Option<Bytes>> {
        let len = self.i32()?;
        if len == -1 {
            return Some(None);
        }
        let start = self.at;
        self.take(usize::try_from(len).ok()?)?;
        Some(Some(self.whole.slice(start..self.at)))
    }

    /// Takes an array, whose items have at least `item_len_min` bytes each; null is empty.
    pub(super) fn array<T>(
        &mut self,
        item_len_min: usize,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = match self.i32()? {
            -1 => 0,
            count => usize::try_from(count).ok()?,
        };
        self.items = self.items.checked_add(count).filter(|all| *all <= ITEMS_MAX)?;
        if count > (self.whole.len() - self.at) / item_len_min.max(1) {
            return None;
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Some(items)
    }
}

/// Writes an answer.
#[derive(Default)]
pub(super) struct Writer {
    pub bytes: BytesMut,
    /// Something did not fit its length field; the answer is not sent.
    pub overflows: bool,
}

impl Writer {
    pub(super) fn i16(&mut self, value: i16) {
        self.bytes.put_i16(value);
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.bytes.put_i32(value);
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.bytes.put_i64(value);
    }

    pub(super) fn text(&mut self, text: &str) {
        match i16::try_from(text.len()) {
            Ok(len) => self.i16(len),
            Err(_) => self.overflows = true,
        }
        self.bytes.put_slice(text.as_bytes());
    }

    pub(super) fn nullable_text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.i16(-1),
        }
    }

    pub(super) fn data(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.bytes.put_slice(bytes);
    }

    pub(super) fn array<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.count(items.len());
        for one in items {
            item(self, one);
        }
    }

    fn count(&mut self, count: usize) {
        match i32::try_from(count) {
            Ok(count) => self.i32(count),
            Err(_) => self.overflows = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_beyond_the_bytes_is_refused_before_memory_is_reserved() {
        let count = |bytes: &'static [u8]| {
            let bytes = Bytes::from_static(bytes);
            Reader::new(&bytes).array(2, Reader::i16)
        };
        assert_eq!(count(&[0, 0, 0, 1, 0, 7]), Some(vec![7]));
        assert_eq!(count(&[0xff, 0xff, 0xff, 0xff]), Some(vec![]));
        assert_eq!(count(&[0, 0, 0, 2, 0, 7]), None);
        assert_eq!(count(&[0x7f, 0xff, 0xff, 0xff, 0, 7]), None);
        assert_eq!(count(&[0xff, 0xff, 0xff, 0xfe]), None);
        assert_eq!(count(&[0, 0]), None);
    }

    #[test]
    fn nested_arrays_share_one_bound() {
        let mut bytes = BytesMut::new();
        bytes.put_i32(3);
        for _ in 0..3 {
            bytes.put_i32(1 << 17);
            bytes.put_slice(&vec![0; 1 << 17]);
        }
        let bytes = bytes.freeze();
        let read = Reader::new(&bytes).array(4, |r| r.array(1, |r| r.take(1).map(|_| ())));
        assert_eq!(read, None);
    }

    #[test]
    fn texts_and_bytes_may_be_null_and_must_fit() {
        let bytes = Bytes::from_static(&[0, 1, b'a', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9, 1]);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.text().as_deref(), Some("a"));
        assert_eq!(reader.nullable_text(), Some(None));
        assert_eq!(reader.nullable_bytes(), Some(None));
        assert_eq!(reader.nullable_bytes(), None);
        assert_eq!(Reader::new(&Bytes::from_static(&[0, 1, 0xff])).text(), None);
    }
}
