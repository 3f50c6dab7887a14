//! Aggregate in TUMBLING or HOPPING windows.
//!
//! A record at time `t` is in each window `[start, start + size)` that contains `t`, taken in the order of their starts.
//! A window is closed when stream time, the highest time this operator has seen, reaches its end plus grace; a
//! record is late where its window is closed. With EMIT FINAL a window's rows come out when it closes, by start and
//! key. As in Kafka Streams, windows that start more than the retention before the newest one are lost then: a
//! large jump of stream time leaves nothing to emit.

use state::{Logged, Update, WindowOptions, WindowStore};
use types::Value;

use super::aggregate::has_null;
use super::held_back::HeldBack;
use super::{Downstream, Fold, Operator, Side};
use crate::change::{Change, ErrorReason};
use crate::codec;
use crate::error::TaskError;
use crate::eval::Columns;
use crate::view::{RowBounds, ViewRow};

const STEP: &str = "windowed aggregate";

/// No time seen yet.
const NO_TIME: i64 = -1;

#[derive(Clone, Copy)]
pub(crate) struct WindowSettings {
    pub size_ms: i64,
    /// Equal to the size for TUMBLING.
    pub advance_ms: i64,
    pub grace_ms: i64,
    pub retention_ms: i64,
    pub emit_final: bool,
    pub sends_old: bool,
    /// Rows come out with the flush.
    pub holds_back: bool,
}

pub(crate) struct WindowAggregate {
    fold: Fold,
    groups: WindowStore,
    settings: WindowSettings,
    stream_time: i64,
    newest_start: i64,
    emitted_until: i64,
    key: Vec<u8>,
    held_back: HeldBack,
}

impl WindowAggregate {
    pub(crate) fn new(fold: Fold, options: WindowOptions, settings: WindowSettings) -> Self {
        Self {
            fold,
            groups: WindowStore::new(options),
            settings,
            stream_time: NO_TIME,
            newest_start: NO_TIME,
            emitted_until: NO_TIME,
            key: vec![],
            held_back: HeldBack::new(),
        }
    }

    /// Starts of the windows around a time.
    fn first_start(&self, timestamp: i64) -> i64 {
        let WindowSettings { size_ms, advance_ms, .. } = self.settings;
        let first = timestamp.saturating_sub(size_ms).saturating_add(advance_ms).max(0);
        first - first % advance_ms
    }

    fn update(
        &mut self,
        start: i64,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        let (fold, sends_old) = (&mut self.fold, self.settings.sends_old);
        let (mut timestamp, mut old_timestamp) = (change.timestamp, None);
        let mut result = Ok(());
        let is_first = self.groups.update_noting(&self.key, start, |stored, bytes| {
            match stored.map(|stored| fold.load(stored)) {
                Some(Ok(stored)) => {
                    timestamp = timestamp.max(stored);
                    old_timestamp = Some(stored);
                    if sends_old {
                        fold.finish_old();
                    }
                }
                Some(Err(error)) => {
                    result = Err(error);
                    return Update::Keep;
                }
                None => fold.start(),
            }
            fold.add();
            fold.store(timestamp, bytes);
            Update::Put
        })?;
        result?;
        self.newest_start = self.newest_start.max(start);
        if self.settings.emit_final || self.settings.holds_back {
            self.fold.report(change, down);
            if self.settings.holds_back && is_first {
                self.held_back.add(&self.key, start);
            }
            return Ok(());
        }
        self.fold.finish();
        self.fold.report(change, down);
        let old = old_timestamp.filter(|_| sends_old);
        down.send(&Change {
            window: Some((start, start.saturating_add(self.settings.size_ms))),
            new: Some(Columns::Values(self.fold.result())),
            old: old.map(|_| self.fold.old_result()),
            timestamp,
            old_timestamp: old.unwrap_or(0),
            ..*change
        })
    }

