//! The short way of a stateless query: filters over one stream, then a projection, written as JSON.
//!
//! Predicates look at the record's bytes, and columns that are written as they came are copied from there; no
//! `Value` is built for them. The rows are those the operators would give, in the same order, with the same errors.

use formats::json::{ObjectEncoder, passes_through};
use plan::step::{FormatSpec, QueryPlan, SinkStep, SourceKind, Step, StepKind};
use types::Value;

use crate::change::{Emitted, ErrorReason, RowError, SourceRecord};
use crate::eval::{Columns, Compiled, Row, compile};
use crate::sink::{EncodeError, Encoded, SinkEncoder};

/// A query that consists of filters and one projection, as one piece.
pub struct Fused {
    predicates: Vec<Compiled>,
    columns: Vec<Compiled>,
    object: ObjectEncoder,
    /// Encodes keys, and the rare rows without value.
    encoder: SinkEncoder,
    /// Key bytes are written as they were read.
    keeps_key: bool,
    has_key: bool,
    bytes: Vec<u8>,
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
        predicates.reverse();
        let layout = &plan.root.layout;
        let is_simple = source.kind == SourceKind::Stream
            && plan.root.output == SourceKind::Stream
            && layout.window.is_none()
            && sink.timestamp.is_none()
            && is_json_object(sink, layout.value.len());
        if !is_simple {
            return None;
        }
        let is_kafka = |format: &FormatSpec| format.name == "KAFKA";
        Some(Self {
            predicates,
            columns: value.iter().map(compile).collect(),
            object: ObjectEncoder::new(&layout.value),
            encoder: SinkEncoder::new(sink, layout).ok()?,
            keeps_key: is_kafka(&source.key_format)
                && is_kafka(&sink.key_format)
                && source.key_from_value.is_none(),
            has_key: !layout.key.is_empty(),
            bytes: vec![],
        })
    }

    /// Returns whether a record passes the filters. Expressions that fail are given to `lost`.
    #[inline]
    pub fn passes(&self, record: &SourceRecord<'_>, lost: &mut dyn FnMut(RowError<'_>)) -> bool {
        let Some(columns) = record.value else { return self.predicates.is_empty() };
        let row = row(record, columns);
        self.predicates.iter().all(|predicate| {
            predicate.test(&row).unwrap_or_else(|error| {
                lost(row_error(record, "filter", &error.0));
                false
            })
        })
    }

    /// Writes a record that passes; valid until the next call. `key` are the bytes of its key.
    pub fn write<'a>(
        &'a mut self,
        record: &SourceRecord<'_>,
        key: Option<&'a [u8]>,
        lost: &mut dyn FnMut(RowError<'_>),
    ) -> Result<Encoded<'a>, EncodeError> {
        let has_value = match record.value {
            Some(columns) => {
                self.write_value(record, columns, lost);
                true
            }
            None => false,
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
        Ok(Encoded {
            key,
            own_key: key,
            value: has_value.then_some(&self.bytes),
            timestamp: record.timestamp,
        })
    }

    fn write_value(
        &mut self,
        record: &SourceRecord<'_>,
        columns: Columns<'_>,
        lost: &mut dyn FnMut(RowError<'_>),
    ) {
        let row = row(record, columns);
        self.bytes.clear();
        let mut object = self.object.begin(&mut self.bytes);
        for (n, column) in self.columns.iter().enumerate() {
            if let Some((json, place)) = column.json_field(&row)
                && let Some((slot, data_type)) = json.column(place)
            {
                if slot.is_null() {
                    object.push_raw(n, b"null");
                    continue;
                }
                if passes_through(slot, json.record, data_type) {
                    object.push_raw(n, slot.raw(json.record));
                    continue;
                }
            }
            let value = column.eval(&row).unwrap_or_else(|error| {
                lost(row_error(record, "projection", &error.0));
                Value::Null
            });
            object.push_value(n, &value);
        }
        object.finish();
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

fn row_error<'a>(record: &SourceRecord<'_>, step: &'static str, message: &'a str) -> RowError<'a> {
    RowError {
        reason: ErrorReason::Expression,
        step,
        message,
        timestamp: record.timestamp,
        partition: record.partition,
        offset: record.offset,
    }
}
