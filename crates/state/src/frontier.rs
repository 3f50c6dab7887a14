//! What is due next in the segment that time is passing through.
//!
//! Segments hold their entries in no order. When a bound on time enters a segment its entries are listed here, sorted;
//! entries written to a listed segment later are added. So only one segment at a time costs the memory of a sorted
//! list. An item here may be out of date: whoever takes it looks it up in its segment.

use std::collections::BTreeSet;

use crate::Result;
use crate::segments::Segments;

/// An entry that becomes due when the bound passes `time`; items of the same time go by `order`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) time: i64,
    pub(crate) order: u64,
    pub(crate) segment: i64,
    /// The key in the segment's store, or what the caller needs to find the entry.
    pub(crate) key: Box<[u8]>,
}

/// Takes what becomes due: time, order and key.
pub(crate) type Push<'a> = dyn FnMut(i64, u64, Box<[u8]>) + 'a;
/// Gets a segment's first time and an entry's key and value, and pushes what of it becomes due.
pub(crate) type List<'a> = dyn FnMut(i64, &[u8], &[u8], &mut Push<'_>) + 'a;

/// The sorted entries of the segments that the bound has entered.
#[derive(Debug, Default)]
pub(crate) struct Frontier {
    queue: BTreeSet<Due>,
    /// The last segment listed.
    listed: Option<i64>,
}

impl Frontier {
    /// Returns whether entries written to this segment must be added.
    pub(crate) fn has_listed(&self, segment: i64) -> bool {
        self.listed.is_some_and(|listed| segment <= listed)
    }

    pub(crate) fn add(&mut self, due: Due) {
        self.queue.insert(due);
    }

    /// Takes the first entry with a time before `bound`.
    pub(crate) fn pop_before(&mut self, bound: i64) -> Option<Due> {
        if self.queue.first()?.time >= bound {
            return None;
        }
        self.queue.pop_first()
    }

    /// Lists the next segment that has times before `bound`, and returns whether there was one.
    pub(crate) fn list_next(
        &mut self,
        segments: &mut Segments,
        bound: i64,
        list: &mut List<'_>,
    ) -> Result<bool> {
        let Some(last_time) = bound.checked_sub(1) else { return Ok(false) };
        let last = segments.id_of(last_time);
        let Some(id) = segments.id_after(self.listed).filter(|id| *id <= last) else { return Ok(false) };
        let base = segments.time_at(id, 0);
        let store = segments.get(id).expect("id_after names an existing segment");
        let queue = &mut self.queue;
        crate::Logged::for_each_entry(store, &mut |key, value| {
            list(base, key, value, &mut |time, order, key| {
                queue.insert(Due { time, order, segment: id, key });
            });
        })?;
        self.listed = Some(id);
        Ok(true)
    }
}
