//! `/api/v1/topics`: creating, describing, changing and deleting topics.

use std::collections::BTreeMap;

use engine::Session;
use hyper::StatusCode;
use serde::Deserialize;

use crate::body::{JSON, Reply, ok_json, respond};
use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::json;

/// Settings by Kafka's names; numbers and booleans may stand without quotes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTopic {
    name: String,
    #[serde(default)]
    partitions: Option<u32>,
    #[serde(default)]
    settings: BTreeMap<String, serde_json::Value>,
}

/// `POST /api/v1/topics`: `{"name", "partitions"?, "settings"?}`.
pub async fn create(call: Call) -> Answer {
    let state = call.state.clone();
    let NewTopic { name, partitions, settings } = call.json().await?;
    let settings: Vec<(String, String)> =
        settings.into_iter().map(|(name, value)| (name, value_text(value))).collect();
    let created = name.clone();
    state.call(move |backend| backend.create_topic(&name, partitions, &settings)).await??;
    Ok(respond(StatusCode::CREATED, JSON, Reply::whole(json::object(|o| o.text("name", &created)))))
}

fn value_text(value: serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Settings to change; `null` is back to the default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    settings: BTreeMap<String, Option<serde_json::Value>>,
}

/// `PATCH /api/v1/topics/:name`: `{"settings"}`.
pub async fn alter(call: Call) -> Answer {
    let (state, name) = (call.state.clone(), call.params.first().cloned().ok_or_else(ApiError::internal)?);
    let Changes { settings } = call.json().await?;
    let changes: Vec<(String, Option<String>)> =
        settings.into_iter().map(|(name, value)| (name, value.map(value_text))).collect();
    state.call(move |backend| backend.alter_topic(&name, &changes)).await?.map_err(ApiError::of_topic)?;
    Ok(ok_json(b"{}".to_vec()))
}

/// `GET /api/v1/topics/:name`.
pub async fn describe(call: Call) -> Answer {
    let name = call.params.first().cloned().ok_or_else(ApiError::internal)?;
    let topic =
        call.state.call(move |backend| backend.describe_topic(&name)).await?.map_err(ApiError::of_topic)?;
    Ok(ok_json(json::object(|o| {
        o.text("name", &topic.name);
        o.objects("partitions", &topic.partitions, |o, (partition, start, end, bytes)| {
            o.plain("partition", partition);
            o.plain("startOffset", start);
            o.plain("endOffset", end);
            o.plain("bytes", bytes);
        });
        o.object("settings", |o| {
            for (name, value) in &topic.settings {
                o.text(name, value);
            }
        });
    })))
}

/// Bytes of a batch that are not its record's key and value.
const BATCH_OVERHEAD_BYTES: usize = 128;

/// `GET /api/v1/topics/:name/limits`: how large a record may be, also of a topic that is not there yet.
pub async fn limits(call: Call) -> Answer {
    let name = call.params.first().cloned().ok_or_else(ApiError::internal)?;
    let over_http = call.state.config.limits.line_bytes_max;
    let of_topic = call
        .state
        .call(move |backend| {
            let is_named = |setting: &&(String, String)| setting.0 == "max.message.bytes";
            let own = backend.describe_topic(&name).ok().and_then(|topic| {
                topic.settings.iter().find(is_named).and_then(|(_, value)| value.parse::<usize>().ok())
            });
            let properties = || backend.properties(&Session::default());
            own.or_else(|| properties().iter().find(|p| p.name == "message.max.bytes")?.value.parse().ok())
        })
        .await?;
    let of_topic = of_topic.unwrap_or(usize::MAX).saturating_sub(BATCH_OVERHEAD_BYTES);
    Ok(ok_json(json::object(|o| o.plain("recordBytesMax", over_http.min(of_topic)))))
}

/// `DELETE /api/v1/topics/:name`.
pub async fn delete(call: Call) -> Answer {
    let name = call.params.first().cloned().ok_or_else(ApiError::internal)?;
    call.state.call(move |backend| backend.delete_topic(&name)).await?.map_err(ApiError::of_topic)?;
    Ok(ok_json(b"{}".to_vec()))
}
