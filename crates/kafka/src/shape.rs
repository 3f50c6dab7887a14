//! Walks a request by its shape before it is decoded, so that no length in it is believed.
//!
//! The decoders reserve memory for an array by its announced count. Here every count and length is held against the
//! bytes that are there and the number of items against a bound; what passes can be decoded without surprises.

use crate::shape_table::SHAPES;

/// "And all later versions".
pub(crate) const LAST: i16 = i16::MAX;
/// Items of arrays one request may have; each takes some hundred bytes once decoded.
const ITEMS_MAX: usize = 1 << 18;
/// Bytes of a text, as in Kafka; compact lengths could say more.
const TEXT_LEN_MAX: usize = i16::MAX as usize;
/// Tagged fields one request may have.
const TAGGED_FIELDS_MAX: u32 = 1 << 16;

/// The first versions of a request's header with a client id and with tagged fields.
const HEADER_CLIENT_ID_FROM: i16 = 1;
const HEADER_FLEXIBLE_FROM: i16 = 2;

/// A request's fields.
pub(crate) struct Shape {
    pub api_key: i16,
    /// The first version with compact lengths and tagged fields.
    pub flexible_from: i16,
    pub fields: &'static [Field],
}

/// A field and the versions that have it.
pub(crate) struct Field {
    /// Its number when it stands among the tagged fields.
    tag: Option<u32>,
    from: i16,
    to: i16,
    kind: Kind,
}

pub(crate) const fn f(from: i16, to: i16, kind: Kind) -> Field {
    Field { tag: None, from, to, kind }
}

pub(crate) const fn t(tag: u32, from: i16, to: i16, kind: Kind) -> Field {
    Field { tag: Some(tag), from, to, kind }
}

