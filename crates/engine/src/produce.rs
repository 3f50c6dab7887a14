//! Records written by clients: INSERT INTO … VALUES, rows as JSON, records as they are.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use commitlog::{BatchBuilder, CommitTicket, TopicInfo};
use formats::json::{Projection, Scanner, Slot, Top, decode};
use plan::catalog::Source;
use plan::statement::Planner;
use plan::step::{Layout, SinkStep};
use runtime::{Columns, Emitted, Row, SinkEncoder, compile, partition_of};
use types::{ErrorKind, Value};

use crate::core::{Inner, now_ms};
use crate::ddl;
use crate::entity::{CommandStatus, Entity};
use crate::error::{EngineError, Result};
use crate::query::log_error;
use crate::session::Session;

/// Bytes of one batch.
const BATCH_BYTES: usize = 1 << 20;
/// Bytes of a record in a batch besides its key and value, at most.
const RECORD_OVERHEAD_BYTES: usize = 64;

/// A record to append: time (none: now), key, value.
pub type NewRecord = (Option<i64>, Option<Vec<u8>>, Option<Vec<u8>>);

/// Executes INSERT INTO … VALUES.
pub(crate) fn insert_values(
    inner: &Arc<Inner>,
    insert: &sql::InsertValues,
    text: &str,
    session: &Session,
) -> Result<Entity> {
    let planning = inner.settings.with(&session.properties)?.planning();
    let catalog = inner.state().catalog.clone();
    let planner = Planner { catalog: &catalog, library: &inner.library, settings: &planning };
    let planned = planner.insert_values(insert).map_err(|e| ddl::from_plan(e, text))?;
    let row =
        Row { key: &[], columns: Columns::Values(&[]), rowtime: 0, partition: 0, offset: 0, window: None };
    let eval = |e: &plan::expr::Expr| {
        compile(e).eval(&row).map_err(|e| EngineError::user("bad_insert", e.to_string()))
    };
    let key = planned.key.iter().map(eval).collect::<Result<Vec<_>>>()?;
    let value = planned.value.iter().map(eval).collect::<Result<Vec<_>>>()?;
    let rowtime = planned.rowtime.as_ref().map(eval).transpose()?.and_then(|v| v.as_i64());
    write_row(inner, &planned.source, &key, &value, rowtime)?;
    Ok(Entity::Status(CommandStatus {
        command_id: String::new(),
        sequence: -1,
        message: "Row inserted.".into(),
        query_id: None,
        warnings: vec![],
    }))
}

/// Writes one row given as a JSON object.
pub(crate) fn insert_json(inner: &Arc<Inner>, target: &str, row: &str) -> Result<()> {
    let catalog = inner.state().catalog.clone();
    let folded = target.to_uppercase();
    let source = catalog.source(target).or_else(|| catalog.source(&folded)).ok_or_else(|| {
        EngineError::user("unknown_source", format!("\"{target}\" is not a stream or table"))
    })?;
    if source.is_source {
        return Err(EngineError::user("read_only", format!("\"{}\" is read-only", source.name)));
    }
    let columns: Vec<_> = source.schema.key().chain(source.schema.value()).collect();
    let names: Vec<&str> = columns.iter().map(|c| &*c.name).collect();
    let projection = Projection::columns(&names)
        .map_err(|e| EngineError::new(ErrorKind::Internal, "bad_columns", e.to_string()))?;
    let mut slots = vec![Slot::MISSING; projection.slot_count()];
    let bad = |reason: String| EngineError::user("bad_row", format!("the row cannot be read: {reason}"));
    match Scanner::new(projection).scan(row.as_bytes(), &mut slots).map_err(|e| bad(e.to_string()))? {
        Top::Object => {}
        Top::Null => return Err(bad("it is null".into())),
    }
    let mut values = Vec::with_capacity(columns.len());
    for (slot, column) in slots.iter().zip(&columns) {
        values.push(
            decode(row.as_bytes(), *slot, &column.data_type)
                .map_err(|e| bad(format!("column \"{}\": {e}", column.name)))?,
        );
    }
    let value = values.split_off(source.schema.key().count());
    write_row(inner, source, &values, &value, None)
}

