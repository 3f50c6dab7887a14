//! `GET /is_valid_property/:name` and `GET /api/v1/properties`: settings.

use engine::{Entity, Session};

use crate::body::ok_json;
use crate::call::{Answer, Call};
use crate::entity_json;
use crate::error::ApiError;

/// `GET /is_valid_property/:name`: `true`, or 400 with the nearest name.
pub async fn is_valid(call: Call) -> Answer {
    let name = call.params.first().cloned().ok_or_else(ApiError::internal)?;
    call.state
        .call(move |backend| {
            let plain = name.strip_prefix("ksql.streams.").unwrap_or(&name);
            let known = backend.properties(&Session::default());
            // With the value it has now a known name is always right.
            let value = known.iter().find(|known| known.name == name || known.name == plain);
            match value {
                Some(_) => Ok(()),
                None => backend.check_property(&name, ""),
            }
        })
        .await??;
    Ok(ok_json(b"true".to_vec()))
}

/// `GET /api/v1/properties`: all settings in force, with their origin.
pub async fn list(call: Call) -> Answer {
    let properties = call.state.call(|backend| backend.properties(&Session::default())).await?;
    Ok(ok_json(entity_json::entity(&Entity::Properties(properties), "SHOW PROPERTIES;")))
}
