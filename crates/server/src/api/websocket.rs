//! `GET /ws/query`: not there yet, and it says so.

use hyper::StatusCode;

use crate::call::{Answer, Call};
use crate::error::ApiError;

/// `GET /ws/query`.
pub async fn get(_call: Call) -> Answer {
    let missing = "queries over WebSocket are not supported yet";
    Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, 0, "not_supported", missing)
        .hint("send the query to \"/query-stream\""))
}
