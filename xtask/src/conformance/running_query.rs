//! A persistent query with the formats of its sources and its sink: bytes in, bytes out.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use plan::step::{QueryPlan, Step, StepKind};
use runtime::{Columns, Emitted, Output, RowError, SourceRecord, Task, TaskOptions};

use crate::record::{DecodeError, EncodedRecord, RawRecord, SinkEncoder, SourceDecoder};

/// Records lost that are told; the first ones say enough.
const LOST_MAX: usize = 20;

/// A query on one partition.
pub struct RunningQuery {
    /// CSAS_…, CTAS_…, INSERTQUERY_….
    pub id: String,
    /// The stream or table written to.
    pub sink: Arc<str>,
    /// Its topic.
    pub sink_topic: Arc<str>,
    /// Whether an internal topic would carry records to other partitions.
    pub has_repartition: bool,
    sources: Vec<Source>,
    offsets: BTreeMap<Arc<str>, i64>,
    task: Task,
    encoder: SinkEncoder,
    /// Why records, or columns of them, were lost.
    pub lost: Vec<String>,
    /// A record without valid time stops the query instead of being dropped.
    pub is_strict_about_time: bool,
}

struct Source {
    topic: Arc<str>,
    decoder: SourceDecoder,
}

impl RunningQuery {
    /// Sets up the query.
    pub fn new(id: String, plan: &QueryPlan) -> Result<Self> {
        let sink = plan.sink.as_ref().ok_or_else(|| anyhow!("query has no sink"))?;
        let mut sources = Vec::new();
        for step in source_steps(&plan.root) {
            if let (StepKind::Source(source), Some(decoder)) = (&step.kind, SourceDecoder::new(step)) {
                let decoder = decoder.with_context(|| format!("formats of {}", source.name))?;
                sources.push(Source { topic: source.topic.clone(), decoder });
            }
        }
        let options = TaskOptions { inline_repartition: true, ..TaskOptions::default() };
        Ok(Self {
            id,
            sink: sink.name.clone(),
            sink_topic: sink.topic.clone(),
            has_repartition: has_repartition(&plan.root),
            sources,
            offsets: BTreeMap::new(),
            task: Task::new(plan, &options).context("setting up the query")?,
            encoder: SinkEncoder::new(&plan.root.layout, sink).context("formats of the sink")?,
            lost: Vec::new(),
            is_strict_about_time: false,
        })
    }

    /// The topics read, each once.
    pub fn topics(&self) -> Vec<Arc<str>> {
        let mut topics: Vec<Arc<str>> = Vec::new();
        for source in &self.sources {
            if !topics.contains(&source.topic) {
                topics.push(source.topic.clone());
            }
        }
        topics
    }

    /// Takes a record of a topic and returns all that comes out for it.
    pub fn process(&mut self, topic: &str, record: &RawRecord<'_>) -> Result<Vec<EncodedRecord>> {
        let next = self.offsets.entry(topic.into()).or_insert(0);
        let offset = *next;
        *next += 1;
        let mut out = Rows { encoder: &self.encoder, records: Vec::new(), lost: &mut self.lost };
        for (number, source) in self.sources.iter().enumerate().filter(|(_, source)| *source.topic == *topic)
        {
            let row = match source.decoder.decode(record) {
                Ok(row) => row,
                Err(DecodeError::Time) if self.is_strict_about_time => return Err(DecodeError::Time.into()),
                Err(error) => {
                    out.lose(format!("record {offset} of {topic}: {error}"));
                    continue;
                }
            };
            let record = SourceRecord {
                micros: 0,
                key: row.key.as_deref(),
                value: row.value.as_deref().map(Columns::Values),
                timestamp: row.timestamp,
                partition: 0,
                offset,
                window: row.window,
            };
            self.task.process(number, &record, &mut out)?;
        }
        Ok(out.records)
    }
}

struct Rows<'a> {
    encoder: &'a SinkEncoder,
    records: Vec<EncodedRecord>,
    lost: &'a mut Vec<String>,
}

impl Rows<'_> {
    fn lose(&mut self, why: String) {
        if self.lost.len() < LOST_MAX {
            self.lost.push(why);
        }
    }
}

impl Output for Rows<'_> {
    fn emit(&mut self, row: Emitted<'_>) {
        match self.encoder.encode(&row) {
            Ok(record) => self.records.push(record),
            Err(error) => self.lose(format!("a result row: {error}")),
        }
    }

    fn error(&mut self, error: RowError<'_>) {
        self.lose(format!("{} at record {}: {}", error.step, error.offset, error.message));
    }
}

/// The source steps, in the order in which a task numbers them.
fn source_steps(step: &Step) -> Vec<&Step> {
    match &step.kind {
        StepKind::Source(_) => vec![step],
        _ => step.inputs().into_iter().flat_map(source_steps).collect(),
    }
}

fn has_repartition(step: &Step) -> bool {
    matches!(step.kind, StepKind::Repartition { .. } | StepKind::TableAggregate { .. })
        || step.inputs().into_iter().any(has_repartition)
}