    /// Takes the record whose key and input are there into its windows.
    fn take(&mut self, change: &Change<'_>, down: &mut Downstream<'_, '_>) -> Result<(), TaskError> {
        let WindowSettings { size_ms, advance_ms, grace_ms, retention_ms, emit_final, .. } = self.settings;
        self.stream_time = self.stream_time.max(change.timestamp);
        let close_time = self.stream_time.saturating_sub(grace_ms);
        let newest_start = self.newest_start;
        let mut start = self.first_start(change.timestamp);
        while start <= change.timestamp {
            let end = start.saturating_add(size_ms);
            if end > close_time {
                self.update(start, change, down)?;
            } else {
                let message = format!("record is late: window [{start}, {end}) closed at {close_time}");
                down.lost(ErrorReason::Late, STEP, &message, change);
            }
            let Some(next) = start.checked_add(advance_ms) else { break };
            start = next;
        }
        if emit_final {
            self.emit_closed(close_time, change, down)?;
        }
        if self.newest_start > newest_start {
            let kept_from = self.newest_start.saturating_sub(retention_ms);
            if self.held_back.has_before(kept_from) {
                self.flush_before(Some(kept_from), down)?;
            }
            self.groups.expire(kept_from)?;
        }
        Ok(())
    }

    /// Sends what is held back of windows that start before `bound`, or all of it; the rest stays.
    fn flush_before(&mut self, bound: Option<i64>, down: &mut Downstream<'_, '_>) -> Result<(), TaskError> {
        let mut held_back = std::mem::replace(&mut self.held_back, HeldBack::new());
        for (key, start) in held_back.iter() {
            if bound.is_some_and(|bound| start >= bound) {
                self.held_back.add(key, start);
                continue;
            }
            let Some(stored) = self.groups.get(key, start)? else { continue };
            let timestamp = self.fold.finish_stored(stored)?;
            let (key, _) = codec::key(key, false)?;
            down.send(&Change {
                key: &key,
                window: Some((start, start.saturating_add(self.settings.size_ms))),
                new: Some(Columns::Values(self.fold.result())),
                old: None,
                timestamp,
                micros: 0,
                old_timestamp: 0,
                partition: -1,
                offset: -1,
            })?;
        }
        if self.held_back.is_empty() {
            // Its memory will be wanted again.
            held_back.clear();
            self.held_back = held_back;
        }
        Ok(())
    }

    fn emit_closed(
        &mut self,
        close_time: i64,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        let size_ms = self.settings.size_ms;
        let until = close_time.saturating_sub(size_ms);
        if until < 0 || close_time <= self.emitted_until {
            return Ok(());
        }
        let from = match self.emitted_until {
            NO_TIME => 0,
            emitted => emitted.saturating_sub(size_ms).saturating_add(1).max(0),
        };
        self.emitted_until = close_time;
        let from = from.max(self.newest_start.saturating_sub(self.settings.retention_ms));
        if from > until {
            return Ok(());
        }
        let mut closed: Vec<(i64, Vec<Value>, Vec<u8>)> = Vec::new();
        let mut result = Ok(());
        self.groups.range(from..=until, &mut |key, start, stored| match codec::key(key, false) {
            Ok((key, _)) => closed.push((start, key, stored.to_vec())),
            Err(error) => result = Err(error),
        })?;
        result?;
        closed.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
        for (start, key, stored) in closed {
            let timestamp = self.fold.finish_stored(&stored)?;
            self.fold.report(change, down);
            down.send(&Change {
                key: &key,
                window: Some((start, start.saturating_add(size_ms))),
                new: Some(Columns::Values(self.fold.result())),
                old: None,
                timestamp,
                ..*change
            })?;
        }
        Ok(())
    }
}

impl Operator for WindowAggregate {
    fn process(
        &mut self,
        _: Side,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        let Some(columns) = change.new else { return Ok(()) };
        if has_null(change.key) {
            down.lost(ErrorReason::NullKey, STEP, "record has no group", change);
            return Ok(());
        }
        self.fold.prepare(&change.row(columns), change, down);
        codec::put_key(change.key, None, &mut self.key);
        self.take(change, down)
    }

    fn take_grouped(
        &mut self,
        key: &[u8],
        args: &mut Vec<Value>,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        self.fold.take_input(args);
        self.key.clear();
        self.key.extend_from_slice(key);
        self.take(change, down)
    }

    fn flush(&mut self, down: &mut Downstream<'_, '_>) -> Result<(), TaskError> {
        self.flush_before(None, down)
    }

