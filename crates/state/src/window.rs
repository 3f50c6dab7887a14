//! The window store: values by key and window start.
//!
//! Windows start on a grid, so a window is found by one look-up in its segment, and the windows of a key by one look-up
//! per grid point. In a segment's store the key is followed by the window's number in the segment, in as few bytes as the
//! segment needs: none when it holds a single window. In changelog and snapshot the key is followed by the window's start,
//! 8 bytes big-endian, as in Kafka Streams.

use std::ops::RangeInclusive;

use crate::frontier::{Due, Frontier, Push};
use crate::logged::VisitChange;
use crate::segments::Segments;
use crate::{Cursor, Logged, Options, Result, StateError, Store, Update};

/// Segments a store is divided into when nothing else is asked for. Expiry is cheapest with one window per segment, but
/// every segment that spills has a file open.
const SEGMENTS_MAX: i64 = 128;
/// The bytes of the window start in a logged key.
const START_BYTES: usize = 8;

/// Is called with key, start and value of a window.
pub type VisitWindow<'a> = dyn FnMut(&[u8], i64, &[u8]) + 'a;

/// How a window store is set up.
#[derive(Debug, Clone)]
pub struct WindowOptions {
    /// Windows start at multiples of this: the size of tumbling windows, the advance of hopping ones, 1 for any.
    pub grid_ms: i64,
    /// How much time one segment holds, rounded up to a multiple of the grid.
    pub segment_ms: i64,
    /// The options of the stores beneath; the budget is that of all segments together.
    pub store: Options,
}

impl WindowOptions {
    /// Returns options for windows that start every `grid_ms` and are kept for `retention_ms`.
    pub fn new(grid_ms: i64, retention_ms: i64) -> WindowOptions {
        let grid_ms = grid_ms.max(1);
        let segment_ms = grid_ms.max(retention_ms / SEGMENTS_MAX);
        WindowOptions { grid_ms, segment_ms, store: Options::default() }
    }
}

/// Values by key and window start.
#[derive(Debug)]
pub struct WindowStore {
    segments: Segments,
    grid_ms: i64,
    /// Windows a segment holds.
    windows_per_segment: u64,
    /// Bytes after the key in a segment's store.
    suffix_bytes: usize,
    /// Windows that start before this are expired.
    expired: i64,
    frontier: Frontier,
    /// Numbers the entries of the frontier in the order of writing.
    next_order: u64,
    track_changes: bool,
    key_buffer: Vec<u8>,
}

impl WindowStore {
    /// Returns an empty store.
    pub fn new(options: WindowOptions) -> WindowStore {
        let grid_ms = options.grid_ms.max(1);
        let windows = options.segment_ms.max(1) as u64;
        let windows = windows.div_ceil(grid_ms as u64).min(i64::MAX as u64 / grid_ms as u64);
        WindowStore {
            track_changes: options.store.track_changes,
            segments: Segments::new(grid_ms * windows as i64, options.store),
            grid_ms,
            windows_per_segment: windows,
            suffix_bytes: suffix_bytes(windows),
            expired: i64::MIN,
            frontier: Frontier::default(),
            next_order: 0,
            key_buffer: Vec::new(),
        }
    }

    /// Returns the value of `key` in the window starting at `start`.
    pub fn get(&mut self, key: &[u8], start: i64) -> Result<Option<&[u8]>> {
        let id = self.locate(key, start)?;
        if start < self.expired {
            return Ok(None);
        }
        match self.segments.get(id) {
            Some(store) => store.get(&self.key_buffer),
            None => Ok(None),
        }
    }

    /// Sets the value. A window already expired is left out.
    pub fn put(&mut self, key: &[u8], start: i64, value: &[u8]) -> Result<()> {
        self.write(key, start, |store, segment_key| store.put(segment_key, value))
    }

    /// Removes the value and returns whether it was there.
    pub fn remove(&mut self, key: &[u8], start: i64) -> Result<bool> {
        let id = self.locate(key, start)?;
        if start < self.expired {
            return Ok(false);
        }
        match self.segments.get(id) {
            Some(store) => store.remove(&self.key_buffer),
            None => Ok(false),
        }
    }

