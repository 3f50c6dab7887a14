//! Aggregate in SESSION windows.
//!
//! A record opens a session of its own, which swallows every session of its key that is no farther than the gap. The
//! swallowed sessions' deletions come out first, oldest first, then the merged session's row; all have the end
//! of their session as time. A record whose session ends before stream time minus grace and gap is late.

use state::{Logged, SessionOptions, SessionStore};
use types::Value;

use super::aggregate::has_null;
use super::{Downstream, Fold, Operator, Side};
use crate::change::{Change, ErrorReason};
use crate::codec;
use crate::error::TaskError;
use crate::eval::Columns;
use crate::view::{RowBounds, ViewRow};

const STEP: &str = "session aggregate";

/// No time seen yet.
const NO_TIME: i64 = -1;

#[derive(Clone, Copy)]
pub(crate) struct SessionSettings {
    pub gap_ms: i64,
    pub grace_ms: i64,
    pub retention_ms: i64,
    pub emit_final: bool,
    pub sends_old: bool,
}

pub(crate) struct SessionAggregate {
    fold: Fold,
    sessions: SessionStore,
    settings: SessionSettings,
    stream_time: i64,
    emitted_until: i64,
    key: Vec<u8>,
    bytes: Vec<u8>,
}

struct Session {
    start: i64,
    end: i64,
    stored: Vec<u8>,
}

impl SessionAggregate {
    pub(crate) fn new(fold: Fold, options: SessionOptions, settings: SessionSettings) -> Self {
        Self {
            fold: fold.numbered(),
            sessions: SessionStore::new(options),
            settings,
            stream_time: NO_TIME,
            emitted_until: NO_TIME,
            key: vec![],
            bytes: vec![],
        }
    }

    /// The sessions of the key that the time touches.
    fn touching(&mut self, timestamp: i64) -> Result<Vec<Session>, TaskError> {
        let gap_ms = self.settings.gap_ms;
        let (earliest_end, latest_start) =
            (timestamp.saturating_sub(gap_ms).max(0), timestamp.saturating_add(gap_ms));
        let mut touching = Vec::new();
        self.sessions.find(&self.key, earliest_end, latest_start, &mut |start, end, stored| {
            touching.push(Session { start, end, stored: stored.to_vec() });
        })?;
        Ok(touching)
    }

    fn retract(
        &mut self,
        session: &Session,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        self.sessions.remove(&self.key, session.start, session.end)?;
        if self.settings.emit_final {
            return Ok(());
        }
        let sends_old = self.settings.sends_old;
        if sends_old {
            self.fold.finish_stored(&session.stored)?;
        }
        down.send(&Change {
            window: Some((session.start, session.end)),
            new: None,
            old: sends_old.then(|| self.fold.result()),
            timestamp: session.end,
            old_timestamp: session.end,
            ..*change
        })
    }

    fn emit_closed(
        &mut self,
        close_time: i64,
        change: &Change<'_>,
        down: &mut Downstream<'_, '_>,
    ) -> Result<(), TaskError> {
        let until = close_time.saturating_sub(1);
        if until < 0 || close_time <= self.emitted_until {
            return Ok(());
        }
        let from = self.emitted_until.max(0);
        self.emitted_until = close_time;
        let mut closed: Vec<(i64, Vec<Value>, i64, Vec<u8>)> = Vec::new();
        let mut result = Ok(());
        self.sessions.range(from, until, &mut |key, start, end, stored| {
            if end > until {
                return;
            }
            match codec::key(key, false) {
                Ok((key, _)) => closed.push((end, key, start, stored.to_vec())),
                Err(error) => result = Err(error),
            }
        })?;
        result?;
        closed.sort_by(|left, right| (left.0, &left.1, left.2).cmp(&(right.0, &right.1, right.2)));
        for (end, key, start, stored) in closed {
            self.fold.finish_stored(&stored)?;
            self.fold.report(change, down);
            down.send(&Change {
                key: &key,
                window: Some((start, end)),
                new: Some(Columns::Values(self.fold.result())),
                old: None,
                timestamp: end,
                ..*change
            })?;
        }
        Ok(())
    }