/// What a field is on the wire; null is possible for all but `Fixed` and `Struct`.
pub(crate) enum Kind {
    /// A number, truth value or UUID of so many bytes.
    Fixed(usize),
    Text,
    Bytes,
    Array(&'static Kind),
    Struct(&'static [Field]),
    /// A struct behind a byte that says whether it is there.
    OptionStruct(&'static [Field]),
}

/// Says whether a request's body (what follows its header) has the shape its version prescribes.
pub(crate) fn fits(api_key: i16, version: i16, body: &[u8]) -> bool {
    let Ok(index) = SHAPES.binary_search_by_key(&api_key, |shape| shape.api_key) else { return false };
    let shape = &SHAPES[index];
    let flexible = version >= shape.flexible_from;
    let mut walk = Walk { rest: body, version, flexible, items: 0, tagged: 0 };
    walk.fields(shape.fields).is_some()
}

/// Says whether a request's header has the shape its version prescribes, from the client id on.
pub(crate) fn header_fits(header_version: i16, header: &[u8]) -> bool {
    let mut walk = Walk { rest: header, version: header_version, flexible: false, items: 0, tagged: 0 };
    if header_version >= HEADER_CLIENT_ID_FROM && walk.value(&Kind::Text).is_none() {
        return false;
    }
    // The client id's length is not compact in any version.
    walk.flexible = header_version >= HEADER_FLEXIBLE_FROM;
    walk.fields(&[]).is_some()
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    items: usize,
    tagged: u32,
}

impl Walk<'_> {
    fn skip(&mut self, len: usize) -> Option<()> {
        self.rest = self.rest.get(len..)?;
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= ((byte & 0x7f) as u32).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// Takes a length; `None` inside is null.
    #[allow(clippy::option_option)]
    fn length(&mut self, is_text: bool) -> Option<Option<usize>> {
        if self.flexible {
            return Some((self.varint()? as usize).checked_sub(1));
        }
        let length = if is_text {
            let (bytes, rest) = self.rest.split_first_chunk::<2>()?;
            self.rest = rest;
            i16::from_be_bytes(*bytes) as i32
        } else {
            let (bytes, rest) = self.rest.split_first_chunk::<4>()?;
            self.rest = rest;
            i32::from_be_bytes(*bytes)
        };
        match length {
            -1 => Some(None),
            _ => Some(Some(usize::try_from(length).ok()?)),
        }
    }

    fn fields(&mut self, fields: &'static [Field]) -> Option<()> {
        let version = self.version;
        let has = |field: &&Field| (field.from..=field.to).contains(&version);
        for field in fields.iter().filter(|field| field.tag.is_none()).filter(has) {
            self.value(&field.kind)?;
        }
        if self.flexible {
            let count = self.varint()?;
            self.tagged = self.tagged.checked_add(count).filter(|all| *all <= TAGGED_FIELDS_MAX)?;
            for _ in 0..count {
                let tag = self.varint()?;
                let len = self.varint()? as usize;
                match fields.iter().filter(|field| field.tag == Some(tag)).find(has) {
                    // The decoder goes by the field's kind, not by the length: they must agree.
                    Some(field) => {
                        let left = self.rest.len().checked_sub(len)?;
                        self.value(&field.kind)?;
                        if self.rest.len() != left {
                            return None;
                        }
                    }
                    None => self.skip(len)?,
                }
            }
        }
        Some(())
    }

    fn value(&mut self, kind: &'static Kind) -> Option<()> {
        match kind {
            Kind::Fixed(len) => self.skip(*len),
            Kind::Text => {
                let len = self.length(true)?.unwrap_or(0);
                self.skip(Some(len).filter(|len| *len <= TEXT_LEN_MAX)?)
            }
            Kind::Bytes => {
                let len = self.length(false)?;
                self.skip(len.unwrap_or(0))
            }
            Kind::Array(item) => {
                let count = self.length(false)?.unwrap_or(0);
                // An item takes a byte at least.
                self.items = self.items.checked_add(count).filter(|all| *all <= ITEMS_MAX)?;
                if count > self.rest.len() {
                    return None;
                }
                for _ in 0..count {
                    self.value(item)?;
                }
                Some(())
            }
            Kind::Struct(fields) => self.fields(fields),
            Kind::OptionStruct(fields) => match self.byte()? as i8 {
                1 => self.fields(fields),
                _ => Some(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_in_order() {
        assert!(SHAPES.windows(2).all(|pair| pair[0].api_key < pair[1].api_key));
    }

    #[test]
    fn announced_count_beyond_the_bytes_is_refused() {
        // Metadata v1: an array of names.
        assert!(fits(3, 1, &[0, 0, 0, 1, 0, 1, b't']));
        assert!(fits(3, 1, &[0xff, 0xff, 0xff, 0xff]));
        assert!(!fits(3, 1, &[0x7f, 0xff, 0xff, 0xff, 0, 1, b't']));
        assert!(!fits(3, 1, &[0, 0, 0, 1, 0, 2, b't']));
        assert!(!fits(3, 1, &[0xff, 0xff, 0xff, 0xfe]));
        assert!(!fits(3000, 0, &[]));
    }

    #[test]
    fn compact_text_is_no_longer_than_another() {
        // Metadata v9: an array of names.
        let request = |len: usize| {
            let announced = len + 1;
            let mut body =
                vec![2, announced as u8 | 0x80, (announced >> 7) as u8 | 0x80, (announced >> 14) as u8];
            body.resize(body.len() + len, b't');
            body.extend([0, 1, 0, 0, 0]);
            body
        };
        assert!(fits(3, 9, &request(TEXT_LEN_MAX)));
        assert!(!fits(3, 9, &request(TEXT_LEN_MAX + 1)));
    }

    #[test]
    fn header_has_no_more_tagged_fields_than_a_body() {
        assert!(header_fits(0, &[]) && header_fits(1, &[0, 1, b'c']) && header_fits(1, &[0xff, 0xff]));
        assert!(!header_fits(1, &[0, 2, b'c']));
        assert!(header_fits(2, &[0, 1, b'c', 2, 0, 1, 7, 9, 0]));
        assert!(!header_fits(2, &[0, 1, b'c', 2, 0, 1, 7, 9, 1]) && !header_fits(2, &[0, 1, b'c']));
        let fields = |count: u32| {
            let mut header =
                vec![0xff, 0xff, count as u8 | 0x80, (count >> 7) as u8 | 0x80, (count >> 14) as u8];
            header.resize(header.len() + 2 * count as usize, 0);
            header_fits(2, &header)
        };
        assert!(fields(TAGGED_FIELDS_MAX) && !fields(TAGGED_FIELDS_MAX + 1));
    }

    #[test]
    fn known_tagged_field_is_as_long_as_it_says() {
        // Fetch v12 with the cluster's id, tag 0.
        let request = |len: u8, text: &[u8]| {
            let mut body = vec![0; 4 + 4 + 4 + 4 + 1 + 4 + 4];
            body.extend([1, 1, 1, 1, 0, len]);
            body.extend(text);
            body
        };
        assert!(fits(1, 12, &request(3, &[3, b'a', b'b'])));
        assert!(!fits(1, 12, &request(4, &[3, b'a', b'b', 0])));
        assert!(!fits(1, 12, &request(2, &[3, b'a', b'b'])));
    }
}
