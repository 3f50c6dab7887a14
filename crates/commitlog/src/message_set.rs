//! Message sets, the formats before Kafka 0.11 (magic 0 and 1): read into a record batch, written from one.
//!
//! ```text
//! offset i64 · size i32 · crc u32 · magic i8 · attributes i8 · [timestamp i64, magic 1] · key · value
//! ```
//!
//! Key and value are a length (i32, −1 is null) and bytes. The CRC-32 (not CRC32C) covers everything from the magic on.
//! Attributes: bits 0–2 codec, bit 3 log append time. A packed message's value is a message set itself, once.
//! The log keeps magic 2 only, so a set becomes one batch when it comes in, and batches become sets for those who ask
//! for them; headers are lost then, and markers of transactions are left out.

use crate::batch::{Batch, BatchError};
use crate::batch_builder::BatchBuilder;
use crate::compression::Compression;
use crate::wire::Reader;

/// Offset and size.
const PREFIX_LEN: usize = 12;
/// CRC, magic, attributes, key and value length.
const MESSAGE_LEN_MIN: usize = 14;
const ATTRIBUTE_CODEC: u8 = 7;
const ATTRIBUTE_LOG_APPEND_TIME: u8 = 1 << 3;
/// A message without a time, as magic 0 has it.
const NO_TIMESTAMP: i64 = -1;
const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// Says of which format the first message or batch is, if there are bytes enough to tell.
pub fn message_magic(bytes: &[u8]) -> Option<i8> {
    bytes.get(crate::batch::AT_MAGIC).map(|magic| *magic as i8)
}

/// Turns a message set into one record batch, packed with the codec of its first message. `None`: there is no message.
///
/// All packed messages together may unpack to at most `max_bytes`.
pub fn batch_from_messages(set: &[u8], max_bytes: usize) -> Result<Option<Vec<u8>>, BatchError> {
    let mut builder = BatchBuilder::new();
    let (mut left, mut scratch, mut codec) = (max_bytes, Vec::new(), None);
    for message in (Messages { rest: set }) {
        let message = message?;
        codec.get_or_insert(message.codec);
        if message.codec == Compression::None {
            builder.append(message.timestamp, message.key, message.value, &[]);
            continue;
        }
        let packed = message.value.ok_or(BatchError::Decompression)?;
        unpack(&message, packed, &mut scratch, left)?;
        left -= scratch.len();
        for inner in (Messages { rest: &scratch }) {
            let inner = inner?;
            if inner.codec != Compression::None {
                return Err(BatchError::Malformed { what: "a packed message within a packed message" });
            }
            builder.append(inner.timestamp, inner.key, inner.value, &[]);
        }
    }
    if builder.is_empty() {
        return Ok(None);
    }
    builder.set_compression(codec.unwrap_or_default());
    Ok(Some(builder.finish().to_vec()))
}

/// Appends a batch's records from an offset on as messages of an older magic, unpacked, until `out` has `bytes_max`
/// bytes or more. Says whether all were appended. `scratch` takes unpacked records.
pub fn messages_from_batch(
    batch: &Batch<'_>,
    magic: i8,
    from_offset: i64,
    bytes_max: usize,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<bool, BatchError> {
    if batch.is_control() {
        return Ok(true);
    }
    let attributes = if magic > 0 && batch.is_log_append_time() { ATTRIBUTE_LOG_APPEND_TIME } else { 0 };
    for record in batch.records(scratch, crate::partition::UNPACKED_BATCH_BYTES_MAX)? {
        let record = record?;
        if record.offset < from_offset {
            continue;
        }
        if !out.is_empty() && out.len() >= bytes_max {
            return Ok(false);
        }
        put_message(out, magic, attributes, record.offset, record.timestamp, record.key, record.value);
    }
    Ok(true)
}

fn put_message(
    out: &mut Vec<u8>,
    magic: i8,
    attributes: u8,
    offset: i64,
    timestamp: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) {
    let lengths = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
    let size = MESSAGE_LEN_MIN + if magic > 0 { 8 } else { 0 } + lengths;
    out.reserve(PREFIX_LEN + size);
    out.extend_from_slice(&offset.to_be_bytes());
    out.extend_from_slice(&(size as i32).to_be_bytes());
    let crc_at = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[magic as u8, attributes]);
    if magic > 0 {
        out.extend_from_slice(&timestamp.to_be_bytes());
    }
    for part in [key, value] {
        out.extend_from_slice(&part.map_or(-1, |part| part.len() as i32).to_be_bytes());
        out.extend_from_slice(part.unwrap_or_default());
    }
    let crc = crc32(&out[crc_at + 4..]);
    out[crc_at..crc_at + 4].copy_from_slice(&crc.to_be_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

struct Message<'a> {
    magic: i8,
    codec: Compression,
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

/// Reads message after message; ends after the first that is wrong.
struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let message = self.take();
        if message.is_err() {
            self.rest = &[];
        }
        Some(message)
    }
}

