//! Where a JSON token or value ends, with everything on the way checked.
//!
//! Functions take the place of the first byte and give the place after the last; nothing is built.
//! UTF-8 is not checked here: each string adds to `high` whether it saw a byte that is not ASCII, and the
//! caller checks the whole record once if so (outside strings such a byte is an error of structure).

use super::block::{BLOCK_BYTES, FEW_BYTES, digit_mask_at, few_digits_at, string_mask_at, word_at};
use super::error::{Reason, ScanError};
use super::scan::Kind;

/// Levels of objects and arrays a record may have. Jackson, which ksqlDB reads with, stops there too.
pub const DEPTH_MAX: usize = 1000;

/// The place of the first byte at or after `at` that is not white space.
#[inline(always)]
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    match bytes.get(at) {
        Some(..=b' ') => {}
        _ => return at,
    }
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The place of the closing quote of the string whose content starts at `start`, and whether it has
/// escapes.
#[inline(always)]
pub(super) fn string_end(bytes: &[u8], start: usize, high: &mut u32) -> Result<(usize, bool), ScanError> {
    // Two blocks without a loop: nearly all strings of logs.
    for at in [start, start + BLOCK_BYTES] {
        let mask = string_mask_at(bytes, at);
        *high |= mask.high;
        if mask.special != 0 {
            let end = at + mask.special.trailing_zeros() as usize;
            if bytes.get(end) == Some(&b'"') {
                return Ok((end, false));
            }
            break;
        }
    }
    long_string_end(bytes, start, high)
}

/// `string_end` for strings with escapes or of more than a block.
#[inline(never)]
fn long_string_end(bytes: &[u8], start: usize, high: &mut u32) -> Result<(usize, bool), ScanError> {
    let mut at = start;
    let mut escaped = false;
    'block: loop {
        let mask = string_mask_at(bytes, at);
        *high |= mask.high;
        let mut special = mask.special;
        while special != 0 {
            let place = at + special.trailing_zeros() as usize;
            match bytes.get(place) {
                Some(b'"') => return Ok((place, escaped)),
                Some(b'\\') => {
                    escaped = true;
                    let next = escape_end(bytes, place)?;
                    if next - at >= BLOCK_BYTES {
                        at = next;
                        continue 'block;
                    }
                    special &= u32::MAX << (next - at);
                }
                _ => return Err(ScanError::expected(bytes, place, Reason::ControlCharacter)),
            }
        }
        at += BLOCK_BYTES;
    }
}

/// The place after the escape whose backslash is at `at`.
#[inline(always)]
fn escape_end(bytes: &[u8], at: usize) -> Result<usize, ScanError> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match bytes.get(at + 2..at + 6) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(at + 6),
            Some(_) => Err(ScanError::at(at, Reason::InvalidEscape)),
            None => Err(ScanError::at(bytes.len(), Reason::Truncated)),
        },
        Some(_) => Err(ScanError::at(at, Reason::InvalidEscape)),
        None => Err(ScanError::at(bytes.len(), Reason::Truncated)),
    }
}