fn write_row(
    inner: &Inner,
    source: &Arc<Source>,
    key: &[Value],
    value: &[Value],
    rowtime: Option<i64>,
) -> Result<()> {
    inner.check_not_reserved(&source.topic)?;
    inner.ensure_topic(&source.topic, &Default::default(), inner.default_partitions(), false)?;
    let layout = Layout {
        key: source.schema.key().map(|c| (c.name.clone(), c.data_type.clone())).collect(),
        value: source.schema.value().map(|c| (c.name.clone(), c.data_type.clone())).collect(),
        window: None,
    };
    let sink = SinkStep {
        name: source.name.clone(),
        topic: source.topic.clone(),
        key_format: source.key_format.clone(),
        value_format: source.value_format.clone(),
        timestamp: None,
    };
    let fail = |e: runtime::EncodeError| EngineError::user("bad_insert", e.to_string());
    let mut encoder = SinkEncoder::new(&sink, &layout).map_err(fail)?;
    let is_keyless = key.iter().all(Value::is_null);
    let record = encoder
        .encode(&Emitted {
            key: if is_keyless { &[] } else { key },
            window: None,
            value: Some(value),
            timestamp: rowtime.unwrap_or_else(now_ms),
        })
        .map_err(fail)?;
    let record = (Some(record.timestamp), record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec));
    produce(inner, &source.topic, None, &[record])
}

/// Appends records; durable when it returns.
pub(crate) fn produce(
    inner: &Inner,
    topic: &str,
    partition: Option<u32>,
    records: &[NewRecord],
) -> Result<()> {
    let info = topic_for(inner, topic, partition)?;
    let now = now_ms();
    let mut tickets: Vec<CommitTicket> = Vec::new();
    divide(inner, &info, partition, records, now, &mut |place, batch| {
        let (_, ticket) = inner.log.append_durable(topic, place, batch, now).map_err(log_error)?;
        tickets.push(ticket);
        Ok(())
    })?;
    for ticket in tickets {
        ticket.wait().map_err(log_error)?;
    }
    Ok(())
}

/// The topic that clients write to, made if it is not there; it must have the partition they ask for.
pub(crate) fn topic_for(inner: &Inner, topic: &str, partition: Option<u32>) -> Result<TopicInfo> {
    inner.check_not_reserved(topic)?;
    let info = inner.ensure_topic(topic, &Default::default(), inner.default_partitions(), false)?;
    match partition {
        Some(p) if p >= info.partitions => Err(EngineError::user(
            "unknown_partition",
            format!("topic \"{topic}\" has {} partitions, numbered from 0; there is no {p}", info.partitions),
        )),
        _ => Ok(info),
    }
}

/// Divides records among partitions and gives `append` their batches.
pub(crate) fn divide(
    inner: &Inner,
    topic: &TopicInfo,
    partition: Option<u32>,
    records: &[NewRecord],
    now: i64,
    append: &mut dyn FnMut(u32, &mut [u8]) -> Result<()>,
) -> Result<()> {
    let partitions = topic.partitions;
    // Records without key stay together, each call going on to the next partition.
    let in_turn = inner.next_partition.fetch_add(1, Ordering::Relaxed) as u32 % partitions;
    let mut builders: Vec<BatchBuilder> = (0..partitions).map(|_| BatchBuilder::new()).collect();
    for (timestamp, key, value) in records {
        let place = match (partition, key) {
            (Some(p), _) => p,
            (None, Some(key)) => partition_of(key, partitions),
            (None, None) => in_turn,
        };
        let builder = &mut builders[place as usize];
        let record_bytes =
            RECORD_OVERHEAD_BYTES + key.as_ref().map_or(0, Vec::len) + value.as_ref().map_or(0, Vec::len);
        // Records that are small enough one by one are not refused because they stand together.
        if !builder.is_empty() && builder.size() + record_bytes > topic.config.max_message_bytes {
            append(place, builder.finish())?;
            builder.clear();
        }
        builder.append(timestamp.unwrap_or(now), key.as_deref(), value.as_deref(), &[]);
        if builder.size() >= BATCH_BYTES {
            append(place, builder.finish())?;
            builder.clear();
        }
    }
    for (place, builder) in builders.iter_mut().enumerate() {
        if !builder.is_empty() {
            append(place as u32, builder.finish())?;
        }
    }
    Ok(())
}