impl<'a> Messages<'a> {
    fn take(&mut self) -> Result<Message<'a>, BatchError> {
        let cut = |need: usize| BatchError::Cut { have: self.rest.len(), need };
        let mut prefix = Reader::new(self.rest);
        let (Some(_), Some(size)) = (prefix.i64(), prefix.i32()) else { return Err(cut(PREFIX_LEN)) };
        let len = usize::try_from(size)
            .ok()
            .filter(|len| *len >= MESSAGE_LEN_MIN)
            .ok_or(BatchError::Length { length: size })?;
        let body = self.rest[PREFIX_LEN..].get(..len).ok_or_else(|| cut(PREFIX_LEN + len))?;
        self.rest = &self.rest[PREFIX_LEN + len..];
        message(body)
    }
}

fn message(body: &[u8]) -> Result<Message<'_>, BatchError> {
    const CUT: BatchError = BatchError::Malformed { what: "a message is shorter than its key and value" };
    let (mut reader, magic) = (Reader::new(body), body[4] as i8);
    if !matches!(magic, 0 | 1) {
        return Err(BatchError::Magic { magic });
    }
    let found = reader.u32().ok_or(CUT)?;
    let computed = crc32(&body[4..]);
    if found != computed {
        return Err(BatchError::Checksum { base_offset: 0, found, computed });
    }
    let (_, attributes) = (reader.u8(), reader.u8().ok_or(CUT)?);
    let codec = (attributes & ATTRIBUTE_CODEC) as i16;
    let codec = Compression::from_id(codec)
        .filter(|codec| *codec != Compression::Zstd)
        .ok_or(BatchError::Codec { codec })?;
    let timestamp = if magic == 0 { NO_TIMESTAMP } else { reader.i64().ok_or(CUT)? };
    let mut part = || match reader.i32() {
        Some(-1) => Ok(None),
        Some(len) => usize::try_from(len).ok().and_then(|len| reader.take(len)).map(Some).ok_or(CUT),
        None => Err(CUT),
    };
    let (key, value) = (part()?, part()?);
    Ok(Message { magic, codec, timestamp, key, value })
}

fn unpack(
    message: &Message<'_>,
    packed: &[u8],
    out: &mut Vec<u8>,
    max_bytes: usize,
) -> Result<(), BatchError> {
    let mended;
    let packed = match (message.magic, message.codec) {
        (0, Compression::Lz4) => {
            mended = with_header_checksum(packed).ok_or(BatchError::Decompression)?;
            &mended
        }
        _ => packed,
    };
    message.codec.decompress(packed, out, max_bytes)
}

/// Clients from before Kafka 0.10 compute the checksum of an LZ4 frame's header over too many bytes (KAFKA-3160);
/// this sets the right one, which changes nothing for those who did it right.
fn with_header_checksum(frame: &[u8]) -> Option<Vec<u8>> {
    let flags = *frame.get(4).filter(|_| frame.starts_with(&LZ4_MAGIC))?;
    let descriptor_len = 2 + if flags & 8 != 0 { 8 } else { 0 } + if flags & 1 != 0 { 4 } else { 0 };
    let mut frame = frame.to_vec();
    let checksum = (xxh32_short(frame.get(4..4 + descriptor_len)?) >> 8) as u8;
    *frame.get_mut(4 + descriptor_len)? = checksum;
    Some(frame)
}