    /// Reads, changes and writes a value with one look-up, as [`crate::Store::update`]. For a window already expired
    /// `change` is not called.
    pub fn update(
        &mut self,
        key: &[u8],
        start: i64,
        change: impl FnOnce(Option<&[u8]>, &mut Vec<u8>) -> Update,
    ) -> Result<()> {
        self.update_noting(key, start, change).map(|_| ())
    }

    /// As [`WindowStore::update`]; returns whether the entry was unchanged since the last drain and is not any more.
    pub fn update_noting(
        &mut self,
        key: &[u8],
        start: i64,
        change: impl FnOnce(Option<&[u8]>, &mut Vec<u8>) -> Update,
    ) -> Result<bool> {
        let mut is_first = false;
        self.write(key, start, |store, segment_key| {
            is_first = store.update_noting(segment_key, change)?;
            Ok(())
        })?;
        Ok(is_first)
    }

    /// Calls `visit(start, value)` for the windows of `key` that start within `starts`, in time order.
    pub fn fetch(
        &mut self,
        key: &[u8],
        starts: RangeInclusive<i64>,
        visit: &mut dyn FnMut(i64, &[u8]),
    ) -> Result<()> {
        let (from, to) = (*starts.start().max(&self.expired), *starts.end());
        if from > to {
            return Ok(());
        }
        let (first, last) = (self.segments.id_of(from), self.segments.id_of(to));
        // Numbers of the first window of the first segment and the last one of the last segment.
        let low = self.segments.offset_of(first, from).div_ceil(self.grid_ms as u64);
        let high = self.segments.offset_of(last, to) / self.grid_ms as u64;
        let layout = self.layout();
        for (id, store) in self.segments.between(first, last) {
            let low = if id == first { low } else { 0 };
            let high = if id == last { high } else { self.windows_per_segment - 1 };
            let mut visit = |window, value: &[u8]| visit(layout.start(id, window), value);
            if low > high {
                continue;
            }
            if high - low < store.len() as u64 {
                fetch_by_window(store, key, &mut self.key_buffer, layout, low..=high, &mut visit)?;
            } else {
                fetch_by_scan(store, key, layout, low..=high, &mut visit)?;
            }
        }
        Ok(())
    }

    /// Calls `visit(key, start, value)` for all windows that start within `starts`, segment by segment.
    pub fn range(&mut self, starts: RangeInclusive<i64>, visit: &mut VisitWindow<'_>) -> Result<()> {
        let (from, to) = (*starts.start().max(&self.expired), *starts.end());
        let (first, last) = (self.segments.id_of(from), self.segments.id_of(to));
        let layout = self.layout();
        for (id, store) in self.segments.between(first, last) {
            store.for_each_entry(&mut |segment_key, value| {
                let (key, start) = layout.split(id, segment_key);
                if from <= start && start <= to {
                    visit(key, start, value);
                }
            })?;
        }
        Ok(())
    }

    /// Drops the windows that start before `start`.
    pub fn expire(&mut self, start: i64) -> Result<()> {
        self.expired = self.expired.max(start);
        let first_kept = self.segments.id_of(self.expired);
        let track_changes = self.track_changes;
        self.segments.expire(first_kept, |store| track_changes && store.is_logged());
        // What is listed of dropped segments would otherwise wait for a call that may never come.
        while self.frontier.pop_before(self.expired).is_some() {}
        Ok(())
    }

