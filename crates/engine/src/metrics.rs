//! Counters and gauges of the engine, each declared once with its sentence.

use std::sync::atomic::Ordering;

use crate::core::Inner;
use crate::entity::QueryState;
use crate::{Metric, positions, show};

/// All samples.
pub(crate) fn collect(inner: &Inner) -> Vec<Metric> {
    let mut metrics = Vec::new();
    let state = inner.state();
    let mut add = |name, help, kind, labels: Vec<(&'static str, String)>, value: f64| {
        metrics.push(Metric { name, help, kind, labels, value });
    };
    add(
        "tripline_streams_and_tables",
        "Streams and tables.",
        "gauge",
        vec![],
        state.catalog.sources().count() as f64,
    );
    add(
        "tripline_push_queries",
        "Push and pull queries in progress.",
        "gauge",
        vec![],
        state.pushes.len() as f64,
    );
    add(
        "tripline_log_read_only",
        "1 after a sync has failed: nothing is taken until a restart.",
        "gauge",
        vec![],
        f64::from(u8::from(inner.log.read_only_cause().is_some())),
    );
    for query in state.queries.values() {
        let labels = || vec![("query", query.id.to_string())];
        let s = query.statistics();
        let running = f64::from(u8::from(query.state() == QueryState::Running));
        add(
            "tripline_query_running",
            "1 while the query reads, 0 when it is paused or failed.",
            "gauge",
            labels(),
            running,
        );
        add(
            "tripline_query_records_consumed_total",
            "Records a query has read.",
            "counter",
            labels(),
            s.consumed as f64,
        );
        let committed =
            query.tasks.iter().map(|t| t.statistics.committed.load(Ordering::Relaxed)).sum::<u64>();
        add(
            "tripline_query_records_committed_total",
            "Records a query has read whose results are durable.",
            "counter",
            labels(),
            committed as f64,
        );
        add(
            "tripline_query_records_produced_total",
            "Records a query has written.",
            "counter",
            labels(),
            s.produced as f64,
        );
        add(
            "tripline_query_lag_records",
            "Records that are in a query's topics and whose results are not durable.",
            "gauge",
            labels(),
            positions::lag_of(inner, query) as f64,
        );
        add(
            "tripline_query_errors_total",
            "Records that could not be decoded, computed or written.",
            "counter",
            labels(),
            s.errors as f64,
        );
        add(
            "tripline_query_late_total",
            "Records dropped after their window's grace.",
            "counter",
            labels(),
            s.late as f64,
        );
        add(
            "tripline_query_state_bytes",
            "Memory of a query's state.",
            "gauge",
            labels(),
            s.state_bytes as f64,
        );
    }
    for topic in inner.log.topics() {
        if show::is_internal(&topic.name) {
            continue;
        }
        for p in 0..topic.partitions {
            let Ok(partition) = inner.log.partition(&topic.name, p) else { continue };
            let labels = || vec![("topic", topic.name.clone()), ("partition", p.to_string())];
            let offsets = partition.offsets();
            add(
                "tripline_topic_end_offset",
                "The offset after a partition's last record.",
                "gauge",
                labels(),
                offsets.next as f64,
            );
            add(
                "tripline_topic_start_offset",
                "A partition's first offset.",
                "gauge",
                labels(),
                offsets.log_start as f64,
            );
            add(
                "tripline_topic_damaged_places",
                "Places of a partition whose bytes are damaged, met since the start.",
                "gauge",
                labels(),
                partition.damaged_places() as f64,
            );
            add(
                "tripline_topic_bytes",
                "Bytes of a partition on disk.",
                "gauge",
                labels(),
                partition.size() as f64,
            );
        }
    }
    metrics
}
