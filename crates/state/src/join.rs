//! The join store: rows of one side of a stream-stream join, several per key, in order of (time, sequence).
//!
//! In a segment's store the rows of a key are numbered from 0: `key | number u32`. Row 0 also tells how many there are,
//! so a key with one row, the common case, takes one entry and one look-up. In changelog and snapshot an entry is
//! `key | time | sequence` (8 bytes big-endian each) and `flag | row`.
//!
//! ```text
//! row 0  = flag u8 | rows of the key u32 | time into the segment varint | sequence varint | row bytes
//! others = flag u8 |                       time into the segment varint | sequence varint | row bytes
//! ```

use std::collections::HashMap;
use std::ops::RangeInclusive;

use crate::entry::{read_varint, write_varint};
use crate::frontier::{Due, Frontier, Push};
use crate::logged::VisitChange;
use crate::segments::Segments;
use crate::{Cursor, Logged, Options, Result, StateError, Store, Update};

/// Segments a store is divided into: a fetch looks into each that its times touch.
const SEGMENTS: i64 = 4;
/// A key with more rows in a segment gets an index by sequence while a changelog is applied.
const SEARCH_ROWS_MAX: u32 = 32;
const NUMBER_BYTES: usize = 4;

/// Is called with time, sequence, row and flag of a row; may change the flag.
pub type VisitMatch<'a> = dyn FnMut(i64, u64, &[u8], &mut u8) + 'a;
/// Is called with key, time, sequence and row of a row without a match.
pub type VisitPending<'a> = dyn FnMut(&[u8], i64, u64, &[u8]) + 'a;
/// Is called with key, time, sequence, row and flag of a row.
pub type VisitRow<'a> = dyn FnMut(&[u8], i64, u64, &[u8], u8) + 'a;

type NumbersBySeq = HashMap<u64, u32>;

/// How a join store is set up.
#[derive(Debug, Clone)]
pub struct JoinOptions {
    /// How much time one segment holds.
    pub segment_ms: i64,
    /// The options of the stores beneath; the budget is that of all segments together.
    pub store: Options,
}

impl JoinOptions {
    /// Returns options for rows kept for `retention_ms`.
    pub fn new(retention_ms: i64) -> JoinOptions {
        JoinOptions { segment_ms: (retention_ms / SEGMENTS).max(1), store: Options::default() }
    }
}

/// Rows by key, several per key, in order of (time, sequence).
#[derive(Debug)]
pub struct JoinStore {
    segments: Segments,
    next_seq: u64,
    /// Rows before this time are expired.
    expired: i64,
    expiring: Frontier,
    pending: Frontier,
    /// Row numbers by sequence, of keys with many rows, while a changelog is applied; empty otherwise.
    applying: HashMap<(i64, Box<[u8]>), NumbersBySeq>,
    track_changes: bool,
    key_buffer: Vec<u8>,
}

/// A decoded row.
struct Row<'a> {
    flag: u8,
    offset: u64,
    seq: u64,
    bytes: &'a [u8],
}

impl JoinStore {
    /// Returns an empty store.
    pub fn new(options: JoinOptions) -> JoinStore {
        JoinStore {
            track_changes: options.store.track_changes,
            segments: Segments::new(options.segment_ms, options.store),
            next_seq: 0,
            expired: i64::MIN,
            expiring: Frontier::default(),
            pending: Frontier::default(),
            applying: HashMap::new(),
            key_buffer: Vec::new(),
        }
    }

