//! `GET /api/v1/topics/:name/records?partition&offset&limit`: records that are there now, as lines of JSON.

use engine::{Fetch, PrintedRecord};
use hyper::StatusCode;

use crate::body::{Reply, respond};
use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::json;

/// Records answered when no limit is given, and at most.
const RECORDS_DEFAULT: usize = 100;
const RECORDS_MAX: usize = 10_000;

/// Bytes of records in an answer; there are no more records after them.
const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;

const NDJSON: &str = "application/x-ndjson";

/// `GET /api/v1/topics/:name/records`.
pub async fn get(call: Call) -> Answer {
    let name = call.params.first().cloned().ok_or_else(ApiError::internal)?;
    let fetch = Fetch {
        partition: call.query_number("partition")?,
        offset: call.query_number("offset")?.unwrap_or(0),
        records_max: call.query_number("limit")?.unwrap_or(RECORDS_DEFAULT).min(RECORDS_MAX),
        bytes_max: RECORD_BYTES_MAX,
    };
    let records = call.state.call(move |backend| backend.fetch(&name, fetch)).await?;
    let mut out = Vec::new();
    records.map_err(ApiError::of_topic)?.iter().for_each(|record| push_record(&mut out, record));
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
