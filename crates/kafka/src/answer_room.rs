//! What one answer may hold, counted by handlers whose answers can be far larger than their requests: a name of a few bytes
//! stands for a group with all its members, and a request may repeat it as Kafka allows.

use kafka_protocol::ResponseError;

/// What an answer other than a fetch's may take, before it is written and when it is.
pub(crate) const ANSWER_BYTES_MAX: usize = 256 << 20;
/// What an item of an answer takes besides its texts, roughly.
pub(crate) const ITEM_BYTES: usize = 256;

/// Counts down what is left.
pub(crate) struct Room {
    left: usize,
}

impl Room {
    pub(crate) fn of(bytes: usize) -> Room {
        Room { left: bytes.min(ANSWER_BYTES_MAX) }
    }

    /// Takes a part; after the first that does not fit there is room for none, so that the rest costs no work.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), ResponseError> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(ResponseError::UnknownServerError)
            }
        }
    }

    /// Says whether anything may be told yet.
    pub(crate) fn check(&self) -> Result<(), ResponseError> {
        if self.left == 0 { Err(ResponseError::UnknownServerError) } else { Ok(()) }
    }
}
