//! `GET /api/v1/topics/:name/records?partition&offset&limit`: records that are there now, as lines of JSON.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine::{PrintedRecord, Session};
use hyper::StatusCode;

use crate::body::{Reply, respond};
use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::json;
use crate::print_stream::ask;

/// Records answered when no limit is given, and at most.
const RECORDS_DEFAULT: usize = 100;
const RECORDS_MAX: usize = 10_000;

/// Bytes of an answer; there are no more records after them.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long to wait for a record that should be there. The last offsets may have none (compacted, or the
/// marker of a transaction).
const QUIET_MAX: Duration = Duration::from_millis(300);
const ASK_INTERVAL: Duration = Duration::from_millis(10);

const NDJSON: &str = "application/x-ndjson";

/// `GET /api/v1/topics/:name/records`.
pub async fn get(call: Call) -> Answer {
    let name = call.params.first().cloned().ok_or_else(ApiError::internal)?;
    let partition: Option<u32> = call.query_number("partition")?;
    let offset: i64 = call.query_number("offset")?.unwrap_or(0);
    let limit = call.query_number("limit")?.unwrap_or(RECORDS_DEFAULT).min(RECORDS_MAX);
    let state = call.state;
    let place = state.query_place()?;
    let (printer, topic) = state
        .call(move |backend| {
            let topic = backend.describe_topic(&name)?;
            let statement = format!("PRINT {} FROM BEGINNING;", sql::quote(&topic.name));
            Ok::<_, engine::EngineError>((backend.print(&statement, &Session::default())?, topic))
        })
        .await?
        .map_err(ApiError::of_topic)?;
    // What is still to come of each partition, up to where it ends now.
    let mut ends: BTreeMap<u32, i64> = topic
        .partitions
        .iter()
        .filter(|(number, start, end, _)| {
            partition.is_none_or(|p| p == *number) && end > start && *end > offset
        })
        .map(|(number, _, end, _)| (*number, *end))
        .collect();
    let mut printer = printer;
    let mut out = Vec::new();
    let mut count = 0;
    let mut last_record = Instant::now();
    while !ends.is_empty()
        && count < limit
        && out.len() < ANSWER_BYTES_MAX
        && last_record.elapsed() < QUIET_MAX
    {
        let Some((back, answer)) = ask(printer, &state).await else { return Err(ApiError::internal()) };
        printer = back;
        let Some(records) = answer? else {
            tokio::time::sleep(ASK_INTERVAL).await;
            continue;
        };
        if records.is_empty() {
            break;
        }
        last_record = Instant::now();
        for record in &records {
            let Some(end) = ends.get(&record.partition).copied() else { continue };
            if record.offset + 1 >= end {
                ends.remove(&record.partition);
            }
            if record.offset >= offset && record.offset < end && count < limit {
                push_record(&mut out, record);
                count += 1;
            }
        }
    }
    drop(place);
    Ok(respond(StatusCode::OK, NDJSON, Reply::whole(out)))
}

fn push_record(out: &mut Vec<u8>, record: &PrintedRecord) {
    json::push_object(out, |o| {
        o.plain("partition", record.partition);
        o.plain("offset", record.offset);
        o.plain("timestamp", record.timestamp);
        o.text_or_null("key", record.key.as_deref());
        o.text_or_null("value", record.value.as_deref());
    });
    out.push(b'\n');
}
