//! The same work as a plain loop: `serde_json` to a tree, test, build the result, write it. No log, no state kept safe.

use std::collections::HashMap;
use std::hint::black_box;

use anyhow::Result;
use serde_json::{Map, Value};

use super::load::Lines;
use super::process::own_seconds;

/// What the loop does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// Filters and writes 17 columns.
    Inbound,
    /// Counts by source and window and writes each new count.
    Count,
    /// Filters nested events and writes three columns.
    SocPrime,
}

const COLUMNS: [&str; 17] = [
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "proto",
    "service",
    "conn_state",
    "local_orig",
    "local_resp",
    "missed_bytes",
    "history",
    "orig_packets",
    "orig_ip_bytes",
    "resp_pkts",
    "resp_ip_bytes",
];

/// Returns records per CPU second.
pub(crate) fn measure(work: Work, lines: Lines, records: u64) -> Result<f64> {
    let mut all: Vec<(i64, Vec<u8>)> = Vec::new();
    lines.for_each(records, |time, line| {
        all.push((time, line.to_vec()));
        Ok(())
    })?;
    let mut counts = HashMap::new();
    let start = own_seconds();
    for (time, line) in &all {
        let value: Value = serde_json::from_slice(line)?;
        let row = match work {
            Work::Inbound => inbound(&value),
            Work::Count => Some(count(&value, *time, &mut counts)),
            Work::SocPrime => soc_prime(&value),
        };
        if let Some(row) = row {
            black_box(serde_json::to_vec(&row)?);
        }
    }
    Ok(all.len() as f64 / (own_seconds() - start))
}

fn inbound(value: &Value) -> Option<Value> {
    let is_inbound = value.get("local_orig") != Some(&Value::Bool(true))
        && value.get("id.resp_h")?.as_str()?.starts_with("192.168.1");
    is_inbound.then(|| {
        let columns = COLUMNS.iter();
        let row: Map<String, Value> =
            columns.map(|c| (c.to_uppercase(), value.get(*c).cloned().unwrap_or_default())).collect();
        Value::Object(row)
    })
}

fn count(value: &Value, time: i64, counts: &mut HashMap<(String, i64), u64>) -> Value {
    let source = value["id.orig_h"].as_str().unwrap_or_default().to_owned();
    let count = counts.entry((source.clone(), time - time % 300_000)).or_default();
    *count += 1;
    serde_json::json!({ "id.orig_h": source, "N": *count })
}

fn soc_prime(value: &Value) -> Option<Value> {
    let event = &value["winlog"]["event_data"];
    let command = event["CommandLine"].as_str()?;
    let parent = event["ParentProcessName"].as_str().unwrap_or_default();
    let has = |text: &str| command.contains(text);
    let matches = ((has("AntiSpywareProduct") || has("AntiVirusProduct") || has("FirewallProduct"))
        && !(parent.ends_with("phpstorm64.exe") || parent.ends_with("pycharm64.exe"))
        && has("displayName")
        && has("productState"))
        || (has("Win32_Process")
            && has("AvastUI.exe")
            && has("AvastSvc.exe")
            && has("FortiWF.exe")
            && has("xagt.exe")
            && has("fcappdb.exe"));
    matches.then(|| {
        serde_json::json!({
            "HOST": value["host"]["hostname"], "COMMANDLINE": command, "PARENTIMAGE": parent
        })
    })
}
