//! Checksums of record batches made right, wherever the lengths let one be found.

use commitlog::{Batch, set_producer};

/// Sums every batch that lies in `bytes` one after the other, up to the first that is none.
pub fn make_right(bytes: &mut [u8]) {
    let mut rest = bytes;
    while let Ok(batch) = Batch::parse(rest) {
        let (id, epoch, sequence) = (batch.producer_id(), batch.producer_epoch(), batch.base_sequence());
        let (is_transactional, len) = (batch.is_transactional(), batch.len());
        let (this, after) = rest.split_at_mut(len);
        // Puts in what is there already, and the sum.
        set_producer(this, id, epoch, sequence, is_transactional);
        rest = after;
    }
}
