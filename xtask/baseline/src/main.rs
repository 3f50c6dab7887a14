//! The work of the bench's cases as a plain loop: `serde_json` to a tree, test, build the result, write it. No log, no
//! state kept safe, one thread.
//!
//! `baseline WORK FILE`: a line of FILE is a record's time, a tab and its JSON. Prints records per CPU second.

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;

use serde_json::{Map, Value};

/// Runs over the lines; the best one counts.
const RUNS: usize = 3;

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

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(work), Some(file)) = (args.next(), args.next()) else {
        return Err("usage: baseline inbound|count|soc-prime FILE".into());
    };
    let text = std::fs::read_to_string(file)?;
    let mut lines: Vec<(i64, &[u8])> = vec![];
    for line in text.lines() {
        let (time, json) = line.split_once('\t').ok_or("a line without tab")?;
        lines.push((time.parse()?, json.as_bytes()));
    }
    let mut best = 0.0f64;
    for _ in 0..RUNS {
        let mut counts = HashMap::new();
        let start = own_seconds()?;
        for &(time, line) in &lines {
            let value: Value = serde_json::from_slice(line)?;
            let row = match &*work {
                "inbound" => inbound(&value),
                "count" => Some(count(&value, time, &mut counts)),
                "soc-prime" => soc_prime(&value),
                other => return Err(format!("unknown work \"{other}\"").into()),
            };
            if let Some(row) = row {
                black_box(serde_json::to_vec(&row)?);
            }
        }
        best = best.max(lines.len() as f64 / (own_seconds()? - start));
    }
    println!("{best}");
    Ok(())
}

/// CPU seconds of this thread.
fn own_seconds() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let ns: f64 = text.split_whitespace().next().ok_or("no CPU time")?.parse()?;
    Ok(ns / 1e9)
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