    fn expire(&mut self) -> Result<(), TaskError> {
        if self.stream_time >= 0 {
            self.sessions.expire(self.stream_time.saturating_sub(self.settings.retention_ms))?;
        }
        Ok(())
    }
}

impl Operator for SessionAggregate {
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
        let time = change.timestamp;
        let stream_time = self.stream_time;
        self.stream_time = stream_time.max(time);
        let open_ms = self.settings.grace_ms.saturating_add(self.settings.gap_ms);
        let close_time = self.stream_time.saturating_sub(open_ms);
        codec::put_key(change.key, None, &mut self.key);
        let touching = self.touching(time)?;
        let start = touching.iter().map(|session| session.start).fold(time, i64::min);
        let end = touching.iter().map(|session| session.end).fold(time, i64::max);
        if end < close_time {
            let message = format!("record is late: session [{start}, {end}] closed at {close_time}");
            down.lost(ErrorReason::Late, STEP, &message, change);
        } else {
            // A session with exactly the record's bounds is replaced, not deleted.
            let mut old = None;
            if (start, end) == (time, time) {
                if let Some(same) = touching.first().filter(|_| self.settings.sends_old) {
                    self.fold.finish_stored(&same.stored)?;
                    old = Some(self.fold.result().to_vec());
                }
            } else {
                for session in &touching {
                    self.retract(session, change, down)?;
                }
            }
            self.fold.start();
            for session in &touching {
                self.fold.merge(&session.stored)?;
            }
            self.fold.prepare(&change.row(columns), change, down);
            self.fold.add();
            self.bytes.clear();
            self.fold.store(end, &mut self.bytes);
            self.sessions.put(&self.key, start, end, &self.bytes)?;
            self.fold.finish();
            self.fold.report(change, down);
            if !self.settings.emit_final {
                down.send(&Change {
                    window: Some((start, end)),
                    new: Some(Columns::Values(self.fold.result())),
                    old: old.as_deref(),
                    timestamp: end,
                    old_timestamp: end,
                    ..*change
                })?;
            }
        }
        if self.settings.emit_final {
            self.emit_closed(close_time, change, down)?;
        }
        if self.stream_time > stream_time {
            self.expire()?;
        }
        Ok(())
    }

    fn stores(&mut self) -> Vec<(&'static str, &mut dyn Logged)> {
        vec![("sessions", &mut self.sessions)]
    }

    fn meta(&mut self) -> Vec<&mut i64> {
        vec![&mut self.stream_time, &mut self.emitted_until]
    }

    fn arrival(&mut self) -> Option<&mut i64> {
        self.fold.arrival()
    }

    fn restored(&mut self) -> Result<(), TaskError> {
        self.expire()
    }

    fn read(
        &mut self,
        bounds: &RowBounds<'_>,
        visit: &mut dyn FnMut(ViewRow) -> bool,
    ) -> Result<(), TaskError> {
        let fold = &mut self.fold;
        let (mut goes_on, mut result) = (true, Ok(()));
        let mut take = |key: Vec<Value>, start: i64, end: i64, stored: &[u8]| {
            if !goes_on || !bounds.include(&key, Some((start, end))) {
                return Ok(());
            }
            let timestamp = fold.finish_stored(stored)?;
            let value = fold.result().to_vec();
            goes_on = visit(ViewRow { key, window: Some((start, end)), value, timestamp });
            Ok::<(), TaskError>(())
        };
        let (earliest_end, latest_start) = (*bounds.ends.start(), *bounds.starts.end());
        if let Some(key) = bounds.key {
            let mut bytes = Vec::new();
            codec::put_key(key, None, &mut bytes);
            self.sessions.find(&bytes, earliest_end, latest_start, &mut |start, end, stored| {
                if let Err(error) = take(key.to_vec(), start, end, stored) {
                    result = Err(error);
                }
            })?;
        } else {
            self.sessions.range(earliest_end, latest_start, &mut |key, start, end, stored| {
                let taken = codec::key(key, false).and_then(|(key, _)| take(key, start, end, stored));
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
    use functions::ArgType;
    use plan::step::{Step, StepKind};
    use sql::ast::WindowKind::Session;
    use types::{DataType, Value};

    #[test]
    fn merged_sessions_are_deleted_before_the_new_one_comes() {
        check(
            aggregate(stream(&[BigInt]), Some((Session { gap_ms: 10 }, 100)), false),
            "0 1: 1 @0\n0 1: 2 @20\n0 1: 4 @10\n0 1: 8 @10",
            "1 [0,0]: 1 @0\n1 [20,20]: 2 @20\n1 [0,0]: null @0\n1 [20,20]: null @20\n1 [0,20]: 7 @20
             1 [0,20]: null @20\n1 [0,20]: 15 @20",
        );
    }

    /// The last three values in the order of their arrival.
    fn last_three() -> Step {
        let three = Value::Int(3);
        let types = [ArgType::Value(BigInt, None), ArgType::Value(DataType::Int, Some(&three))];
        let call = functions::library().aggregate("LATEST_BY_OFFSET", &types).unwrap();
        let mut step = aggregate(stream(&[BigInt]), Some((Session { gap_ms: 10 }, 1000)), false);
        let StepKind::Aggregate { functions, .. } = &mut step.kind else { unreachable!() };
        functions[0].call = call;
        let list = DataType::array(BigInt);
        step.layout.value[0].1 = list;
        step
    }

    /// A new task with the state of one that was stopped.
    fn restarted(mut stopped: Running, meta: &[u8]) -> Running {
        let mut running = Running::new(last_three());
        for ((_, from), (_, to)) in stopped.task.stores_mut().zip(running.task.stores_mut()) {
            from.drain_changes(&mut |key, value| to.apply(key, value).unwrap()).unwrap();
        }
        running.task.load_meta(meta).unwrap();
        running
    }

    #[test]
    fn order_of_arrival_outlives_a_restart() {
        let rows = ["0 1: 1 @0", "0 1: 2 @20", "0 1: 3 @1", "0 1: 4 @10"];
        for restart in 0..rows.len() {
            let mut running = Running::new(last_three());
            running.feed(&rows[..restart].join("\n"));
            let meta = running.task.save_meta();
            let mut running = restarted(running, &meta);
            running.feed(&rows[restart..].join("\n"));
            let last = running.take().pop().unwrap();
            assert_eq!(last, "1 [0,20]: [2,3,4] @20", "restart before row {restart}");
        }
    }

    #[test]
    fn state_of_before_rows_were_numbered_goes_on() {
        let mut running = Running::new(last_three());
        running.feed("0 1: 1 @0");
        let meta = running.task.save_meta();
        let mut running = restarted(running, &meta[..meta.len() - 8]);
        assert_eq!(running.feed("0 1: 2 @5").take().pop().unwrap(), "1 [0,5]: [1,2] @5");
    }

    #[test]
    fn session_of_one_time_is_replaced_without_deletion() {
        check(
            aggregate(stream(&[BigInt]), Some((Session { gap_ms: 10 }, 100)), false),
            "0 1: 1 @5\n0 1: 2 @5",
            "1 [5,5]: 1 @5\n1 [5,5]: 3 @5",
        );
    }

    #[test]
    fn final_rows_come_when_the_session_closes() {
        check(
            aggregate(stream(&[BigInt]), Some((Session { gap_ms: 5 }, 6)), true),
            "0 1: 1 @0\n0 1: 1 @4\n0 1: 1 @8\n0 1: 1 @12\n0 1: 1 @14\n0 1: 1 @30\n0 1: 1 @29\n0 1: 1 @17\n0 1: 1 @42",
            "1 [0,14]: 5 @14\n1 [29,30]: 2 @30",
        );
    }

    #[test]
    fn late_session_may_still_be_bridged() {
        check(
            aggregate(stream(&[BigInt]), Some((Session { gap_ms: 30_000 }, 60_000)), false),
            "0 0: 0 @0\n0 0: 1 @100010\n0 0: 5 @10009\n0 0: 6 @10010\n0 1: 7 @10009\n0 1: 8 @10010",
            "0 [0,0]: 0 @0\n0 [100010,100010]: 1 @100010\n0 [10010,10010]: 6 @10010\n1 [10010,10010]: 8 @10010",
        );
    }
}