/// The place after the number at `start`, and which kind of number it is.
#[inline(always)]
pub(super) fn number_end(bytes: &[u8], start: usize) -> Result<(usize, Kind), ScanError> {
    let first = start + usize::from(bytes.get(start) == Some(&b'-'));
    let mut at = digits_end(bytes, first)?;
    if at - first > 1 && bytes[first] == b'0' {
        return Err(ScanError::at(first, Reason::InvalidNumber));
    }
    let mut kind = Kind::Integer;
    if bytes.get(at) == Some(&b'.') {
        kind = Kind::Number;
        at = digits_end(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        kind = Kind::Exponent;
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits_end(bytes, at + 1 + sign)?;
    }
    Ok((at, kind))
}

/// The place after the digits at `start`, of which there has to be one.
#[inline(always)]
fn digits_end(bytes: &[u8], start: usize) -> Result<usize, ScanError> {
    // What comes next waits for this place: for short numbers eight bytes in a general register are there sooner than
    // a mask of sixteen.
    let few = few_digits_at(bytes, start);
    if (1..FEW_BYTES).contains(&few) {
        return Ok(start + few);
    }
    let mut count = digit_mask_at(bytes, start).trailing_ones() as usize;
    if count == 0 {
        return Err(ScanError::expected(bytes, start, Reason::InvalidNumber));
    }
    if count == BLOCK_BYTES {
        count += bytes[start + count..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    }
    Ok(start + count)
}

/// The place after the literal at `start`, and which it is. Without branches: which of them comes next cannot be foretold.
#[inline(always)]
fn literal_end(bytes: &[u8], start: usize) -> Result<(usize, Kind), ScanError> {
    let word = word_at(bytes, start) as u64;
    let (four, five) = (word as u32, word & 0xff_ffff_ffff);
    let (is_true, is_null) = (four == u32::from_le_bytes(*b"true"), four == u32::from_le_bytes(*b"null"));
    let is_false = five == u64::from_le_bytes(*b"false\0\0\0");
    if is_true | is_null | is_false {
        let kind = if is_true { Kind::True } else { Kind::False };
        let kind = if is_null { Kind::Null } else { kind };
        return Ok((start + 4 + usize::from(is_false), kind));
    }
    Err(bad_literal(bytes, start))
}

#[cold]
#[inline(never)]
fn bad_literal(bytes: &[u8], start: usize) -> ScanError {
    let rest = &bytes[start..];
    let is_cut = ["true", "false", "null"].iter().any(|literal| literal.as_bytes().starts_with(rest));
    if is_cut {
        ScanError::at(bytes.len(), Reason::Truncated)
    } else {
        ScanError::at(start, Reason::ExpectedValue)
    }
}

/// The place after the string, number or literal at `start`, and what it is. Objects and arrays have to
/// be looked for before.
#[inline(always)]
pub(super) fn scalar_end(bytes: &[u8], start: usize, high: &mut u32) -> Result<(usize, Kind), ScanError> {
    match bytes.get(start) {
        Some(b'"') => {
            let (end, escaped) = string_end(bytes, start + 1, high)?;
            Ok((end + 1, if escaped { Kind::EscapedString } else { Kind::String }))
        }
        Some(b'-' | b'0'..=b'9') => number_end(bytes, start),
        Some(b't' | b'f' | b'n') => literal_end(bytes, start),
        _ => Err(ScanError::expected(bytes, start, Reason::ExpectedValue)),
    }
}

/// The place after any value at `start`, and what it is; `depth` is the number of objects and arrays
/// around it.
#[inline(always)]
pub(super) fn value_end(
    bytes: &[u8],
    start: usize,
    high: &mut u32,
    depth: usize,
) -> Result<(usize, Kind), ScanError> {
    match bytes.get(start) {
        Some(b'[') if bytes.get(start + 1) == Some(&b']') && depth < DEPTH_MAX => {
            Ok((start + 2, Kind::Array))
        }
        Some(b'{') => Ok((container_end(bytes, start, high, depth)?, Kind::Object)),
        Some(b'[') => Ok((container_end(bytes, start, high, depth)?, Kind::Array)),
        _ => scalar_end(bytes, start, high),
    }
}

/// The place of the value behind the key at `start`.
#[inline(always)]
pub(super) fn key_end(bytes: &[u8], start: usize, high: &mut u32) -> Result<usize, ScanError> {
    if bytes.get(start) != Some(&b'"') {
        return Err(ScanError::expected(bytes, start, Reason::ExpectedKey));
    }
    let (end, _) = string_end(bytes, start + 1, high)?;
    let colon = skip_space(bytes, end + 1);
    if bytes.get(colon) != Some(&b':') {
        return Err(ScanError::expected(bytes, colon, Reason::ExpectedColon));
    }
    Ok(skip_space(bytes, colon + 1))
}

/// Which of the open objects and arrays are objects: one bit each, so that hostile nesting costs neither
/// stack nor heap.
struct Nesting {
    objects: [u64; DEPTH_MAX.div_ceil(64)],
    depth: usize,
}

impl Nesting {
    fn push(&mut self, object: bool) {
        let (word, bit) = (self.depth / 64, self.depth % 64);
        self.objects[word] = self.objects[word] & !(1 << bit) | u64::from(object) << bit;
        self.depth += 1;
    }

    fn in_object(&self) -> bool {
        let top = self.depth - 1;
        self.objects[top / 64] >> (top % 64) & 1 == 1
    }
}

/// The place after the object or array at `start`.
#[inline(never)]
fn container_end(bytes: &[u8], start: usize, high: &mut u32, depth: usize) -> Result<usize, ScanError> {
    let mut open = Nesting { objects: [0; DEPTH_MAX.div_ceil(64)], depth: 0 };
    let mut at = start;
    loop {
        // A value starts at `at`.
        match bytes.get(at) {
            Some(&bracket @ (b'{' | b'[')) => {
                if depth + open.depth >= DEPTH_MAX {
                    return Err(ScanError::at(at, Reason::TooDeep));
                }
                let object = bracket == b'{';
                open.push(object);
                at = skip_space(bytes, at + 1);
                // `]` is two after `[`, as `}` is two after `{`.
                if bytes.get(at) != Some(&(bracket + 2)) {
                    if object {
                        at = key_end(bytes, at, high)?;
                    }
                    continue;
                }
            }
            _ => at = skip_space(bytes, scalar_end(bytes, at, high)?.0),
        }
        // A value has ended, or `at` is at the end of an empty object or array.
        loop {
            let object = open.in_object();
            match bytes.get(at) {
                Some(b',') => {
                    at = skip_space(bytes, at + 1);
                    if object {
                        at = key_end(bytes, at, high)?;
                    }
                    break;
                }
                Some(b'}') if object => {}
                Some(b']') if !object => {}
                _ => return Err(ScanError::expected(bytes, at, Reason::ExpectedCommaOrEnd)),
            }
            open.depth -= 1;
            if open.depth == 0 {
                return Ok(at + 1);
            }
            at = skip_space(bytes, at + 1);
        }
    }
}

/// The keys and values of an object, or the values of an array, that was scanned before.
pub(super) struct Children<'a> {
    bytes: &'a [u8],
    at: usize,
    object: bool,
}

/// One child: its key with the quotes (empty in an array) and its value.
#[derive(Clone, Copy)]
pub(super) struct Child<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
    pub kind: Kind,
}

impl<'a> Children<'a> {
    /// Takes a whole object or array.
    pub(super) fn new(container: &'a [u8]) -> Self {
        Self { bytes: container, at: skip_space(container, 1), object: container.first() == Some(&b'{') }
    }
}

impl<'a> Iterator for Children<'a> {
    type Item = Child<'a>;

    fn next(&mut self) -> Option<Child<'a>> {
        let mut high = 0;
        if matches!(self.bytes.get(self.at)?, b'}' | b']') {
            return None;
        }
        let (mut key, mut start) = (&self.bytes[..0], self.at);
        if self.object {
            let (end, _) = string_end(self.bytes, self.at + 1, &mut high).ok()?;
            key = &self.bytes[self.at..end + 1];
            start = key_end(self.bytes, self.at, &mut high).ok()?;
        }
        // The depth was checked when the record was scanned.
        let (end, kind) = value_end(self.bytes, start, &mut high, 0).ok()?;
        self.at = skip_space(self.bytes, end);
        if self.bytes.get(self.at) == Some(&b',') {
            self.at = skip_space(self.bytes, self.at + 1);
        }
        Some(Child { key, value: &self.bytes[start..end], kind })
    }
}
