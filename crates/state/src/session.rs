//! The session store: values by key and session.
//!
//! A session lies in the segment of its end. In a segment's store a key has one entry, the list of its sessions by
//! (end, start); sessions of a key are at least a gap apart, so a segment of a few gaps keeps lists short. In changelog
//! and snapshot the key is followed by end and start, 8 bytes big-endian each, as in Kafka Streams.
//!
//! ```text
//! list    = session*
//! session = end into the segment varint | end - start varint | value length varint | value
//! ```

use std::collections::BTreeMap;

use crate::entry::{read_varint, write_varint};
use crate::frontier::{Due, Frontier, Push};
use crate::logged::VisitChange;
use crate::segments::Segments;
use crate::{Cursor, Logged, Options, Result, StateError, Store, Update};

/// Gaps a segment spans, unless that makes too many segments.
const GAPS_PER_SEGMENT: i64 = 8;
/// Segments a store is divided into at most; every one that spills has a file open.
const SEGMENTS_MAX: i64 = 128;

/// Is called with key, start, end and value of a session.
pub type VisitSession<'a> = dyn FnMut(&[u8], i64, i64, &[u8]) + 'a;

/// How a session store is set up.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// How much time one segment holds.
    pub segment_ms: i64,
    /// The options of the stores beneath; the budget is that of all segments together.
    pub store: Options,
}

impl SessionOptions {
    /// Returns options for sessions closed by a gap of `gap_ms` and kept for `retention_ms`.
    pub fn new(gap_ms: i64, retention_ms: i64) -> SessionOptions {
        let segment_ms = gap_ms.saturating_mul(GAPS_PER_SEGMENT).max(retention_ms / SEGMENTS_MAX).max(1);
        SessionOptions { segment_ms, store: Options::default() }
    }
}

/// Values by key and session.
#[derive(Debug)]
pub struct SessionStore {
    segments: Segments,
    /// Sessions per segment.
    counts: BTreeMap<i64, usize>,
    /// Logged keys of the sessions changed since the last drain.
    touched: Store,
    track_changes: bool,
    /// The longest session there ever was: how far behind its end a session may start.
    span_max: u64,
    /// Sessions that end before this are expired.
    expired: i64,
    frontier: Frontier,
    key_buffer: Vec<u8>,
}

/// One session of a list.
struct Session<'a> {
    start: i64,
    end: i64,
    value: &'a [u8],
}

impl SessionStore {
    /// Returns an empty store.
    pub fn new(options: SessionOptions) -> SessionStore {
        let track_changes = options.store.track_changes;
        let lists = Options { track_changes: false, ..options.store };
        SessionStore {
            segments: Segments::new(options.segment_ms, lists),
            counts: BTreeMap::new(),
            touched: Store::new(Options { track_changes: false, ..Options::default() }),
            track_changes,
            span_max: 0,
            expired: i64::MIN,
            frontier: Frontier::default(),
            key_buffer: Vec::new(),
        }
    }

    /// Returns the value of the session.
    pub fn get(&mut self, key: &[u8], start: i64, end: i64) -> Result<Option<&[u8]>> {
        if end < self.expired {
            return Ok(None);
        }
        let id = self.segments.id_of(end);
        let base = self.segments.time_at(id, 0);
        let Some(store) = self.segments.get(id) else { return Ok(None) };
        let Some(list) = store.get(key)? else { return Ok(None) };
        let found = sessions(base, list).find(|session| (session.start, session.end) == (start, end));
        Ok(found.map(|session| session.value))
    }

    /// Sets the value of the session. A session already expired is left out.
    pub fn put(&mut self, key: &[u8], start: i64, end: i64, value: &[u8]) -> Result<()> {
        if end < self.expired {
            return Ok(());
        }
        self.set(key, start, end, Some(value))?;
        self.touch(key, start, end)
    }

    /// Removes the session and returns whether it was there.
    pub fn remove(&mut self, key: &[u8], start: i64, end: i64) -> Result<bool> {
        if end < self.expired || !self.set(key, start, end, None)? {
            return Ok(false);
        }
        self.touch(key, start, end)?;
        Ok(true)
    }

    /// Calls `visit(start, end, value)` for the sessions of `key` that end at `earliest_end` or later and start at
    /// `latest_start` or earlier, by (end, start).
    pub fn find(
        &mut self,
        key: &[u8],
        earliest_end: i64,
        latest_start: i64,
        visit: &mut dyn FnMut(i64, i64, &[u8]),
    ) -> Result<()> {
        let earliest_end = earliest_end.max(self.expired);
        let latest_end = latest_start.saturating_add_unsigned(self.span_max);
        let (first, last) = (self.segments.id_of(earliest_end), self.segments.id_of(latest_end));
        let segment_ms = self.segments.time_at(1, 0);
        for (id, store) in self.segments.between(first, last) {
            let Some(list) = store.get(key)? else { continue };
            for session in sessions(id.wrapping_mul(segment_ms), list) {
                if session.end >= earliest_end && session.start <= latest_start {
                    visit(session.start, session.end, session.value);
                }
            }
        }
        Ok(())
    }