    /// Drops the windows that start before `start`, each given to `visit(key, start, value)`: by start, and within
    /// one start in the order in which the store keeps them, which is that of writing for values that keep their length.
    /// Unlike [`WindowStore::expire`] it leaves what it drops in the changelog.
    pub fn expire_before(&mut self, start: i64, visit: &mut VisitWindow<'_>) -> Result<()> {
        if start <= self.expired {
            return Ok(());
        }
        let layout = self.layout();
        if self.windows_per_segment == 1 {
            // A segment is a window: no sorting.
            let first_kept = self.segments.id_of(start.saturating_sub(1)).saturating_add(1);
            while let Some((id, mut store)) = self.segments.take_first_before(first_kept) {
                // A window hidden by a bound within its segment has expired already.
                if layout.start(id, 0) >= self.expired {
                    store.for_each_entry(&mut |key, value| visit(key, layout.start(id, 0), value))?;
                }
            }
        } else {
            self.visit_due(start, visit)?;
        }
        self.expire(start)
    }

    fn visit_due(&mut self, bound: i64, visit: &mut VisitWindow<'_>) -> Result<()> {
        let layout = self.layout();
        loop {
            while let Some(due) = self.frontier.pop_before(bound) {
                let Some(store) = self.segments.get(due.segment) else { continue };
                if due.time < self.expired {
                    continue;
                }
                let Some(value) = store.get(&due.key)? else { continue };
                visit(layout.split(due.segment, &due.key).0, due.time, value);
                // Expiry is not a change.
                store.apply(&due.key, None)?;
            }
            let next_order = &mut self.next_order;
            let list = &mut |base: i64, key: &[u8], _: &[u8], push: &mut Push<'_>| {
                push(base.wrapping_add(layout.window(key) as i64 * layout.grid_ms), *next_order, key.into());
                *next_order += 1;
            };
            if !self.frontier.list_next(&mut self.segments, bound, list)? {
                return Ok(());
            }
        }
    }

    /// Writes to the segment of a window that is not expired; a new entry of a listed segment joins the frontier.
    fn write(
        &mut self,
        key: &[u8],
        start: i64,
        write: impl FnOnce(&mut Store, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let id = self.locate(key, start)?;
        if start < self.expired {
            return Ok(());
        }
        let store = self.segments.get_or_add(id)?;
        let before = store.len();
        write(store, &self.key_buffer)?;
        if store.len() > before && self.frontier.has_listed(id) {
            let key = self.key_buffer[..].into();
            self.frontier.add(Due { time: start, order: self.next_order, segment: id, key });
            self.next_order += 1;
        }
        Ok(())
    }

    /// Returns the segment of a window and puts the key of its store into the buffer.
    fn locate(&mut self, key: &[u8], start: i64) -> Result<i64> {
        if start.rem_euclid(self.grid_ms) != 0 {
            return Err(StateError::OffGrid { start, grid_ms: self.grid_ms });
        }
        let id = self.segments.id_of(start);
        let window = self.segments.offset_of(id, start) / self.grid_ms as u64;
        let layout = self.layout();
        layout.segment_key(&mut self.key_buffer, key, window);
        Ok(id)
    }

    fn layout(&self) -> Layout {
        Layout {
            grid_ms: self.grid_ms,
            segment_ms: self.segments.time_at(1, 0),
            suffix_bytes: self.suffix_bytes,
        }
    }
}

/// Looks up each window.
fn fetch_by_window(
    store: &mut Store,
    key: &[u8],
    key_buffer: &mut Vec<u8>,
    layout: Layout,
    windows: RangeInclusive<u64>,
    visit: &mut dyn FnMut(u64, &[u8]),
) -> Result<()> {
    for window in windows {
        if let Some(value) = store.get(layout.segment_key(key_buffer, key, window))? {
            visit(window, value);
        }
    }
    Ok(())
}

/// Looks at all entries of a segment that holds fewer of them than the windows asked for.
fn fetch_by_scan(
    store: &mut Store,
    key: &[u8],
    layout: Layout,
    windows: RangeInclusive<u64>,
    visit: &mut dyn FnMut(u64, &[u8]),
) -> Result<()> {
    let mut found = Vec::new();
    store.for_each_entry(&mut |segment_key, value| {
        let (entry_key, _) = layout.split(0, segment_key);
        let window = layout.window(segment_key);
        if entry_key == key && windows.contains(&window) {
            found.push((window, value.to_vec()));
        }
    })?;
    found.sort_unstable_by_key(|(window, _)| *window);
    for (window, value) in &found {
        visit(*window, value);
    }
    Ok(())
}

