//! `GET /healthcheck`, and the container checks `/chc/ready` and `/chc/live`.

use hyper::StatusCode;

use crate::body::{JSON, Reply, ok_json, respond};
use crate::call::{Answer, Call};
use crate::json;

/// `GET /healthcheck`: always 200, the answer says whether all is well, as in ksqlDB.
pub async fn healthcheck(call: Call) -> Answer {
    let parts = call.state.call(|backend| backend.health()).await?;
    Ok(ok_json(json::object(|o| {
        o.plain("isHealthy", parts.iter().all(|(_, is_healthy, _)| *is_healthy));
        o.object("details", |o| {
            for (name, is_healthy, reason) in &parts {
                o.object(name, |o| {
                    o.plain("isHealthy", is_healthy);
                    if let Some(reason) = reason {
                        o.text("message", reason);
                    }
                });
            }
        });
        o.text("serverState", "READY");
    })))
}

/// `GET /chc/ready`: 503 while something is wrong.
pub async fn ready(call: Call) -> Answer {
    let parts = call.state.call(|backend| backend.health()).await?;
    let is_ready = parts.iter().all(|(_, is_healthy, _)| *is_healthy);
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(respond(status, JSON, Reply::whole(json::object(|o| o.plain("ready", is_ready)))))
}

/// `GET /chc/live`: answered by whoever can answer.
pub async fn live(_call: Call) -> Answer {
    Ok(ok_json(json::object(|o| o.plain("live", true))))
}
