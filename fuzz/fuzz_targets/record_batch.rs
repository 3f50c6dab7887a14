//! Any bytes as record batches: what passes the checks can be read to its end and written again.
//!
//! The first byte says whether checksums are made right before, so that the fuzzer gets past them.

#![no_main]

use commitlog::{BATCH_HEADER_LEN, Batch, BatchBuilder, BatchError, batches};
use libfuzzer_sys::fuzz_target;

#[path = "../src/checksum.rs"]
mod checksum;

const UNPACKED_BYTES_MAX: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((&mode, bytes)) = data.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if mode & 1 == 1 {
        checksum::make_right(&mut bytes);
    }
    let (mut scratch, mut len) = (Vec::new(), 0);
    for batch in batches(&bytes) {
        let Ok(batch) = batch else { return };
        len += batch.len();
        assert!(batch.len() >= BATCH_HEADER_LEN && len <= bytes.len());
        check_batch(&batch, &mut scratch);
    }
    assert_eq!(len, bytes.len());
});

fn check_batch(batch: &Batch<'_>, scratch: &mut Vec<u8>) {
    let is_valid = batch.validate().is_ok();
    let are_records_valid = batch.validate_records(scratch, UNPACKED_BYTES_MAX).is_ok();
    assert!(is_valid || !are_records_valid);
    batch.control_type();
    let read = read(batch, scratch);
    // An unpacking that runs away is stopped at the bound, give or take a reader's own steps.
    assert!(scratch.capacity() <= 4 * UNPACKED_BYTES_MAX);
    if are_records_valid {
        let again = read.expect("the records were checked");
        assert_eq!(again.record_count(), batch.record_count() as usize);
        check_written_again(again, batch);
    }
}

/// Reads all records, and puts them into a batch without compression.
fn read(batch: &Batch<'_>, scratch: &mut Vec<u8>) -> Result<BatchBuilder, BatchError> {
    let mut builder = BatchBuilder::new();
    for record in batch.records(scratch, UNPACKED_BYTES_MAX)? {
        let record = record?;
        let headers = record.headers().collect::<Result<Vec<_>, _>>()?;
        assert_eq!(headers.len(), record.header_count());
        builder.append(record.timestamp, record.key, record.value, &headers);
    }
    Ok(builder)
}

fn check_written_again(mut builder: BatchBuilder, original: &Batch<'_>) {
    if builder.is_empty() {
        return;
    }
    let mut bytes = builder.finish().to_vec();
    commitlog::set_base_offset(&mut bytes, original.base_offset());
    let again = Batch::parse(&bytes).expect("it was just written");
    again.validate_records(&mut Vec::new(), UNPACKED_BYTES_MAX).expect("it was just written");
    let (mut left_scratch, mut right_scratch) = (Vec::new(), Vec::new());
    let left = original.records(&mut left_scratch, UNPACKED_BYTES_MAX).expect("it was read before");
    let right = again.records(&mut right_scratch, UNPACKED_BYTES_MAX).expect("it is not packed");
    for (left, right) in left.zip(right) {
        let (left, right) = (left.expect("it was read before"), right.expect("it was just written"));
        assert_eq!((left.offset, left.timestamp), (right.offset, right.timestamp));
        assert_eq!((left.key, left.value), (right.key, right.value));
        assert!(left.headers().eq(right.headers()));
    }
}
