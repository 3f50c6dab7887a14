//! The scan: one pass over a record that checks it and finds the wanted fields.
//!
//! A `Slot` says where a field's bytes are and what they look like; nothing is copied, decoded or
//! allocated. Numbers, escapes and nesting are checked on the way, wanted or not, so that a record is
//! either valid as a whole or an error.
//!
//! Unlike ksqlDB, which reads up to the end of the first value, data after the object is an error.

use std::sync::Arc;

use super::error::{Reason, ScanError};
use super::key_order::{Found, KeyOrder, predict};
use super::lexer::{skip_space, string_end, value_end};
use super::projection::{NONE, Projection, Targets};
use super::text::unescape;

/// What a field looks like in the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// The record does not have the field.
    #[default]
    Missing,
    /// `null`
    Null,
    /// `true`
    True,
    /// `false`
    False,
    /// A number without point and exponent.
    Integer,
    /// A number with point and without exponent.
    Number,
    /// A number with exponent.
    Exponent,
    /// A string without escapes.
    String,
    /// A string with escapes.
    EscapedString,
    /// An object.
    Object,
    /// An array.
    Array,
}

/// Where a wanted field is in the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// The first byte of the value.
    pub offset: u32,
    /// Bytes of the value; a string's quotes and an object's braces are part of it.
    pub len: u32,
    /// What the value looks like.
    pub kind: Kind,
    /// Whether the key had exactly the name wanted; such a key wins over one in another case.
    exact: bool,
}

impl Slot {
    /// The slot of a field that is not there.
    pub const MISSING: Self = Self { offset: 0, len: 0, kind: Kind::Missing, exact: false };

    #[inline(always)]
    fn new(start: usize, end: usize, kind: Kind, exact: bool) -> Self {
        // Records are not longer than a u32 can say; see `first_byte`.
        Self { offset: start as u32, len: (end - start) as u32, kind, exact }
    }

    /// Returns the field's bytes as they are in the record; none if it is missing or the slot is of
    /// another record.
    #[inline]
    pub fn raw<'a>(&self, record: &'a [u8]) -> &'a [u8] {
        let start = self.offset as usize;
        record.get(start..start + self.len as usize).unwrap_or_default()
    }

    /// Returns whether the field is missing or `null`, both of which are NULL.
    #[inline]
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Missing | Kind::Null)
    }
}

/// What a valid record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    /// An object, whose wanted fields are in the slots.
    Object,
    /// `null`: all slots are missing.
    Null,
}

/// Scans records for the fields of a projection; remembers the order in which keys come.
#[derive(Debug)]
pub struct Scanner {
    projection: Arc<Projection>,
    /// One for each node of the projection; empty for those without children.
    orders: Vec<KeyOrder>,
}

/// The record at hand.
struct Input<'a> {
    bytes: &'a [u8],
    /// Not zero once a string had a byte that is not ASCII.
    high: u32,
}

impl Scanner {
    /// Makes a scanner that has seen no record yet.
    pub fn new(projection: impl Into<Arc<Projection>>) -> Self {
        let projection = projection.into();
        let orders = (0..projection.node_count()).map(|_| KeyOrder::default()).collect();
        Self { projection, orders }
    }

    /// Returns what is looked for.
    pub fn projection(&self) -> &Arc<Projection> {
        &self.projection
    }

    /// Checks a record and fills `slots`, of which the first ones are for the paths of the projection in
    /// their order.
    ///
    /// # Panics
    /// If `slots` is shorter than `Projection::slot_count`.
    pub fn scan(&mut self, record: &[u8], slots: &mut [Slot]) -> Result<Top, ScanError> {
        slots[..self.projection.slot_count()].fill(Slot::MISSING);
        self.scan_into(record, slots)
    }

