//! Stream ⋈ stream: equal keys, times not too far apart.
//!
//! A record is stored on its side, then meets the records of the other side that are within its times, oldest first.
//! What an outer join makes of a record without a partner depends on GRACE PERIOD:
//!
//! - without: it comes out at once, and joined rows may follow;
//! - with: it comes out when no partner can come any more, that is when stream time (of both sides together) has
//!   passed its time plus distance plus grace; or at once, when that is so already.
//!
//! Each side keeps its records for the whole width of the join plus grace, counted from the newest record of that
//! side; older ones are not found any more. A record's flag in the store says that it had its result.

use state::{JoinOptions, JoinStore, Logged};
use types::Value;

use super::{Downstream, Operator, Side};
use crate::change::{Change, ErrorReason};
use crate::codec;
use crate::error::TaskError;
use crate::eval::{Columns, Compiled};

const STEP: &str = "stream-stream join";

/// No time seen yet.
const NO_TIME: i64 = i64::MIN;

/// Nothing waits.
const NEVER: i64 = i64::MAX;

#[derive(Clone, Copy)]
pub(crate) struct JoinTimes {
    pub before_ms: i64,
    pub after_ms: i64,
    /// `None`: outer results at once.
    pub grace_ms: Option<i64>,
    pub retention_ms: i64,
}

struct JoinSide {
    rows: JoinStore,
    columns: usize,
    filters: Vec<Compiled>,
    /// Records without partner come out.
    is_outer: bool,
    /// How much older and newer than a record of this side a partner may be.
    older_ms: i64,
    newer_ms: i64,
    newest: i64,
    /// Time of the oldest record that may wait for a partner.
    oldest_waiting: i64,
}

pub(crate) struct StreamStreamJoin {
    sides: [JoinSide; 2],
    times: JoinTimes,
    stream_time: i64,
    key: Vec<u8>,
    bytes: Vec<u8>,
    /// The record at hand, and what it is joined to.
    own: Vec<Value>,
    row: Vec<Value>,
    partners: Partners,
}

/// Records found for the one at hand: their times (ms and µs), and their columns' bytes one behind the other.
#[derive(Default)]
struct Partners {
    times_and_ends: Vec<((i64, u16), usize)>,
    bytes: Vec<u8>,
}

impl StreamStreamJoin {
    /// `columns`, `is_outer` and `filters` are those of the left and the right side; a record that does not pass the
    /// filters of its side is in no row that is wanted.
    pub(crate) fn new(
        columns: [usize; 2],
        is_outer: [bool; 2],
        filters: [Vec<Compiled>; 2],
        times: JoinTimes,
        options: &JoinOptions,
    ) -> Self {
        let [left, right] = filters;
        let side = |side: usize, filters, older_ms, newer_ms| JoinSide {
            rows: JoinStore::new(options.clone()),
            filters,
            columns: columns[side],
            is_outer: is_outer[side],
            older_ms,
            newer_ms,
            newest: NO_TIME,
            oldest_waiting: NEVER,
        };
        Self {
            sides: [
                side(0, left, times.before_ms, times.after_ms),
                side(1, right, times.after_ms, times.before_ms),
            ],
            times,
            stream_time: NO_TIME,
            key: vec![],
            bytes: vec![],
            own: vec![],
            row: vec![],
            partners: Partners::default(),
        }
    }

    /// Sends a joined row; of the partner there are the bytes, none for a record without one.
    fn send(
        &mut self,
        side: usize,
        own: &[Value],
        other: &[u8],
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        let own_columns = self.sides[side].columns;
        let columns = own_columns + self.sides[1 - side].columns;
        let row = &mut self.row;
        row.clear();
        if side == 0 {
            append(own, own_columns, row);
            codec::values_into(other, row)?;
        } else {
            codec::values_into(other, row)?;
            row.resize(columns - own_columns, Value::Null);
            append(own, own_columns, row);
        }
        row.resize(columns, Value::Null);
        down.send(&Change { new: Some(Columns::Values(&self.row)), old: None, ..*change })
    }

    /// Sends the records that wait for a partner that cannot come any more: by time, right before left, by key.
    fn send_unmatched(
        &mut self,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        let Some(grace_ms) = self.times.grace_ms else { return Ok(()) };
        let mut unmatched: Vec<(i64, usize, Vec<u8>, Vec<u8>)> = Vec::new();
        for number in [1, 0] {
            let side = &mut self.sides[number];
            let closed_before = self.stream_time.saturating_sub(side.newer_ms).saturating_sub(grace_ms);
            if !side.is_outer || side.oldest_waiting >= closed_before {
                continue;
            }
            side.rows.pending_before(closed_before, &mut |key, time, _, row| {
                unmatched.push((time, 1 - number, key.to_vec(), row.to_vec()));
            })?;
            // Nothing that waits is older now.
            side.oldest_waiting = closed_before;
        }
        unmatched.sort_by(|left, right| (left.0, left.1, &left.2).cmp(&(right.0, right.1, &right.2)));
        let is_windowed = change.window.is_some();
        for (timestamp, order, key, row) in unmatched {
            let (key, window) = codec::key(&key, is_windowed)?;
            let mut own = Vec::new();
            let (micros, row) = split_micros(&row);
            codec::values_into(row, &mut own)?;
            let change = Change { key: &key, window, timestamp, micros, ..*change };
            self.send(1 - order, &own, &[], &change, down)?;
        }
        Ok(())
    }

