//! `GET /api/v1/topics/:name/records?partition&offset&limit`: records that are there now, as lines of JSON.

use base64::{Engine, engine::general_purpose::STANDARD};
use engine::{Fetch, FetchedRecord};
use hyper::StatusCode;

use crate::body::{Reply, respond};
use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::json::{self, Members};

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

/// Texts as they are; other bytes as `PRINT` shows them, and as Base64.
fn push_record(out: &mut Vec<u8>, record: &FetchedRecord) {
    json::push_object(out, |o| {
        o.plain("partition", record.partition);
        o.plain("offset", record.offset);
        o.plain("timestamp", record.timestamp);
        push_bytes(o, "key", record.key.as_deref());
        push_bytes(o, "value", record.value.as_deref());
        if !record.headers.is_empty() {
            o.objects("headers", &record.headers, |o, (name, value)| {
                o.text("name", name);
                push_bytes(o, "value", value.as_deref());
            });
        }
    });
    out.push(b'\n');
}

fn push_bytes(o: &mut Members<'_>, name: &str, bytes: Option<&[u8]>) {
    let text = bytes.map(engine::printed_text);
    o.text_or_null(name, text.as_deref());
    if let Some(bytes) = bytes.filter(|bytes| text.as_deref().is_none_or(|text| text.as_bytes() != *bytes)) {
        o.text(&format!("{name}Base64"), &STANDARD.encode(bytes));
    }
}
