//! Records whose values say where they belong, and reading them from a log that may be damaged.

use commitlog::*;

/// What the record at an offset holds, whole.
fn value(number: i64) -> String {
    format!("{number}:{}", ".".repeat(90))
}

/// A batch of the records with these numbers.
pub fn batch(from: i64, count: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for number in from..from + count {
        builder.append(number, None, Some(value(number).as_bytes()), &[]);
    }
    builder.finish().to_vec()
}

/// Whether records must be at their own offsets. A batch's checksum does not cover its first offset, in Kafka neither.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Offsets {
    Theirs,
    MayBeFlipped,
}

/// Reads what can be read of a partition, going on behind what is damaged, and returns how many records it is. Each
/// must be one that was written, byte for byte.
pub fn read(log: &Log, topic: &str, partition: u32, bytes_max: usize, offsets: Offsets) -> i64 {
    let start = log.offsets(topic, partition).unwrap().log_start;
    let mut reader = log.reader(topic, partition, start, Isolation::ReadCommitted).unwrap();
    let (mut out, mut scratch, mut count, mut shifted) = (Vec::new(), Vec::new(), 0, 0);
    while reader.has_more() {
        let before = reader.offset();
        match reader.read(bytes_max, &mut out) {
            Ok(_) => assert!(reader.offset() > before),
            Err(LogError::Corrupt { resume_offset, .. }) => {
                assert!(resume_offset > before);
                reader.seek(resume_offset);
                continue;
            }
            Err(error) => panic!("{error}"),
        }
        for batch in batches(&out) {
            let mut is_shifted = false;
            for record in batch.unwrap().records(&mut scratch, 1 << 20).unwrap() {
                let record = record.unwrap();
                let text = std::str::from_utf8(record.value.unwrap()).unwrap();
                // The time is the number too.
                let number = if offsets == Offsets::Theirs { record.offset } else { record.timestamp };
                assert_eq!((text, record.timestamp), (value(number).as_str(), number));
                is_shifted |= record.offset != record.timestamp;
                count += 1;
            }
            shifted += i32::from(is_shifted);
        }
    }
    assert!(shifted <= 1, "{shifted} batches are at other offsets, one was flipped");
    count
}