    /// Stores a record of a side and joins it with those of the other one.
    fn take(
        &mut self,
        number: usize,
        own: &[Value],
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        let time = change.timestamp;
        self.stream_time = self.stream_time.max(time);
        let row = change.row(Columns::Values(own));
        if self.sides[number].filters.iter().any(|filter| filter.test(&row) == Ok(false)) {
            return self.pass_time(number, time);
        }
        codec::put_key(change.key, change.window, &mut self.key);
        self.bytes.clear();
        self.bytes.extend_from_slice(&change.micros.to_be_bytes());
        types::row::encode(own, &mut self.bytes);
        let sequence = self.sides[number].rows.put(&self.key, time, &self.bytes)?;
        if time == self.stream_time && self.times.grace_ms.is_some() {
            // What follows uses the record's key bytes again.
            let key = self.key.clone();
            self.send_unmatched(change, down)?;
            self.key = key;
        }
        let (older_ms, newer_ms, is_outer) = {
            let own_side = &self.sides[number];
            (own_side.older_ms, own_side.newer_ms, own_side.is_outer)
        };
        let until = time.saturating_add(newer_ms).max(0);
        let other_side = &mut self.sides[1 - number];
        let kept_from = other_side.newest.saturating_sub(self.times.retention_ms).saturating_add(1);
        let from = time.saturating_sub(older_ms).max(0).max(kept_from);
        let mut partners = std::mem::take(&mut self.partners);
        partners.times_and_ends.clear();
        partners.bytes.clear();
        if from <= until {
            let (older_us, newer_us) = (older_ms.saturating_mul(1000), newer_ms.saturating_mul(1000));
            other_side.rows.fetch(&self.key, from..=until, &mut |partner, _, row, flag| {
                // At the edges the µs decide; they only ever take a partner away, as times are rounded down.
                let (micros, row) = split_micros(row);
                let apart_us = (partner.saturating_sub(time)).saturating_mul(1000) + i64::from(micros)
                    - i64::from(change.micros);
                if apart_us <= newer_us && -apart_us <= older_us {
                    *flag = 1;
                    partners.bytes.extend_from_slice(row);
                    partners.times_and_ends.push(((partner, micros), partners.bytes.len()));
                }
            })?;
        }
        if !partners.times_and_ends.is_empty() {
            if is_outer && self.times.grace_ms.is_some() {
                self.mark(number, time, sequence)?;
            }
        } else if is_outer {
            if self.times.grace_ms.is_none() || until < self.stream_time {
                if self.times.grace_ms.is_some() {
                    self.mark(number, time, sequence)?;
                }
                self.send(number, own, &[], change, down)?;
            } else {
                let own_side = &mut self.sides[number];
                own_side.oldest_waiting = own_side.oldest_waiting.min(time);
            }
        }
        let mut from = 0;
        for &(partner_time, end) in &partners.times_and_ends {
            let (timestamp, micros) = partner_time.max((time, change.micros));
            let change = Change { timestamp, micros, ..*change };
            self.send(number, own, &partners.bytes[from..end], &change, down)?;
            from = end;
        }
        self.partners = partners;
        self.pass_time(number, time)
    }

    /// Notes the time of a side's record, and drops what is too old by then.
    fn pass_time(&mut self, number: usize, time: i64) -> Result<(), TaskError> {
        let side = &mut self.sides[number];
        if time > side.newest {
            side.newest = time;
            side.rows.expire(time.saturating_sub(self.times.retention_ms))?;
        }
        Ok(())
    }

    /// Marks the record stored last as one that had its result.
    fn mark(&mut self, side: usize, time: i64, sequence: u64) -> Result<(), TaskError> {
        self.sides[side].rows.fetch(&self.key, time..=time, &mut |_, stored, _, flag| {
            if stored == sequence {
                *flag = 1;
            }
        })?;
        Ok(())
    }
}

/// A stored row's µs and columns.
fn split_micros(row: &[u8]) -> (u16, &[u8]) {
    match row.split_first_chunk() {
        Some((micros, row)) => (u16::from_be_bytes(*micros), row),
        None => (0, &[]),
    }
}

/// Appends exactly `columns` columns.
fn append(values: &[Value], columns: usize, row: &mut Vec<Value>) {
    let columns = row.len() + columns;
    row.extend_from_slice(values);
    row.resize(columns, Value::Null);
}

