//! `GET /metrics`: Prometheus' text format 0.0.4.

use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

use engine::Metric;
use hyper::StatusCode;

use crate::body::{Reply, respond};
use crate::call::{Answer, Call};
use crate::state::State;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`.
pub async fn get(call: Call) -> Answer {
    let state = call.state;
    let mut metrics = state.call(|backend| backend.metrics()).await?;
    metrics.extend(own(&state));
    Ok(respond(StatusCode::OK, CONTENT_TYPE, Reply::whole(text(&metrics))))
}

fn own(state: &State) -> Vec<Metric> {
    let gauges = &state.gauges;
    let metric =
        |name, help, kind, value: u64| Metric { name, help, kind, labels: vec![], value: value as f64 };
    let mut metrics = vec![
        metric(
            "tripline_http_connections_open",
            "Open HTTP connections.",
            "gauge",
            gauges.connections_open.load(Relaxed),
        ),
        metric(
            "tripline_http_connections_refused_total",
            "Connections refused because too many were open.",
            "counter",
            gauges.connections_refused.load(Relaxed),
        ),
        metric(
            "tripline_http_received_bytes_total",
            "Bytes received over HTTP.",
            "counter",
            gauges.bytes_received.load(Relaxed),
        ),
        metric(
            "tripline_http_sent_bytes_total",
            "Bytes sent over HTTP.",
            "counter",
            gauges.bytes_sent.load(Relaxed),
        ),
        metric(
            "tripline_http_queries_open",
            "Push queries and PRINTs being read over HTTP.",
            "gauge",
            (state.config.limits.open_queries_max - state.open_queries.available_permits()) as u64,
        ),
    ];
    metrics.extend(gauges.requests().into_iter().map(|(route, status, count)| Metric {
        name: "tripline_http_requests_total",
        help: "HTTP requests answered, by route and status.",
        kind: "counter",
        labels: vec![("route", route.to_owned()), ("status", status.to_string())],
        value: count as f64,
    }));
    metrics
}

/// All samples of a name stand together under one HELP and TYPE.
fn text(metrics: &[Metric]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for metric in metrics {
        if !names.contains(&metric.name) {
            names.push(metric.name);
        }
    }
    let mut out = String::new();
    for name in names {
        let mut samples = metrics.iter().filter(|metric| metric.name == name).peekable();
        if let Some(first) = samples.peek() {
            let help = first.help.replace('\\', "\\\\").replace('\n', "\\n");
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {}", first.kind);
        }
        for sample in samples {
            out.push_str(name);
            push_labels(&mut out, &sample.labels);
            let _ = writeln!(out, " {}", number(sample.value));
        }
    }
    out
}

fn push_labels(out: &mut String, labels: &[(&'static str, String)]) {
    for (i, (name, value)) in labels.iter().enumerate() {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(out, "{}{name}=\"{value}\"", if i == 0 { "{" } else { "," });
    }
    if !labels.is_empty() {
        out.push('}');
    }
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_names_stand_together() {
        let metric = |name, label: &str| Metric {
            name,
            help: "h",
            kind: "gauge",
            labels: vec![("topic", label.to_owned())],
            value: 1.5,
        };
        let found = text(&[metric("a", "x\"\\\n"), metric("b", ""), metric("a", "y")]);
        assert_eq!(
            found,
            "# HELP a h\n# TYPE a gauge\na{topic=\"x\\\"\\\\\\n\"} 1.5\na{topic=\"y\"} 1.5\n\
             # HELP b h\n# TYPE b gauge\nb{topic=\"\"} 1.5\n"
        );
    }
}