    /// Adds a row with flag 0 and returns its sequence number. A row already expired is left out.
    pub fn put(&mut self, key: &[u8], ts: i64, row: &[u8]) -> Result<u64> {
        if !self.applying.is_empty() {
            self.applying = HashMap::new();
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        if ts >= self.expired {
            self.add(key, ts, seq, 0, row, true)?;
        }
        Ok(seq)
    }

    /// Calls `visit(ts, seq, row, flag)` for the rows of `key` within `times`, in order; `visit` may change the flag.
    pub fn fetch(
        &mut self,
        key: &[u8],
        times: RangeInclusive<i64>,
        visit: &mut VisitMatch<'_>,
    ) -> Result<()> {
        let (from, to) = (*times.start().max(&self.expired), *times.end());
        if from > to {
            return Ok(());
        }
        let (first, last) = (self.segments.id_of(from), self.segments.id_of(to));
        let segment_ms = self.segments.time_at(1, 0);
        let key_buffer = &mut self.key_buffer;
        for (id, store) in self.segments.between(first, last) {
            let base = id.wrapping_mul(segment_ms);
            let mut count = 0;
            store.edit(number_key(key_buffer, key, 0), |head| {
                count = row_count(head);
                count == 1 && visit_row(head, true, base, from..=to, visit)
            })?;
            if count <= 1 {
                continue;
            }
            let mut rows = Vec::with_capacity(count as usize);
            for number in 0..count {
                let value = store.get(number_key(key_buffer, key, number))?;
                let row = decode(value.expect("rows are numbered without gaps"), number == 0);
                let ts = base.wrapping_add(row.offset as i64);
                if from <= ts && ts <= to {
                    rows.push((ts, row.seq, number));
                }
            }
            rows.sort_unstable();
            for (_, _, number) in rows {
                store.edit(number_key(key_buffer, key, number), |value| {
                    visit_row(value, number == 0, base, from..=to, visit)
                })?;
            }
        }
        Ok(())
    }

    /// Calls `visit(key, ts, seq, row)` once, in order, for each row before `ts` whose flag is 0, and sets that flag
    /// to 1, which is a change: after a restore the row is not visited again.
    pub fn pending_before(&mut self, ts: i64, visit: &mut VisitPending<'_>) -> Result<()> {
        loop {
            while let Some(due) = self.pending.pop_before(ts) {
                let Some(store) = self.segments.get(due.segment) else { continue };
                let Some(value) = store.get(&due.key)? else { continue };
                let (key, number) = split_number(&due.key);
                let row = decode(value, number == 0);
                if due.time < self.expired || row.flag != 0 || row.seq != due.order {
                    continue;
                }
                visit(key, due.time, row.seq, row.bytes);
                store.edit(&due.key, |value| {
                    value[0] = 1;
                    true
                })?;
            }
            let mut list = |base: i64, key: &[u8], value: &[u8], push: &mut Push<'_>| {
                let row = decode(value, split_number(key).1 == 0);
                if row.flag == 0 {
                    push(base.wrapping_add(row.offset as i64), row.seq, key.into());
                }
            };
            if !self.pending.list_next(&mut self.segments, ts, &mut list)? {
                return Ok(());
            }
        }
    }

    /// Drops the rows before `ts`.
    pub fn expire(&mut self, ts: i64) -> Result<()> {
        self.expired = self.expired.max(ts);
        let first_kept = self.segments.id_of(self.expired);
        let track_changes = self.track_changes;
        self.segments.expire(first_kept, |store| track_changes && store.is_logged());
        // What is listed of dropped segments would otherwise wait for a call that may never come.
        while self.pending.pop_before(self.expired).is_some() {}
        while self.expiring.pop_before(self.expired).is_some() {}
        Ok(())
    }

