//! `GET /is_valid_property/:name[?value=…]` and `GET /api/v1/properties`: settings.

use engine::{Entity, Session};

use crate::body::ok_json;
use crate::call::{Answer, Call};
use crate::entity_json;
use crate::error::ApiError;

/// `GET /is_valid_property/:name`: `true`, or 400 with what is wrong. Unlike ksqlDB, a value can be checked too.
pub async fn is_valid(call: Call) -> Answer {
    let name = call.params.first().cloned().ok_or_else(ApiError::internal)?;
    let value = call.query("value");
    call.state.call(move |backend| backend.check_session_property(&name, value.as_deref())).await??;
    Ok(ok_json(b"true".to_vec()))
}

/// `GET /api/v1/properties`: all settings in force, with their origin.
pub async fn list(call: Call) -> Answer {
    let properties = call.state.call(|backend| backend.properties(&Session::default())).await?;
    Ok(ok_json(entity_json::entity(&Entity::Properties(properties), "SHOW PROPERTIES;")))
}
