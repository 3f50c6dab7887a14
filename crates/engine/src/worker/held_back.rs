//! The rows a task has held back, written at the end of an epoch.

use commitlog::{EpochTx, LogError};
use runtime::{Emitted, Output, RowError};

use super::output::{Problems, Sink, TaskOutput};
use super::unit::TaskSlot;

/// Gives full batches to the transaction while rows come.
struct Flush<'a> {
    rows: TaskOutput<'a>,
    tx: &'a mut EpochTx,
    now_ms: i64,
    result: Result<(), LogError>,
}

impl Output for Flush<'_> {
    fn emit(&mut self, row: Emitted<'_>) {
        self.rows.emit(row);
        if let Sink::Topic(sink) = &mut *self.rows.sink
            && sink.is_full()
            && self.result.is_ok()
        {
            self.result = sink.flush(self.tx, false, self.now_ms);
        }
    }

    fn error(&mut self, error: RowError<'_>) {
        self.rows.error(error);
    }
}

/// Writes what the task has held back.
pub(super) fn flush(
    slot: &mut TaskSlot,
    tx: &mut EpochTx,
    now_ms: i64,
    problems: &mut Problems,
) -> Result<(), LogError> {
    let Sink::Topic(sink) = &slot.sink else { return Ok(()) };
    let topic = sink.encoder.topic().clone();
    let rows = TaskOutput {
        sink: &mut slot.sink,
        statistics: &slot.statistics,
        problems,
        query_id: &slot.query_id,
        topic: &topic,
        partition: 0,
    };
    let mut out = Flush { rows, tx, now_ms, result: Ok(()) };
    let flushed = slot.task.flush(&mut out);
    let result = out.result;
    if let Err(error) = flushed {
        slot.fail(error.to_string());
    }
    result
}
