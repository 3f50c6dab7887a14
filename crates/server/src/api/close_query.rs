//! `POST /close-query`: ends a query by its id.

use serde::Deserialize;

use crate::body::ok_json;
use crate::call::{Answer, Call};
use crate::error::ApiError;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    query_id: String,
}

/// `POST /close-query`.
pub async fn post(call: Call) -> Answer {
    let state = call.state.clone();
    let Request { query_id } = call.json().await?;
    let id = query_id.clone();
    match state.call(move |backend| backend.close_query(&id)).await? {
        true => Ok(ok_json(b"{}".to_vec())),
        false => {
            Err(ApiError::bad_request("unknown_query", format!("no query with id \"{query_id}\" is open")))
        }
    }
}