    /// Drops the rows before `ts`, each given to `visit(key, ts, seq, row, flag)`, in order.
    pub fn expire_before(&mut self, ts: i64, visit: &mut VisitRow<'_>) -> Result<()> {
        loop {
            while let Some(due) = self.expiring.pop_before(ts) {
                let Some(store) = self.segments.get(due.segment) else { continue };
                let Some(value) = store.get(&due.key)? else { continue };
                let (key, number) = split_number(&due.key);
                let row = decode(value, number == 0);
                if due.time >= self.expired && row.seq == due.order {
                    visit(key, due.time, row.seq, row.bytes, row.flag);
                }
            }
            let mut list = |base: i64, key: &[u8], value: &[u8], push: &mut Push<'_>| {
                let row = decode(value, split_number(key).1 == 0);
                push(base.wrapping_add(row.offset as i64), row.seq, key.into());
            };
            if !self.expiring.list_next(&mut self.segments, ts, &mut list)? {
                return self.expire(ts);
            }
        }
    }

    /// Calls `visit(key, ts, seq, row, flag)` for all rows, in no order.
    pub fn for_each(&mut self, visit: &mut VisitRow<'_>) -> Result<()> {
        self.visit_rows(&mut Cursor::default(), usize::MAX, visit).map(|_| ())
    }

    fn visit_rows(
        &mut self,
        cursor: &mut Cursor,
        budget_bytes: usize,
        visit: &mut VisitRow<'_>,
    ) -> Result<bool> {
        let (segment_ms, expired) = (self.segments.time_at(1, 0), self.expired);
        self.segments.scan(cursor, budget_bytes, &mut |id, segment_key, value| {
            let (key, number) = split_number(segment_key);
            let row = decode(value, number == 0);
            let ts = id.wrapping_mul(segment_ms).wrapping_add(row.offset as i64);
            if ts >= expired {
                visit(key, ts, row.seq, row.bytes, row.flag);
            }
        })
    }

    /// Adds a row as the last of its key, and returns its number.
    fn add(&mut self, key: &[u8], ts: i64, seq: u64, flag: u8, row: &[u8], tracked: bool) -> Result<u32> {
        let id = self.segments.id_of(ts);
        let offset = self.segments.offset_of(id, ts);
        let store = self.segments.get_or_add(id)?;
        let mut number = 0;
        let change = |old: Option<&[u8]>, value: &mut Vec<u8>| {
            if let Some(old) = old {
                number = row_count(old);
                return Update::Keep;
            }
            encode(value, Some(1), flag, offset, seq, row);
            Update::Put
        };
        let first_key = number_key(&mut self.key_buffer, key, 0);
        if tracked { store.update(first_key, change) } else { store.update_untracked(first_key, change) }?;
        if number > 0 {
            // First the row, then the count: after an error in between the row is merely not counted.
            let mut value = Vec::with_capacity(row.len() + 16);
            encode(&mut value, None, flag, offset, seq, row);
            let row_key = number_key(&mut self.key_buffer, key, number);
            if tracked { store.put(row_key, &value) } else { store.apply(row_key, Some(&value)) }?;
            set_count(store, number_key(&mut self.key_buffer, key, 0), number + 1)?;
        }
        for (frontier, wanted) in [(&mut self.expiring, true), (&mut self.pending, flag == 0)] {
            if wanted && frontier.has_listed(id) {
                let key = number_key(&mut self.key_buffer, key, number).into();
                frontier.add(Due { time: ts, order: seq, segment: id, key });
            }
        }
        Ok(number)
    }

    /// Finds the number of the row with this sequence, and how many rows the key has.
    fn find(&mut self, key: &[u8], id: i64, seq: u64) -> Result<(Option<u32>, u32)> {
        let Some(store) = self.segments.get(id) else { return Ok((None, 0)) };
        let Some(head) = store.get(number_key(&mut self.key_buffer, key, 0))? else { return Ok((None, 0)) };
        let count = row_count(head);
        let mut numbers = HashMap::new();
        if count > SEARCH_ROWS_MAX
            && let Some(numbers) = self.applying.get(&(id, key.into()))
        {
            return Ok((numbers.get(&seq).copied(), count));
        }
        for number in 0..count {
            let value = store.get(number_key(&mut self.key_buffer, key, number))?;
            let row = decode(value.expect("rows are numbered without gaps"), number == 0);
            numbers.insert(row.seq, number);
        }
        let found = numbers.get(&seq).copied();
        if count > SEARCH_ROWS_MAX {
            self.applying.insert((id, key.into()), numbers);
        }
        Ok((found, count))
    }

    /// Removes row `number` of `count`, with the sequence `seq`: the last row takes its number.
    fn remove(&mut self, key: &[u8], id: i64, seq: u64, number: u32, count: u32) -> Result<()> {
        let Some(store) = self.segments.get(id) else { return Ok(()) };
        let last = count - 1;
        let mut numbers = self.applying.get_mut(&(id, key.into()));
        if let Some(numbers) = &mut numbers {
            numbers.remove(&seq);
        }
        if number != last {
            let value = store.get(number_key(&mut self.key_buffer, key, last))?;
            let row = decode(value.expect("rows are numbered without gaps"), last == 0);
            if let Some(numbers) = numbers {
                numbers.insert(row.seq, number);
            }
            let mut moved = Vec::with_capacity(row.bytes.len() + 32);
            encode(&mut moved, (number == 0).then_some(count), row.flag, row.offset, row.seq, row.bytes);
            store.apply(number_key(&mut self.key_buffer, key, number), Some(&moved))?;
        }
        store.apply(number_key(&mut self.key_buffer, key, last), None)?;
        if last > 0 {
            set_count(store, number_key(&mut self.key_buffer, key, 0), last)?;
        }
        if last <= SEARCH_ROWS_MAX {
            // Few rows are added without a note.
            self.applying.remove(&(id, key.into()));
        }
        Ok(())
    }
}