/// How keys of a segment's store are made.
#[derive(Clone, Copy)]
struct Layout {
    grid_ms: i64,
    segment_ms: i64,
    suffix_bytes: usize,
}

impl Layout {
    fn window(self, segment_key: &[u8]) -> u64 {
        number(&segment_key[segment_key.len() - self.suffix_bytes..])
    }

    fn start(self, id: i64, window: u64) -> i64 {
        id.wrapping_mul(self.segment_ms).wrapping_add(window as i64 * self.grid_ms)
    }

    /// Returns the key and the window's start.
    fn split(self, id: i64, segment_key: &[u8]) -> (&[u8], i64) {
        let key = &segment_key[..segment_key.len() - self.suffix_bytes];
        (key, self.start(id, self.window(segment_key)))
    }

    fn segment_key<'a>(self, buffer: &'a mut Vec<u8>, key: &[u8], window: u64) -> &'a [u8] {
        buffer.clear();
        buffer.extend_from_slice(key);
        buffer.extend_from_slice(&window.to_be_bytes()[8 - self.suffix_bytes..]);
        buffer
    }
}

fn suffix_bytes(windows: u64) -> usize {
    (64 - (windows - 1).leading_zeros()).div_ceil(8) as usize
}

fn number(suffix: &[u8]) -> u64 {
    suffix.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn split_logged(logged_key: &[u8]) -> Result<(&[u8], i64)> {
    let split = logged_key.split_last_chunk::<START_BYTES>();
    let (key, start) =
        split.ok_or(StateError::MalformedEntry { store: "window", what: "key has no window start" })?;
    Ok((key, i64::from_be_bytes(*start)))
}

fn join_logged<'a>(buffer: &'a mut Vec<u8>, (key, start): (&[u8], i64)) -> &'a [u8] {
    buffer.clear();
    buffer.extend_from_slice(key);
    buffer.extend_from_slice(&start.to_be_bytes());
    buffer
}

impl Logged for WindowStore {
    fn apply(&mut self, logged_key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let (key, start) = split_logged(logged_key)?;
        if value.is_some() {
            return self.write(key, start, |store, segment_key| store.apply(segment_key, value));
        }
        let id = self.locate(key, start)?;
        if let Some(store) = self.segments.get(id).filter(|_| start >= self.expired) {
            store.apply(&self.key_buffer, None)?;
            // Of what has expired long ago nothing is left.
            self.segments.remove_empty(id);
        }
        Ok(())
    }

    fn load(&mut self, logged_key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let (key, start) = split_logged(logged_key)?;
        let id = self.locate(key, start)?;
        if start < self.expired {
            return Ok(());
        }
        if value.is_none() || self.frontier.has_listed(id) {
            return self.apply(logged_key, value);
        }
        self.segments.get_or_add(id)?.load(&self.key_buffer, value)
    }

    fn finish_loading(&mut self) -> Result<()> {
        self.segments.all().try_for_each(|(_, store)| store.finish_loading())
    }

    fn drain_changes(&mut self, visit: &mut VisitChange<'_>) -> Result<()> {
        let (layout, mut buffer) = (self.layout(), Vec::new());
        self.segments.drain_changes(&mut |id, segment_key, value| {
            visit(join_logged(&mut buffer, layout.split(id, segment_key)), value);
        })?;
        self.segments.drain_expired(&mut |id, segment_key, _| {
            visit(join_logged(&mut buffer, layout.split(id, segment_key)), None);
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
        let (layout, expired, mut buffer) = (self.layout(), self.expired, Vec::new());
        self.segments.scan(cursor, budget_bytes, &mut |id, segment_key, value| {
            let (key, start) = layout.split(id, segment_key);
            if start >= expired {
                visit(join_logged(&mut buffer, (key, start)), value);
            }
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