    /// Calls `visit(key, start, end, value)` for all sessions that meet the same bounds, segment by segment.
    pub fn range(
        &mut self,
        earliest_end: i64,
        latest_start: i64,
        visit: &mut VisitSession<'_>,
    ) -> Result<()> {
        let earliest_end = earliest_end.max(self.expired);
        let latest_end = latest_start.saturating_add_unsigned(self.span_max);
        let (first, last) = (self.segments.id_of(earliest_end), self.segments.id_of(latest_end));
        let segment_ms = self.segments.time_at(1, 0);
        for (id, store) in self.segments.between(first, last) {
            store.for_each_entry(&mut |key, list| {
                for session in sessions(id.wrapping_mul(segment_ms), list) {
                    if session.end >= earliest_end && session.start <= latest_start {
                        visit(key, session.start, session.end, session.value);
                    }
                }
            })?;
        }
        Ok(())
    }

    /// Drops the sessions that end before `end`.
    pub fn expire(&mut self, end: i64) -> Result<()> {
        self.expired = self.expired.max(end);
        let first_kept = self.segments.id_of(self.expired);
        let track_changes = self.track_changes;
        self.segments.expire(first_kept, |_| track_changes);
        self.counts = self.counts.split_off(&first_kept);
        // What is listed of dropped segments would otherwise wait for a call that may never come.
        while self.frontier.pop_before(self.expired).is_some() {}
        Ok(())
    }

    /// Drops the sessions that end before `end`, each given to `visit(key, start, end, value)`, by (end, start, key).
    pub fn expire_before(&mut self, end: i64, visit: &mut VisitSession<'_>) -> Result<()> {
        loop {
            while let Some(due) = self.frontier.pop_before(end) {
                let start = start_of(due.order);
                let Some(value) = self.get(&due.key, start, due.time)? else { continue };
                visit(&due.key, start, due.time, value);
                // Expiry is not a change.
                self.set(&due.key, start, due.time, None)?;
            }
            let mut list = |base: i64, key: &[u8], list: &[u8], push: &mut Push<'_>| {
                for session in sessions(base, list) {
                    push(session.end, order_of(session.start), key.into());
                }
            };
            if !self.frontier.list_next(&mut self.segments, end, &mut list)? {
                return self.expire(end);
            }
        }
    }

    /// Sets or removes a session, and returns whether it was there.
    fn set(&mut self, key: &[u8], start: i64, end: i64, value: Option<&[u8]>) -> Result<bool> {
        if end < start {
            return Err(StateError::SessionReversed { start, end });
        }
        let id = self.segments.id_of(end);
        let base = self.segments.time_at(id, 0);
        let offset = self.segments.offset_of(id, end);
        let store = match value {
            Some(_) => self.segments.get_or_add(id)?,
            None => match self.segments.get(id) {
                Some(store) => store,
                None => return Ok(false),
            },
        };
        let mut was_there = false;
        store.update(key, |old, list| {
            let mut new = value.map(|value| Session { start, end, value });
            for session in sessions(base, old.unwrap_or_default()) {
                let same = (session.end, session.start) == (end, start);
                was_there |= same;
                if (session.end, session.start) >= (end, start)
                    && let Some(new) = new.take()
                {
                    write_session(list, offset, &new);
                }
                if !same {
                    write_session(list, session.end.wrapping_sub(base) as u64, &session);
                }
            }
            if let Some(new) = new {
                write_session(list, offset, &new);
            }
            match (list.is_empty(), value.is_none() && !was_there) {
                (_, true) => Update::Keep,
                (true, _) => Update::Remove,
                _ => Update::Put,
            }
        })?;
        let count = self.counts.entry(id).or_default();
        if value.is_some() && !was_there {
            *count += 1;
            self.span_max = self.span_max.max(end.wrapping_sub(start) as u64);
            if self.frontier.has_listed(id) {
                let order = order_of(start);
                self.frontier.add(Due { time: end, order, segment: id, key: key.into() });
            }
        }
        *count -= usize::from(value.is_none() && was_there);
        Ok(was_there)
    }

    fn touch(&mut self, key: &[u8], start: i64, end: i64) -> Result<()> {
        if !self.track_changes {
            return Ok(());
        }
        join_logged(&mut self.key_buffer, key, start, end);
        self.touched.put(&self.key_buffer, &[])
    }
}

