//! `GET /v1/metadata` and `/v1/metadata/id`: the ids of server and cluster.

use crate::api::info::{CLUSTER_ID, VERSION};
use crate::body::ok_json;
use crate::call::{Answer, Call};
use crate::json::{self, Members};

/// `GET /v1/metadata`.
pub async fn get(call: Call) -> Answer {
    let service_id = call.state.call(|backend| backend.service_id()).await?;
    Ok(ok_json(json::object(|o| {
        o.text("version", VERSION);
        o.object("clusterId", |o| cluster_id(o, &service_id));
    })))
}

/// `GET /v1/metadata/id`.
pub async fn id(call: Call) -> Answer {
    let service_id = call.state.call(|backend| backend.service_id()).await?;
    Ok(ok_json(json::object(|o| cluster_id(o, &service_id))))
}

fn cluster_id(o: &mut Members<'_>, service_id: &str) {
    o.object("scope", |o| {
        o.texts("path", None::<&str>);
        o.object("clusters", |o| {
            o.text("kafka-cluster", CLUSTER_ID);
            o.text("ksql-cluster", service_id);
        });
    });
    o.text("id", "");
}
