//! `GET /clusterStatus`, `POST /heartbeat`, `POST /lag`: a cluster of one.

use crate::body::ok_json;
use crate::call::{Answer, Call};
use crate::json;

/// `GET /clusterStatus`: this node, which is alive as it answers.
pub async fn status(call: Call) -> Answer {
    let addresses = &call.state.addresses;
    Ok(ok_json(json::object(|o| {
        o.object("clusterStatus", |o| {
            if let Some(address) = addresses.first() {
                o.object(&address.to_string(), |o| {
                    o.plain("hostAlive", true);
                    o.plain("lastStatusUpdateMs", 0);
                    o.object("activeStandbyPerQuery", |_| {});
                    o.object("hostStoreLags", |o| {
                        o.object("stateStoreLags", |_| {});
                        o.plain("updateTimeMs", 0);
                    });
                });
            }
        });
    })))
}

/// `POST /heartbeat`: heard, and of no consequence on a single node.
pub async fn heartbeat(call: Call) -> Answer {
    call.json::<serde::de::IgnoredAny>().await?;
    Ok(ok_json(json::object(|o| o.plain("ok", true))))
}

/// `POST /lag`: as for heartbeats.
pub async fn lag(call: Call) -> Answer {
    call.json::<serde::de::IgnoredAny>().await?;
    Ok(ok_json(json::object(|o| o.plain("ok", true))))
}