    /// As `scan`, for slots that all are [`Slot::MISSING`].
    ///
    /// # Panics
    /// If `slots` is shorter than `Projection::slot_count`.
    pub fn scan_into(&mut self, record: &[u8], slots: &mut [Slot]) -> Result<Top, ScanError> {
        let slots = &mut slots[..self.projection.slot_count()];
        let start = first_byte(record)?;
        let mut input = Input { bytes: record, high: 0 };
        let (end, top) = if record.get(start) == Some(&b'{') {
            let root = self.projection.root();
            (self.object(&mut input, root, start, slots, 0)?, Top::Object)
        } else {
            let (end, kind) = value_end(record, start, &mut input.high, 0)?;
            if kind != Kind::Null {
                return Err(ScanError::at(start, Reason::NotAnObject));
            }
            (end, Top::Null)
        };
        finish(record, end, input.high)?;
        for &(copy, original) in &self.projection.copies {
            slots[usize::from(copy)] = slots[usize::from(original)];
        }
        Ok(top)
    }

    /// Scans the object at `open` that `node` stands for; gives the place after it.
    fn object(
        &mut self,
        input: &mut Input<'_>,
        node: u16,
        open: usize,
        slots: &mut [Slot],
        depth: usize,
    ) -> Result<usize, ScanError> {
        let bytes = input.bytes;
        let mut at = skip_space(bytes, open + 1);
        if bytes.get(at) == Some(&b'}') {
            return Ok(at + 1);
        }
        let order = usize::from(node);
        let mut expected = self.orders[order].begin();
        let mut previous = NONE;
        let mut known = self.orders[order].known();
        // Values are scanned at one place in this loop and the rest is called: it has to stay small.
        loop {
            let found = match predict(known, bytes, at, expected) {
                Some(found) => found,
                None => {
                    let found = self.look_up(input, node, at, previous)?;
                    known = self.orders[order].known();
                    found
                }
            };
            expected = found.next;
            if found.id != NONE {
                previous = found.id;
            }
            let start = skip_space(bytes, at + found.len);
            let targets = found.targets;
            if targets.deep && bytes.get(start) == Some(&b'{') {
                at = self.descend(input, targets, start, slots, depth + 1)?;
                known = self.orders[order].known();
            } else {
                let (end, kind) = value_end(bytes, start, &mut input.high, depth + 1)?;
                if targets.node != NONE {
                    let slot = &mut slots[usize::from(targets.node)];
                    if slot.kind == Kind::Missing && targets.also == NONE {
                        // Field by field: a whole slot would be put together in memory first, and reading it back
                        // there has to wait for the narrower writes.
                        slot.offset = start as u32;
                        slot.len = (end - start) as u32;
                        slot.kind = kind;
                        slot.exact = targets.exact;
                    } else {
                        self.put_again(targets, start, end, kind, slots);
                    }
                }
                at = end;
            }
            at = skip_space(bytes, at);
            match bytes.get(at) {
                Some(b',') => at = skip_space(bytes, at + 1),
                Some(b'}') => return Ok(at + 1),
                _ => return Err(ScanError::expected(bytes, at, Reason::ExpectedCommaOrEnd)),
            }
        }
    }

    /// Finds the key at `at` by hash, or learns it.
    #[inline(never)]
    fn look_up(
        &mut self,
        input: &mut Input<'_>,
        node: u16,
        at: usize,
        previous: u16,
    ) -> Result<Found, ScanError> {
        let bytes = input.bytes;
        if bytes.get(at) != Some(&b'"') {
            return Err(ScanError::expected(bytes, at, Reason::ExpectedKey));
        }
        let (quote, escaped) = string_end(bytes, at + 1, &mut input.high)?;
        let colon = skip_space(bytes, quote + 1);
        if bytes.get(colon) != Some(&b':') {
            return Err(ScanError::expected(bytes, colon, Reason::ExpectedColon));
        }
        let quoted = &bytes[at..quote + 1];
        let order = &mut self.orders[usize::from(node)];
        if let Some(found) = order.find(quoted, colon + 1 - at) {
            return Ok(found);
        }
        let content = &quoted[1..quoted.len() - 1];
        let text = simdutf8::basic::from_utf8(content).map_err(|_| ScanError::at(at, Reason::InvalidUtf8))?;
        let text = if escaped { unescape(text) } else { text.into() };
        let targets = self.projection.targets(node, &text);
        Ok(order.learn(&bytes[at..colon + 1], quoted.len(), previous, targets))
    }

