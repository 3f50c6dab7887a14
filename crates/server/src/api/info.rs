//! `GET /` and `GET /info`: who this is.

use hyper::header::{HeaderValue, LOCATION};
use hyper::{Response, StatusCode};

use crate::body::{Reply, ok_json};
use crate::call::{Answer, Call};
use crate::json;

/// The version that is told to clients.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The embedded log is not a Kafka cluster: it has this name in place of an id.
pub const CLUSTER_ID: &str = "tripline-embedded";

/// `GET /`.
pub async fn redirect(_call: Call) -> Answer {
    let mut response = Response::new(Reply::whole(""));
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("/info"));
    Ok(response)
}

/// `GET /info`.
pub async fn get(call: Call) -> Answer {
    let service_id = call.state.call(|backend| backend.service_id()).await?;
    Ok(ok_json(json::object(|o| {
        o.object("KsqlServerInfo", |o| {
            o.text("version", VERSION);
            o.text("kafkaClusterId", CLUSTER_ID);
            o.text("ksqlServiceId", &service_id);
            o.text("serverStatus", "RUNNING");
        });
    })))
}