    fn stores(&mut self) -> Vec<(&'static str, &mut dyn Logged)> {
        vec![("windows", &mut self.groups)]
    }

    fn meta(&mut self) -> Vec<&mut i64> {
        vec![&mut self.stream_time, &mut self.newest_start, &mut self.emitted_until]
    }

    fn restored(&mut self) -> Result<(), TaskError> {
        if self.newest_start >= 0 {
            self.groups.expire(self.newest_start.saturating_sub(self.settings.retention_ms))?;
        }
        Ok(())
    }

    fn read(
        &mut self,
        bounds: &RowBounds<'_>,
        visit: &mut dyn FnMut(ViewRow) -> bool,
    ) -> Result<(), TaskError> {
        let size_ms = self.settings.size_ms;
        let fold = &mut self.fold;
        let (mut goes_on, mut result) = (true, Ok(()));
        let mut take = |key: Vec<Value>, start: i64, stored: &[u8]| {
            let window = Some((start, start.saturating_add(size_ms)));
            if !goes_on || !bounds.include(&key, window) {
                return Ok(());
            }
            let timestamp = fold.finish_stored(stored)?;
            goes_on = visit(ViewRow { key, window, value: fold.result().to_vec(), timestamp });
            Ok::<(), TaskError>(())
        };
        let starts = bounds.starts.clone();
        if let Some(key) = bounds.key {
            let mut bytes = Vec::new();
            codec::put_key(key, None, &mut bytes);
            self.groups.fetch(&bytes, starts, &mut |start, stored| {
                if let Err(error) = take(key.to_vec(), start, stored) {
                    result = Err(error);
                }
            })?;
        } else {
            self.groups.range(starts, &mut |key, start, stored| {
                let taken = codec::key(key, false).and_then(|(key, _)| take(key, start, stored));
                if let Err(error) = taken {
                    result = Err(error);
                }
            })?;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use sql::ast::WindowKind::{Hopping, Tumbling};

    #[test]
    fn late_row_after_grace_is_dropped() {
        let root = aggregate(stream(&[BigInt]), Some((Tumbling { size_ms: 10 }, 5)), false);
        let mut running = Running::new(root);
        running.feed("0 1: 1 @0\n0 1: 2 @9\n0 1: 4 @14\n0 1: 8 @3\n0 1: 16 @15\n0 1: 32 @4");
        let expect =
            ["1 [0,10]: 1 @0", "1 [0,10]: 3 @9", "1 [10,20]: 4 @14", "1 [0,10]: 11 @9", "1 [10,20]: 20 @15"];
        assert_eq!(running.take(), expect);
        assert_eq!(running.task.counters().late, 1);
    }

    #[test]
    fn hopping_windows_come_by_start() {
        check(
            aggregate(stream(&[BigInt]), Some((Hopping { size_ms: 5, advance_ms: 2 }, 100)), false),
            "0 1: 1 @4\n0 1: 1 @5",
            "1 [0,5]: 1 @4\n1 [2,7]: 1 @4\n1 [4,9]: 1 @4\n1 [2,7]: 2 @5\n1 [4,9]: 2 @5",
        );
    }

    #[test]
    fn final_rows_come_when_the_window_closes() {
        check(
            aggregate(stream(&[BigInt]), Some((Hopping { size_ms: 5, advance_ms: 2 }, 1)), true),
            "0 1: 1 @0\n0 1: 1 @1\n0 1: 1 @2\n0 1: 1 @1\n0 1: 1 @6\n0 1: 1 @5\n0 1: 1 @10",
            "1 [0,5]: 4 @2\n1 [4,9]: 2 @6",
        );
    }

    #[test]
    fn final_rows_are_lost_in_a_large_jump() {
        check(
            aggregate(stream(&[BigInt]), Some((Tumbling { size_ms: 2 }, 2)), true),
            "0 1: 1 @0\n0 1: 1 @1\n0 1: 1 @2\n0 1: 1 @0\n0 1: 1 @3\n0 1: 1 @0\n0 1: 1 @10\n0 1: 1 @0\n0 1: 1 @30",
            "",
        );
    }
}