/// Reads a list of the segment that begins at `base`.
fn sessions(base: i64, mut list: &[u8]) -> impl Iterator<Item = Session<'_>> {
    std::iter::from_fn(move || {
        if list.is_empty() {
            return None;
        }
        let mut next = || {
            let (number, len) = read_varint(list).expect("written by write_session");
            list = &list[len..];
            number
        };
        let (offset, span, value_len) = (next(), next(), next());
        let (value, rest) = list.split_at(value_len as usize);
        list = rest;
        let end = base.wrapping_add(offset as i64);
        Some(Session { start: end.wrapping_sub(span as i64), end, value })
    })
}

fn write_session(list: &mut Vec<u8>, offset: u64, session: &Session) {
    write_varint(list, offset);
    write_varint(list, session.end.wrapping_sub(session.start) as u64);
    write_varint(list, session.value.len() as u64);
    list.extend_from_slice(session.value);
}

/// Maps a start to a number of the same order, and back.
fn order_of(start: i64) -> u64 {
    start as u64 ^ 1 << 63
}

fn start_of(order: u64) -> i64 {
    (order ^ 1 << 63) as i64
}

fn split_logged(logged_key: &[u8]) -> Result<(&[u8], i64, i64)> {
    let malformed = |what| StateError::MalformedEntry { store: "session", what };
    let (key, start) = logged_key.split_last_chunk::<8>().ok_or(malformed("key has no start"))?;
    let (key, end) = key.split_last_chunk::<8>().ok_or(malformed("key has no end"))?;
    Ok((key, i64::from_be_bytes(*start), i64::from_be_bytes(*end)))
}

fn join_logged(buffer: &mut Vec<u8>, key: &[u8], start: i64, end: i64) {
    buffer.clear();
    buffer.extend_from_slice(key);
    buffer.extend_from_slice(&end.to_be_bytes());
    buffer.extend_from_slice(&start.to_be_bytes());
}

impl Logged for SessionStore {
    fn apply(&mut self, logged_key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let (key, start, end) = split_logged(logged_key)?;
        if end < self.expired {
            return Ok(());
        }
        self.set(key, start, end, value)?;
        let id = self.segments.id_of(end);
        // Of what has expired long ago nothing is left.
        if value.is_none() && self.segments.remove_empty(id) {
            self.counts.remove(&id);
        }
        Ok(())
    }

    fn drain_changes(&mut self, visit: &mut VisitChange<'_>) -> Result<()> {
        let fresh = Store::new(Options { track_changes: false, ..Options::default() });
        let mut touched = std::mem::replace(&mut self.touched, fresh);
        let mut failed = Ok(());
        touched.for_each_entry(&mut |logged_key, _| {
            let (key, start, end) = split_logged(logged_key).expect("written by touch");
            match self.get(key, start, end) {
                Ok(value) => visit(logged_key, value),
                Err(error) => failed = Err(error),
            }
        })?;
        failed?;
        let segment_ms = self.segments.time_at(1, 0);
        let (mut key_out, mut failed) = (Vec::new(), Ok(()));
        self.segments.drain_expired(&mut |id, key, list| {
            for session in sessions(id.wrapping_mul(segment_ms), list) {
                join_logged(&mut key_out, key, session.start, session.end);
                // The others were given above, without value too.
                match touched.get(&key_out) {
                    Ok(None) => visit(&key_out, None),
                    Ok(Some(_)) => {}
                    Err(error) => failed = Err(error),
                }
            }
        })?;
        failed
    }

    fn has_changes(&self) -> bool {
        !self.touched.is_empty()
    }

    fn scan(
        &mut self,
        cursor: &mut Cursor,
        budget_bytes: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<bool> {
        let (segment_ms, expired) = (self.segments.time_at(1, 0), self.expired);
        let mut key_out = Vec::new();
        self.segments.scan(cursor, budget_bytes, &mut |id, key, list| {
            for session in sessions(id.wrapping_mul(segment_ms), list) {
                if session.end >= expired {
                    join_logged(&mut key_out, key, session.start, session.end);
                    visit(&key_out, session.value);
                }
            }
        })
    }

    fn len(&self) -> usize {
        self.counts.values().sum()
    }

    fn bytes_used(&self) -> usize {
        self.segments.bytes_used() + self.touched.bytes_used()
    }

    fn set_budget(&mut self, budget_bytes: usize) -> Result<()> {
        self.segments.set_budget(budget_bytes)
    }
}
