//! `GET /api/v1/names`: streams, tables, columns and topics, for completion in the shell.

use crate::body::ok_json;
use crate::call::{Answer, Call};
use crate::json;

/// `GET /api/v1/names`.
pub async fn get(call: Call) -> Answer {
    let names = call.state.call(|backend| backend.names()).await?;
    Ok(ok_json(json::object(|o| o.texts("names", &names))))
}
