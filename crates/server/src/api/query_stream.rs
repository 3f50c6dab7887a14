//! `POST /query-stream`: one SELECT or PRINT, over HTTP/2 or HTTP/1.1.
//!
//! `Accept` chooses the layout: lines unless `application/json` (an array) or ksqlDB's media type is asked for.

use crate::api::query;
use crate::body::{DELIMITED, JSON, KSQL_JSON};
use crate::call::{Answer, Call};
use crate::row_stream::Layout;

/// `POST /query-stream`.
pub async fn post(call: Call) -> Answer {
    let (layout, content_type) = if call.accepts(DELIMITED) {
        (Layout::Delimited, DELIMITED)
    } else if call.accepts(KSQL_JSON) {
        (Layout::Array, KSQL_JSON)
    } else if call.accepts(JSON) {
        (Layout::PlainArray, JSON)
    } else {
        (Layout::Delimited, DELIMITED)
    };
    query::start(call, layout, content_type).await
}
