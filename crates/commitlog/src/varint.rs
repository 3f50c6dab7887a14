//! Zigzag varints as Kafka's records use them (protobuf's `sint32`/`sint64`).

/// Returns the number of bytes `value` takes.
#[inline]
pub(crate) fn varint_len(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    // Seven bits a byte; zero takes one byte.
    (70 - (zigzag | 1).leading_zeros() as usize) / 7
}

/// Appends `value`.
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

/// Takes a varint of at most ten bytes off the front of `bytes`; `None` when it is cut or too long.
#[inline(always)]
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<i64> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        *bytes = rest;
        return Some((first >> 1) as i64 ^ -((first & 1) as i64));
    }
    if let Some((&second, rest)) = rest.split_first()
        && second < 0x80
    {
        *bytes = rest;
        let zigzag = (first & 0x7f) as u64 | (second as u64) << 7;
        return Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
    }
    take_long_varint(bytes)
}

fn take_long_varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut zigzag = 0u64;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        zigzag |= ((byte & 0x7f) as u64) << (7 * index);
        if byte < 0x80 {
            *bytes = &bytes[index + 1..];
            return Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back() {
        for shift in 0..64 {
            for value in [1i64 << shift, (-1i64) << shift, (1i64 << shift).wrapping_sub(1), i64::MIN] {
                let mut bytes = Vec::new();
                put_varint(&mut bytes, value);
                assert_eq!(bytes.len(), varint_len(value), "{value}");
                let mut rest = bytes.as_slice();
                assert_eq!(take_varint(&mut rest), Some(value));
                assert!(rest.is_empty());
                for cut in 0..bytes.len() {
                    assert_eq!(take_varint(&mut &bytes[..cut]), None);
                }
            }
        }
        assert_eq!(take_varint(&mut [0xff; 11].as_slice()), None);
    }
}