impl Operator for StreamStreamJoin {
    fn process(
        &mut self,
        side: Side,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        let Some(columns) = change.new else { return Ok(()) };
        if change.key_is_null() {
            down.lost(ErrorReason::NullKey, STEP, "record has no key to join on", change);
            return Ok(());
        }
        let number = match side {
            Side::Left => 0,
            Side::Right => 1,
        };
        if let Some(own) = columns.decoded() {
            return self.take(number, own, change, down);
        }
        let mut own = std::mem::take(&mut self.own);
        own.clear();
        columns.append_to(&mut own);
        let taken = self.take(number, &own, change, down);
        self.own = own;
        taken
    }

    fn stores(&mut self) -> Vec<(&'static str, &mut dyn Logged)> {
        let [left, right] = &mut self.sides;
        vec![("left", &mut left.rows), ("right", &mut right.rows)]
    }

    fn meta(&mut self) -> Vec<&mut i64> {
        let [left, right] = &mut self.sides;
        vec![
            &mut self.stream_time,
            &mut left.newest,
            &mut left.oldest_waiting,
            &mut right.newest,
            &mut right.oldest_waiting,
        ]
    }

    fn restored(&mut self) -> Result<(), TaskError> {
        for side in &mut self.sides {
            if side.newest != NO_TIME {
                side.rows.expire(side.newest.saturating_sub(self.times.retention_ms))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use plan::step::{JoinKind, Step, StepKind};

    fn within(kind: JoinKind, before_ms: i64, after_ms: i64, grace_ms: Option<i64>) -> Step {
        join(stream(&[Str]), stream(&[Str]), |left, right| StepKind::StreamStreamJoin {
            kind,
            left,
            right,
            before_ms,
            after_ms,
            grace_ms,
        })
    }

    #[test]
    fn outer_rows_come_at_once_without_grace() {
        check(
            within(JoinKind::Full, 11, 11, None),
            "0 0: zero @0\n1 0: blah @10\n0 10: hundred @11\n0 0: foo @13\n1 0: a @15\n0 0: bar @30\n1 9: new @20",
            "0: zero,_ @0\n0: zero,blah @10\n10: hundred,_ @11\n0: foo,blah @13\n0: foo,a @15\n0: bar,_ @30\n9: _,new @20",
        );
    }

    #[test]
    fn before_and_after_are_seen_from_the_left() {
        check(
            within(JoinKind::Inner, 11, 10, None),
            "0 0: zero @0\n1 0: blah @11\n0 0: foo @13\n1 0: a @15\n0 0: bar @30",
            "0: foo,blah @13\n0: foo,a @15",
        );
    }

    #[test]
    fn joined_row_has_the_time_of_its_later_record_to_the_microsecond() {
        let three = |kind, grace_ms| {
            join(within(kind, 1, 1, grace_ms), stream(&[Str]), |left, right| StepKind::StreamStreamJoin {
                kind: JoinKind::Inner,
                left,
                right,
                before_ms: 1,
                after_ms: 1,
                grace_ms: None,
            })
        };
        // 600 µs behind the later of both: whichever came last.
        for records in [
            "0 0: a @10.100\n1 0: b @10.900",
            "1 0: b @10.900\n0 0: a @10.100",
            "0 0: a @9.950\n1 0: b @10.900",
        ] {
            check(three(JoinKind::Inner, None), &format!("{records}\n2 0: c @11.500"), "0: a,b,c @11");
            check(three(JoinKind::Inner, None), &format!("{records}\n2 0: c @11.950"), "");
        }
        // The same for one that has waited for a partner: its time, not that of the record that ended the wait.
        let waited = "0 0: a @10.900\n0 9: x @20.100";
        check(three(JoinKind::Left, Some(0)), &format!("{waited}\n2 0: c @11.500"), "0: a,_,c @11");
        check(three(JoinKind::Left, Some(0)), &format!("{waited}\n2 0: c @11.950"), "");
    }

    #[test]
    fn outer_rows_wait_for_grace() {
        check(
            within(JoinKind::Full, 10, 10, Some(5)),
            "0 1: L1 @0\n1 2: R2 @1\n0 3: L3 @2\n1 3: R3 @3\n0 9: L9 @15\n0 9: M9 @16\n0 9: N9 @17",
            "3: L3,R3 @3\n1: L1,_ @0\n2: _,R2 @1",
        );
    }

    #[test]
    fn out_of_order_rows_with_grace() {
        check(
            within(JoinKind::Right, 60, 60, Some(60)),
            "0 0: A @0\n1 0: a @60\n0 1: B @330\n0 2: C @90\n1 2: c @90\n1 3: d @60\n0 3: D @90",
            "0: A,a @60\n2: _,c @90\n3: _,d @60\n3: D,d @90",
        );
        check(
            within(JoinKind::Full, 60, 60, Some(60)),
            "0 0: A @0\n1 0: a @60\n1 1: b @330\n1 2: c @90\n0 2: C @90\n1 3: d @60\n0 3: D @60",
            "0: A,a @60\n2: _,c @90\n2: C,_ @90\n3: _,d @60\n3: D,_ @60",
        );
    }
}
