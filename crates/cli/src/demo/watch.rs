//! Push queries on what the demonstration's SQL finds.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::http::{Client, Endpoint};
use crate::json_text;

/// A row of a watched query.
pub struct Seen {
    /// The query's name.
    pub name: &'static str,
    /// Its columns.
    pub values: Vec<Value>,
}

/// Names and queries; the columns are what [`super::Findings`] reads.
pub const WATCHED: [(&str, &str); 8] = [
    ("inbound", "SELECT `id.orig_h`, `id.resp_h`, `id.resp_p` FROM inbound_stream EMIT CHANGES;"),
    ("untrusted", "SELECT src_ip, dest_ip, subject FROM untrusted_certificates EMIT CHANGES;"),
    ("new certificate", "SELECT subject, src_ip, dest_ip, age_days FROM new_ssl_stream EMIT CHANGES;"),
    ("dns", "SELECT domain, lookups FROM dns_per_minute EMIT CHANGES;"),
    (
        "join",
        "SELECT process_guid, dst_ip_addr, process_path, parent_process_path FROM sysmon_join EMIT CHANGES;",
    ),
    (
        "shell",
        "SELECT process_guid, host_name, user_account, process_command_line FROM windows_alerts EMIT CHANGES;",
    ),
    ("beacon", "SELECT process_guid, dst_ip_addr, calls FROM beacons EMIT CHANGES;"),
    ("child", "SELECT parent_process_guid, process_command_line FROM children_of_shells EMIT CHANGES;"),
];

/// Runs one query until nobody listens.
pub async fn watch(
    endpoint: Endpoint,
    name: &'static str,
    sql: &'static str,
    seen: mpsc::Sender<Seen>,
) -> Result<()> {
    let body = json!({"sql": sql, "properties": {"auto.offset.reset": "earliest"}});
    let mut client = Client::new(endpoint);
    let answer = client.post_json("/query-stream", &body).await?.checked().await;
    let mut answer = answer.with_context(|| format!("query {name:?}"))?;
    while let Some(line) = answer.next_line().await? {
        let values = match json_text::read(&line) {
            Some(Value::Array(values)) => values,
            Some(other) if other["error_code"].is_u64() => {
                anyhow::bail!("query {name:?}: {}", other["message"].as_str().unwrap_or("failed"))
            }
            _ => continue,
        };
        if seen.send(Seen { name, values }).await.is_err() {
            break;
        }
    }
    Ok(())
}