/// xxHash (32 bits, seed 0) of fewer than 16 bytes.
fn xxh32_short(bytes: &[u8]) -> u32 {
    const PRIMES: [u32; 5] = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1];
    debug_assert!(bytes.len() < 16);
    let mut hash = PRIMES[4].wrapping_add(bytes.len() as u32);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        hash = hash.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(PRIMES[2]));
        hash = hash.rotate_left(17).wrapping_mul(PRIMES[3]);
    }
    for byte in rest {
        hash = hash.wrapping_add((*byte as u32).wrapping_mul(PRIMES[4]));
        hash = hash.rotate_left(11).wrapping_mul(PRIMES[0]);
    }
    hash ^= hash >> 15;
    hash = hash.wrapping_mul(PRIMES[1]);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(PRIMES[2]);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Pair = (i64, Option<Vec<u8>>, Option<Vec<u8>>);

    fn set(magic: i8, codec: Compression, pairs: &[Pair]) -> Vec<u8> {
        let mut plain = Vec::new();
        for (offset, (timestamp, key, value)) in pairs.iter().enumerate() {
            put_message(&mut plain, magic, 0, offset as i64, *timestamp, key.as_deref(), value.as_deref());
        }
        if codec == Compression::None {
            return plain;
        }
        let (mut packed, mut wrapper) = (Vec::new(), Vec::new());
        codec.compress(&plain, &mut packed);
        put_message(&mut wrapper, magic, codec.id() as u8, 0, 0, None, Some(&packed));
        wrapper
    }

    fn pairs(batch: &[u8]) -> Vec<Pair> {
        let mut scratch = Vec::new();
        let batch = Batch::parse(batch).unwrap();
        batch.validate_records(&mut scratch, 1 << 20).unwrap();
        let all = batch.records(&mut scratch, 1 << 20).unwrap();
        all.map(|record| {
            let record = record.unwrap();
            (record.timestamp, record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec))
        })
        .collect()
    }

    fn sample() -> Vec<Pair> {
        vec![
            (7, Some(b"k".to_vec()), Some(b"v".to_vec())),
            (9, None, Some(b"".to_vec())),
            (8, Some(b"x".to_vec()), None),
        ]
    }

    #[test]
    fn message_sets_of_every_codec_become_a_batch() {
        for magic in [0, 1] {
            for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4] {
                let batch = batch_from_messages(&set(magic, codec, &sample()), 1 << 20).unwrap().unwrap();
                let mut expected = sample();
                if magic == 0 {
                    expected.iter_mut().for_each(|pair| pair.0 = NO_TIMESTAMP);
                }
                assert_eq!(pairs(&batch), expected);
                assert_eq!(Batch::parse(&batch).unwrap().compression(), Ok(codec));
            }
        }
        assert_eq!(batch_from_messages(&[], 1 << 20), Ok(None));
    }

    #[test]
    fn lz4_of_old_clients_has_another_header_checksum() {
        let mut plain = Vec::new();
        put_message(&mut plain, 0, 0, 0, 0, None, Some(b"v"));
        let mut packed = Vec::new();
        Compression::Lz4.compress(&plain, &mut packed);
        let right = packed.clone();
        packed[6] ^= 0x5a;
        assert_eq!(with_header_checksum(&packed), Some(right));
        let mut wrapper = Vec::new();
        put_message(&mut wrapper, 0, 3, 0, 0, None, Some(&packed));
        assert!(batch_from_messages(&wrapper, 1 << 20).is_ok());
        let mut newer = Vec::new();
        put_message(&mut newer, 1, 3, 0, 0, None, Some(&packed));
        assert_eq!(batch_from_messages(&newer, 1 << 20), Err(BatchError::Decompression));
    }

    #[test]
    fn wrong_messages_are_refused() {
        let good = set(1, Compression::None, &sample());
        let refused = |bytes: &[u8]| batch_from_messages(bytes, 1 << 20).unwrap_err();
        assert!(matches!(refused(&good[..good.len() - 1]), BatchError::Cut { .. }));
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert!(matches!(refused(&flipped), BatchError::Checksum { .. }));
        let mut long = good.clone();
        long[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
        assert!(matches!(refused(&long), BatchError::Cut { .. }));
        long[8..12].copy_from_slice(&(-1i32).to_be_bytes());
        assert!(matches!(refused(&long), BatchError::Length { length: -1 }));
        let mut newer = good.clone();
        newer[16] = 2;
        assert!(matches!(refused(&newer), BatchError::Magic { magic: 2 }));
        let mut zstd = Vec::new();
        put_message(&mut zstd, 1, 4, 0, 0, None, Some(b"x"));
        assert!(matches!(refused(&zstd), BatchError::Codec { codec: 4 }));
        let mut nested = Vec::new();
        let mut packed = Vec::new();
        Compression::Gzip.compress(&set(1, Compression::Gzip, &sample()), &mut packed);
        put_message(&mut nested, 1, 1, 0, 0, None, Some(&packed));
        assert!(matches!(refused(&nested), BatchError::Malformed { .. }));
    }

    #[test]
    fn packed_messages_share_one_bound() {
        let value = vec![0; 3000];
        let one = set(1, Compression::Gzip, &[(0, None, Some(value))]);
        assert!(batch_from_messages(&one, 4000).is_ok());
        let two = [one.clone(), one].concat();
        assert!(matches!(batch_from_messages(&two, 4000), Err(BatchError::TooLarge { .. })));
    }

    #[test]
    fn messages_are_cut_at_the_bound_but_never_to_nothing() {
        let batch = batch_from_messages(&set(1, Compression::Gzip, &sample()), 1 << 20).unwrap().unwrap();
        let batch = Batch::parse(&batch).unwrap();
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        assert_eq!(messages_from_batch(&batch, 1, 0, 1, &mut scratch, &mut out), Ok(false));
        assert_eq!(Messages { rest: &out }.count(), 1);
        out.clear();
        assert_eq!(messages_from_batch(&batch, 1, 1, 1 << 20, &mut scratch, &mut out), Ok(true));
        assert_eq!(Messages { rest: &out }.count(), 2);
    }

    proptest! {
        #[test]
        fn batches_survive_the_way_there_and_back(
            pairs_in in prop::collection::vec(
                (any::<i32>(), prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
                 prop::option::of(prop::collection::vec(any::<u8>(), 0..50))), 1..20),
            codec in 0i16..4,
        ) {
            let mut builder = BatchBuilder::with_compression(Compression::from_id(codec).unwrap());
            for (timestamp, key, value) in &pairs_in {
                builder.append(*timestamp as i64, key.as_deref(), value.as_deref(), &[]);
            }
            let batch = builder.finish().to_vec();
            let (mut scratch, mut out) = (Vec::new(), Vec::new());
            messages_from_batch(&Batch::parse(&batch).unwrap(), 1, 0, usize::MAX, &mut scratch, &mut out).unwrap();
            let again = batch_from_messages(&out, 1 << 20).unwrap().unwrap();
            prop_assert_eq!(pairs(&again), pairs(&batch));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..60, with in any::<u8>()) {
            let _ = batch_from_messages(&bytes, 1 << 16);
            for codec in [Compression::None, Compression::Snappy, Compression::Lz4] {
                let mut changed = set(0, codec, &sample());
                let at = at % changed.len();
                changed[at] = with;
                // With the right checksum the rest is looked at, too.
                if changed.len() > 16 {
                    let crc = crc32(&changed[16..]);
                    changed[12..16].copy_from_slice(&crc.to_be_bytes());
                }
                let _ = batch_from_messages(&changed, 1 << 16);
            }
        }
    }
}
