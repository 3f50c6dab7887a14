//! The five codecs a record batch may use, with a bound on what they may unpack to.
//!
//! Snappy is framed as Kafka's Java client does (xerial: a 16-byte header, then blocks with a length);
//! raw snappy, which some clients send, is read too.

use std::io::{Read, Write};

use crate::batch::BatchError;

/// A codec of a record batch's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Records as they are.
    #[default]
    None,
    /// gzip, RFC 1952.
    Gzip,
    /// Snappy in xerial framing.
    Snappy,
    /// LZ4 frames with independent blocks.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// The start of snappy's xerial framing.
const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Magic, version and lowest compatible version.
const XERIAL_HEADER_LEN: usize = 16;
/// The block size xerial's Java library writes.
const XERIAL_BLOCK_LEN: usize = 32 * 1024;

impl Compression {
    /// Returns the codec with Kafka's number, the lowest three bits of a batch's attributes.
    pub fn from_id(id: i16) -> Option<Compression> {
        Some(match id {
            0 => Compression::None,
            1 => Compression::Gzip,
            2 => Compression::Snappy,
            3 => Compression::Lz4,
            4 => Compression::Zstd,
            _ => return None,
        })
    }

    /// Returns Kafka's number of the codec.
    pub fn id(self) -> i16 {
        match self {
            Compression::None => 0,
            Compression::Gzip => 1,
            Compression::Snappy => 2,
            Compression::Lz4 => 3,
            Compression::Zstd => 4,
        }
    }

    /// Returns the codec named as in Kafka's `compression.type`.
    pub fn from_name(name: &str) -> Option<Compression> {
        Some(match name {
            "none" | "uncompressed" => Compression::None,
            "gzip" => Compression::Gzip,
            "snappy" => Compression::Snappy,
            "lz4" => Compression::Lz4,
            "zstd" => Compression::Zstd,
            _ => return None,
        })
    }

    /// Appends `records` packed to `out`.
    pub(crate) fn compress(self, records: &[u8], out: &mut Vec<u8>) {
        const IN_MEMORY: &str = "writing to a Vec does not fail";
        match self {
            Compression::None => out.extend_from_slice(records),
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
                encoder.write_all(records).expect(IN_MEMORY);
                encoder.finish().expect(IN_MEMORY);
            }
            Compression::Snappy => {
                out.extend_from_slice(&XERIAL_MAGIC);
                out.extend_from_slice(&1u32.to_be_bytes());
                out.extend_from_slice(&1u32.to_be_bytes());
                let mut encoder = snap::raw::Encoder::new();
                for block in records.chunks(XERIAL_BLOCK_LEN) {
                    let packed =
                        encoder.compress_vec(block).expect("a block is far below snappy's 4 GiB limit");
                    out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
                    out.extend_from_slice(&packed);
                }
            }
            Compression::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(out);
                encoder.write_all(records).expect(IN_MEMORY);
                encoder.finish().expect(IN_MEMORY);
            }
            Compression::Zstd => {
                zstd::stream::copy_encode(records, out, 1).expect(IN_MEMORY);
            }
        }
    }

    /// Replaces `out` with `packed` unpacked, refusing more than `max_bytes`.
    pub(crate) fn decompress(
        self,
        packed: &[u8],
        out: &mut Vec<u8>,
        max_bytes: usize,
    ) -> Result<(), BatchError> {
        out.clear();
        match self {
            Compression::None => {
                if packed.len() > max_bytes {
                    return Err(BatchError::TooLarge { size: packed.len(), max: max_bytes });
                }
                out.extend_from_slice(packed);
                Ok(())
            }
            Compression::Gzip => read_bounded(flate2::read::MultiGzDecoder::new(packed), out, max_bytes),
            Compression::Snappy => decompress_snappy(packed, out, max_bytes),
            Compression::Lz4 => read_bounded(lz4_flex::frame::FrameDecoder::new(packed), out, max_bytes),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)
                    .map_err(|_| BatchError::Decompression)?;
                // The window is allocated from the frame's header: keep it near the bound.
                let window_log = (max_bytes.max(1).ilog2() + 1).clamp(20, 27);
                decoder.window_log_max(window_log).map_err(|_| BatchError::Decompression)?;
                read_bounded(decoder, out, max_bytes)
            }
        }
    }
}

fn read_bounded(reader: impl Read, out: &mut Vec<u8>, max_bytes: usize) -> Result<(), BatchError> {
    reader.take(max_bytes as u64 + 1).read_to_end(out).map_err(|_| BatchError::Decompression)?;
    if out.len() > max_bytes {
        return Err(BatchError::TooLarge { size: out.len(), max: max_bytes });
    }
    Ok(())
}

fn decompress_snappy(packed: &[u8], out: &mut Vec<u8>, max_bytes: usize) -> Result<(), BatchError> {
    if packed.len() < XERIAL_HEADER_LEN || packed[..8] != XERIAL_MAGIC {
        return decompress_snappy_block(packed, out, max_bytes);
    }
    let mut rest = &packed[XERIAL_HEADER_LEN..];
    while !rest.is_empty() {
        let (len, after) = rest.split_first_chunk::<4>().ok_or(BatchError::Decompression)?;
        let len = u32::from_be_bytes(*len) as usize;
        let block = after.get(..len).ok_or(BatchError::Decompression)?;
        decompress_snappy_block(block, out, max_bytes)?;
        rest = &after[len..];
    }
    Ok(())
}

fn decompress_snappy_block(block: &[u8], out: &mut Vec<u8>, max_bytes: usize) -> Result<(), BatchError> {
    let len = snap::raw::decompress_len(block).map_err(|_| BatchError::Decompression)?;
    let start = out.len();
    if len > max_bytes - start {
        return Err(BatchError::TooLarge { size: start + len, max: max_bytes });
    }
    out.resize(start + len, 0);
    let read = snap::raw::Decoder::new()
        .decompress(block, &mut out[start..])
        .map_err(|_| BatchError::Decompression)?;
    out.truncate(start + read);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    #[test]
    fn every_codec_comes_back_and_keeps_its_bound() {
        let records: Vec<u8> = (0..200_000u32).map(|i| (i / 7) as u8).collect();
        for codec in ALL {
            assert_eq!(Compression::from_id(codec.id()), Some(codec));
            let mut packed = Vec::new();
            codec.compress(&records, &mut packed);
            let mut unpacked = Vec::new();
            codec.decompress(&packed, &mut unpacked, records.len()).unwrap();
            assert_eq!(unpacked, records, "{codec:?}");
            assert!(codec.decompress(&packed, &mut unpacked, records.len() - 1).is_err(), "{codec:?}");
        }
    }

    #[test]
    fn cut_or_flipped_bytes_do_not_panic() {
        let records: Vec<u8> = (0..5_000u32).map(|i| (i % 251) as u8).collect();
        for codec in ALL {
            let mut packed = Vec::new();
            codec.compress(&records, &mut packed);
            let mut unpacked = Vec::new();
            for position in 0..packed.len() {
                let _ = codec.decompress(&packed[..position], &mut unpacked, 10_000);
                let mut flipped = packed.clone();
                flipped[position] ^= 1 << (position % 8);
                let _ = codec.decompress(&flipped, &mut unpacked, 10_000);
            }
        }
    }
}
