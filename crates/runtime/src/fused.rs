//! The short way of a stateless query: filters over one stream, then a projection, written as JSON.
//!
//! Predicates look at the record's bytes, and columns that are written as they came are copied from there; no
//! `Value` is built for them. The rows are those the operators would give, in the same order, with the same errors.

use std::cell::Cell;

use formats::json::RecordWriter;
use plan::step::{FormatSpec, QueryPlan, SinkStep, SourceKind, Step, StepKind};
use types::{EvalError, Value};

use crate::change::{Emitted, ErrorReason, RowError, SourceRecord};
use crate::eval::{Columns, Compiled, JsonLayout, Row, SlotTest, Witness, compile};
use crate::sink::{EncodeError, Encoded, SinkEncoder};

/// A query that consists of filters and one projection, as one piece.
pub struct Fused {
    predicates: Vec<Predicate>,
    columns: Vec<Column>,
    writer: RecordWriter,
    /// Encodes keys, and the rare rows without value.
    encoder: SinkEncoder,
    /// Key bytes are written as they were read.
    keeps_key: bool,
    has_key: bool,
}

struct Predicate {
    compiled: Compiled,
    /// The same for records that are JSON, if it is simple enough.
    test: Option<SlotTest>,
}

struct Column {
    compiled: Compiled,
    /// Where it is in records that are JSON, if it is nothing but a column or a field of one.
    slot: Option<usize>,
}

impl Fused {
    /// Makes the short way of a plan that has one.
    pub fn new(plan: &QueryPlan) -> Option<Self> {
        let sink = plan.sink.as_ref()?;
        let StepKind::Map { input, key: None, value } = &plan.root.kind else { return None };
        let mut predicates = Vec::new();
        let mut step: &Step = input;
        let source = loop {
            match &step.kind {
                StepKind::Filter { input, predicate } => {
                    predicates.push(compile(predicate));
                    step = input;
                }
                StepKind::Source(source) => break source,
                _ => return None,
            }
        };
        let layout = &plan.root.layout;
        let is_simple = source.kind == SourceKind::Stream
            && plan.root.output == SourceKind::Stream
            && layout.window.is_none()
            && sink.timestamp.is_none()
            && plan.limit.is_none()
            && is_json_object(sink, layout.value.len());
        if !is_simple {
            return None;
        }
        let (json, _) = JsonLayout::new(&step.layout.value);
        let predicates = predicates.into_iter().rev().map(|compiled| {
            let test = compiled.slot_test(&json);
            Predicate { compiled, test }
        });
        let columns = value.iter().map(|expr| {
            let compiled = compile(expr);
            let slot = compiled.slot(&json);
            Column { compiled, slot }
        });
        let is_kafka = |format: &FormatSpec| format.name == "KAFKA";
        Some(Self {
            predicates: predicates.collect(),
            columns: columns.collect(),
            writer: RecordWriter::new(&layout.value),
            encoder: SinkEncoder::new(sink, layout).ok()?,
            keeps_key: is_kafka(&source.key_format)
                && is_kafka(&sink.key_format)
                && source.key_from_value.is_none(),
            has_key: !layout.key.is_empty(),
        })
    }

    /// Returns whether a record passes the filters. Expressions that fail are given to `lost`.
    #[inline]
    pub fn passes(&self, record: &SourceRecord<'_>, lost: &mut dyn FnMut(RowError<'_>)) -> bool {
        let Some(columns) = record.value else { return self.predicates.is_empty() };
        self.predicates.iter().all(|predicate| match (columns, &predicate.test) {
            (Columns::Json(json), Some(test)) => test.test(&json) == Some(true),
            _ => {
                let part_failure = Cell::new(None);
                let result = predicate.compiled.test_noting(&row(record, columns), &part_failure);
                report("filter", part_failure, result, record, lost).unwrap_or(false)
            }
        })
    }

    /// What a record must have to pass, one of several; nothing when it may pass whatever it has, or when expressions may
    /// fail that would have to be reported.
    pub(crate) fn witnesses(&self) -> Option<Vec<Witness>> {
        let tests: Option<Vec<&SlotTest>> = self.predicates.iter().map(|p| p.test.as_ref()).collect();
        tests?.into_iter().filter_map(SlotTest::witnesses).min_by_key(Vec::len)
    }

    /// Writes a record that passes; valid until the next call. `key` are the bytes of its key.
    pub fn write<'a>(
        &'a mut self,
        record: &SourceRecord<'_>,
        key: Option<&'a [u8]>,
        lost: &mut dyn FnMut(RowError<'_>),
    ) -> Result<Encoded<'a>, EncodeError> {
        let value = match record.value {
            Some(columns) => {
                write_value(&self.columns, &mut self.writer, record, columns, lost);
                Some(self.writer.finish())
            }
            None => None,
        };
        let key = match (self.has_key, self.keeps_key) {
            (false, _) => None,
            (true, true) => key,
            (true, false) => {
                self.encoder
                    .encode(&Emitted {
                        key: record.key.unwrap_or(&[]),
                        window: record.window,
                        value: None,
                        timestamp: record.timestamp,
                    })?
                    .key
            }
        };
        Ok(Encoded { key, own_key: key, value, timestamp: record.timestamp })
    }
}

fn write_value(
    columns: &[Column],
    writer: &mut RecordWriter,
    record: &SourceRecord<'_>,
    row_columns: Columns<'_>,
    lost: &mut dyn FnMut(RowError<'_>),
) {
    writer.begin();
    for (n, column) in columns.iter().enumerate() {
        if let Columns::Json(json) = row_columns
            && let Some(slot) = column.slot
            && let Some(slot) = json.slots.get(slot)
            && writer.push_slot(n, slot, json.record)
        {
            continue;
        }
        let part_failure = Cell::new(None);
        let result = column.compiled.eval_noting(&row(record, row_columns), &part_failure);
        let value = report("projection", part_failure, result, record, lost).unwrap_or(Value::Null);
        writer.push_value(n, &value);
    }
}

fn is_json_object(sink: &SinkStep, columns: usize) -> bool {
    sink.value_format.name == "JSON" && (columns != 1 || sink.value_format.wrap_single != Some(false))
}

fn row<'a>(record: &SourceRecord<'a>, columns: Columns<'a>) -> Row<'a> {
    Row {
        key: record.key.unwrap_or(&[]),
        columns,
        rowtime: record.timestamp,
        partition: record.partition,
        offset: record.offset,
        window: record.window,
    }
}

/// Reports what failed: first what only a part was lost by.
#[inline]
fn report<T>(
    step: &'static str,
    part_failure: Cell<Option<EvalError>>,
    result: Result<T, EvalError>,
    record: &SourceRecord<'_>,
    lost: &mut dyn FnMut(RowError<'_>),
) -> Option<T> {
    let mut tell = |error: &EvalError| {
        lost(RowError {
            reason: ErrorReason::Expression,
            step,
            message: &error.0,
            timestamp: record.timestamp,
            partition: record.partition,
            offset: record.offset,
        });
    };
    if let Some(error) = part_failure.take() {
        tell(&error);
    }
    result.map_err(|error| tell(&error)).ok()
}

#[cfg(test)]
mod tests;
