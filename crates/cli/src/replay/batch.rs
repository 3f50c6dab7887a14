//! Records of one topic in the server's binary frames.
//!
//! ```text
//! i64 timestamp in ms, -1: now │ i32 key length, -1: none │ key │ i32 value length, -1: none │ value
//! ```

/// Records after which a batch is sent, unless told otherwise.
pub const RECORDS_MAX: u64 = 4096;
/// Bytes after which a batch is sent.
const BYTES_MAX: usize = 1 << 20;

/// Records that are sent and acknowledged together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Their topic.
    pub topic: String,
    /// The frames.
    pub frames: Vec<u8>,
    /// How many.
    pub records: u64,
}

impl Batch {
    /// Begins an empty batch.
    pub fn new(topic: &str) -> Self {
        Self { topic: topic.to_owned(), frames: Vec::new(), records: 0 }
    }

    /// Adds a record; a time that the server does not take is left to it.
    pub fn push(&mut self, time_ms: Option<i64>, key: Option<&[u8]>, value: &[u8]) {
        let time_ms = time_ms.filter(|ms| *ms >= 0).unwrap_or(-1);
        self.frames.extend_from_slice(&time_ms.to_be_bytes());
        self.push_part(key);
        self.push_part(Some(value));
        self.records += 1;
    }

    fn push_part(&mut self, part: Option<&[u8]>) {
        let length =
            part.map_or(-1, |part| i32::try_from(part.len()).expect("the reader bounds lines below 2 GiB"));
        self.frames.extend_from_slice(&length.to_be_bytes());
        self.frames.extend_from_slice(part.unwrap_or_default());
    }

    /// Tells whether it should be sent, with so many records at the latest.
    pub fn is_full(&self, records_max: u64) -> bool {
        self.records >= records_max || self.frames.len() >= BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_hold_time_key_and_value() {
        let mut batch = Batch::new("t");
        batch.push(Some(5), Some(b"k"), b"v!");
        batch.push(Some(-7), None, b"");
        let expect: &[u8] = &[
            0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, b'k', 0, 0, 0, 2, b'v', b'!', // first
            255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0,
        ];
        assert_eq!((batch.frames.as_slice(), batch.records), (expect, 2));
    }
}