/// Gives the row to `visit` if it is within `times`, and returns whether its flag was changed.
fn visit_row(
    value: &mut [u8],
    first: bool,
    base: i64,
    times: RangeInclusive<i64>,
    visit: &mut VisitMatch<'_>,
) -> bool {
    let row = decode(value, first);
    let ts = base.wrapping_add(row.offset as i64);
    let (mut flag, before) = (row.flag, row.flag);
    if times.contains(&ts) {
        visit(ts, row.seq, row.bytes, &mut flag);
    }
    value[0] = flag;
    flag != before
}

fn number_key<'a>(buffer: &'a mut Vec<u8>, key: &[u8], number: u32) -> &'a [u8] {
    buffer.clear();
    buffer.extend_from_slice(key);
    buffer.extend_from_slice(&number.to_be_bytes());
    buffer
}

fn split_number(segment_key: &[u8]) -> (&[u8], u32) {
    let (key, number) =
        segment_key.split_last_chunk::<NUMBER_BYTES>().expect("keys of a segment end with a number");
    (key, u32::from_be_bytes(*number))
}

fn encode(value: &mut Vec<u8>, count: Option<u32>, flag: u8, offset: u64, seq: u64, row: &[u8]) {
    value.push(flag);
    if let Some(count) = count {
        value.extend_from_slice(&count.to_le_bytes());
    }
    write_varint(value, offset);
    write_varint(value, seq);
    value.extend_from_slice(row);
}

fn decode(value: &[u8], first: bool) -> Row<'_> {
    let rest = &value[if first { 5 } else { 1 }..];
    let (offset, offset_len) = read_varint(rest).expect("written by encode");
    let (seq, seq_len) = read_varint(&rest[offset_len..]).expect("written by encode");
    Row { flag: value[0], offset, seq, bytes: &rest[offset_len + seq_len..] }
}

fn row_count(head: &[u8]) -> u32 {
    u32::from_le_bytes(head[1..5].try_into().expect("four bytes"))
}

/// Sets the number of rows in row 0, which is no change of that row.
fn set_count(store: &mut Store, first_key: &[u8], count: u32) -> Result<()> {
    store.update_untracked(first_key, |old, value| {
        let Some(old) = old else { return Update::Keep };
        value.extend_from_slice(old);
        value[1..5].copy_from_slice(&count.to_le_bytes());
        Update::Put
    })
}

fn malformed(what: &'static str) -> StateError {
    StateError::MalformedEntry { store: "join", what }
}

fn split_logged(logged_key: &[u8]) -> Result<(&[u8], i64, u64)> {
    let (key, seq) = logged_key.split_last_chunk::<8>().ok_or(malformed("key has no sequence"))?;
    let (key, ts) = key.split_last_chunk::<8>().ok_or(malformed("key has no time"))?;
    Ok((key, i64::from_be_bytes(*ts), u64::from_be_bytes(*seq)))
}