    /// Scans the object at `start`, of which fields are wanted; gives the place after it.
    #[inline(never)]
    fn descend(
        &mut self,
        input: &mut Input<'_>,
        targets: Targets,
        start: usize,
        slots: &mut [Slot],
        depth: usize,
    ) -> Result<usize, ScanError> {
        let mut end = start;
        for (node, exact) in [(targets.node, targets.exact), (targets.also, false)] {
            if node == NONE {
                continue;
            }
            // The slot is needed first: where it is refused, those below are not touched either.
            let wins = self.put(node, Slot::new(start, start, Kind::Object, exact), slots);
            end = if wins && self.projection.node(node).has_children() {
                self.object(input, node, start, slots, depth)?
            } else {
                value_end(input.bytes, start, &mut input.high, depth)?.0
            };
            if wins {
                slots[usize::from(node)] = Slot::new(start, end, Kind::Object, exact);
            }
        }
        Ok(end)
    }

    /// Puts a slot where there is one already, or two.
    #[cold]
    #[inline(never)]
    fn put_again(&self, targets: Targets, start: usize, end: usize, kind: Kind, slots: &mut [Slot]) {
        let slot = Slot::new(start, end, kind, targets.exact);
        self.put(targets.node, slot, slots);
        if targets.also != NONE {
            self.put(targets.also, Slot { exact: false, ..slot }, slots);
        }
    }

    /// Puts a slot unless a better one is there; tells whether it did. The last key wins, but one of
    /// exactly the name over others.
    fn put(&self, node: u16, slot: Slot, slots: &mut [Slot]) -> bool {
        let before = slots[usize::from(node)];
        if before.exact && !slot.exact {
            return false;
        }
        if before.kind != Kind::Missing {
            for &below in &self.projection.node(node).below {
                slots[usize::from(below)] = Slot::MISSING;
            }
        }
        slots[usize::from(node)] = slot;
        true
    }
}

/// Checks a record of any one JSON value, as unwrapped keys and values are.
pub fn scan_value(record: &[u8]) -> Result<Slot, ScanError> {
    let start = first_byte(record)?;
    let mut high = 0;
    let (end, kind) = value_end(record, start, &mut high, 0)?;
    finish(record, end, high)?;
    Ok(Slot::new(start, end, kind, true))
}

/// The place of the first byte that counts: behind a byte order mark and white space.
#[inline(always)]
fn first_byte(record: &[u8]) -> Result<usize, ScanError> {
    if u32::try_from(record.len()).is_err() {
        return Err(ScanError::at(0, Reason::TooLong));
    }
    let mark = if record.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    Ok(skip_space(record, mark))
}

/// Checks what is left after the value and, if there was a byte that is not ASCII, the encoding.
#[inline(always)]
fn finish(record: &[u8], end: usize, high: u32) -> Result<(), ScanError> {
    let rest = skip_space(record, end);
    if rest != record.len() {
        return Err(ScanError::at(rest, Reason::TrailingData));
    }
    if high != 0 {
        check_utf8(record)?;
    }
    Ok(())
}

fn check_utf8(record: &[u8]) -> Result<(), ScanError> {
    if simdutf8::basic::from_utf8(record).is_ok() {
        return Ok(());
    }
    let offset = std::str::from_utf8(record).err().map_or(0, |error| error.valid_up_to());
    Err(ScanError::at(offset, Reason::InvalidUtf8))
}