fn join_logged(buffer: &mut Vec<u8>, key: &[u8], ts: i64, seq: u64) {
    buffer.clear();
    buffer.extend_from_slice(key);
    buffer.extend_from_slice(&ts.to_be_bytes());
    buffer.extend_from_slice(&seq.to_be_bytes());
}

fn logged_value<'a>(buffer: &'a mut Vec<u8>, flag: u8, row: &[u8]) -> &'a [u8] {
    buffer.clear();
    buffer.push(flag);
    buffer.extend_from_slice(row);
    buffer
}

impl Logged for JoinStore {
    fn apply(&mut self, logged_key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let (key, ts, seq) = split_logged(logged_key)?;
        if seq == u64::MAX {
            return Err(malformed("sequence is too large"));
        }
        self.next_seq = self.next_seq.max(seq + 1);
        if ts < self.expired {
            return Ok(());
        }
        let id = self.segments.id_of(ts);
        let (found, count) = self.find(key, id, seq)?;
        let Some(value) = value else {
            let Some(number) = found else { return Ok(()) };
            self.remove(key, id, seq, number, count)?;
            // Of what has expired long ago nothing is left.
            if self.segments.remove_empty(id) {
                self.applying.retain(|(segment, _), _| *segment != id);
            }
            return Ok(());
        };
        let (&flag, row) = value.split_first().ok_or(malformed("value has no flag"))?;
        let Some(number) = found else {
            let number = self.add(key, ts, seq, flag, row, false)?;
            self.segments.get_or_add(id)?.note_logged();
            if number >= SEARCH_ROWS_MAX
                && let Some(numbers) = self.applying.get_mut(&(id, key.into()))
            {
                numbers.insert(seq, number);
            }
            return Ok(());
        };
        let offset = self.segments.offset_of(id, ts);
        let mut value = Vec::with_capacity(row.len() + 32);
        encode(&mut value, (number == 0).then_some(count), flag, offset, seq, row);
        let store = self.segments.get_or_add(id)?;
        store.apply(number_key(&mut self.key_buffer, key, number), Some(&value))
    }

    fn drain_changes(&mut self, visit: &mut VisitChange<'_>) -> Result<()> {
        let segment_ms = self.segments.time_at(1, 0);
        let (mut key_out, mut value_out) = (Vec::new(), Vec::new());
        self.segments.drain_changes(&mut |id, segment_key, value| {
            // Rows are only removed by expiry and by `apply`, and neither is a change.
            let Some(value) = value else { return };
            let (key, number) = split_number(segment_key);
            let row = decode(value, number == 0);
            let ts = id.wrapping_mul(segment_ms).wrapping_add(row.offset as i64);
            join_logged(&mut key_out, key, ts, row.seq);
            visit(&key_out, Some(logged_value(&mut value_out, row.flag, row.bytes)));
        })?;
        self.segments.drain_expired(&mut |id, segment_key, value| {
            let (key, number) = split_number(segment_key);
            let row = decode(value, number == 0);
            join_logged(
                &mut key_out,
                key,
                id.wrapping_mul(segment_ms).wrapping_add(row.offset as i64),
                row.seq,
            );
            visit(&key_out, None);
        })
    }

    fn has_changes(&self) -> bool {
        self.segments.has_changes()
    }

    fn scan(
        &mut self,
        cursor: &mut Cursor,
        budget_bytes: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<bool> {
        let (mut key_out, mut value_out) = (Vec::new(), Vec::new());
        self.visit_rows(cursor, budget_bytes, &mut |key, ts, seq, row, flag| {
            join_logged(&mut key_out, key, ts, seq);
            visit(&key_out, logged_value(&mut value_out, flag, row));
        })
    }

    fn len(&self) -> usize {
        self.segments.len()
    }

    fn bytes_used(&self) -> usize {
        self.segments.bytes_used()
    }

    fn set_budget(&mut self, budget_bytes: usize) -> Result<()> {
        self.segments.set_budget(budget_bytes)
    }
}
