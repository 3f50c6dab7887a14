//! How far queries have read: the positions of their consumer groups.

use commitlog::OffsetCommit;
use plan::step::QueryPlan;
use sql::SourceKind;

use crate::core::{Inner, Query, now_ms};
use crate::ddl::{Starts, group};
use crate::entity::QueryState;
use crate::error::Result;
use crate::query::log_error;

/// Records that running queries have still to read.
pub(crate) fn lag(inner: &Inner) -> u64 {
    let state = inner.state();
    let running = state.queries.values().filter(|q| q.state() == QueryState::Running);
    running.map(|query| lag_of(inner, query)).sum()
}

/// Records (and markers of transactions) behind a query's committed positions.
pub(crate) fn lag_of(inner: &Inner, query: &Query) -> u64 {
    let group = group(inner, &query.id);
    let behind = |topic: &str, partition: u32| {
        let offsets = inner.log.offsets(topic, partition).ok()?;
        let committed = inner.log.committed_offset(&group, topic, partition);
        u64::try_from(offsets.next - committed.map_or(offsets.log_start, |c| c.offset)).ok()
    };
    let of_topic = |topic: &str| {
        let count = inner.log.describe_topic(topic).map_or(0, |t| t.partitions);
        (0..count).filter_map(|p| behind(topic, p)).sum::<u64>()
    };
    query.plan.root.sources().into_iter().map(|source| of_topic(&source.topic)).sum()
}

/// Gives a query the committed positions of another one that has stopped, where it has none; durable when it returns.
/// A position of its own is later: what the other one did not forget comes by here again at every start.
pub(crate) fn hand_over(inner: &Inner, from: &str, to: &str) -> Result<()> {
    let to = group(inner, to);
    let offsets: Vec<OffsetCommit> = inner
        .log
        .committed_offsets(&group(inner, from))
        .into_iter()
        .filter(|(topic, partition, _)| inner.log.committed_offset(&to, topic, *partition).is_none())
        .map(|(topic, partition, committed)| OffsetCommit {
            topic,
            partition,
            offset: committed.offset,
            leader_epoch: committed.leader_epoch,
            metadata: committed.metadata,
        })
        .collect();
    if offsets.is_empty() {
        return Ok(());
    }
    inner.log.commit_offsets(&to, &offsets, now_ms()).and_then(|ticket| ticket.wait()).map_err(log_error)
}

/// Commits where a query begins as its position, where it has none: without a command log nothing else keeps it, and
/// a server killed before the first commit would begin later the next time.
pub(crate) fn keep_starts(inner: &Inner, query_id: &str, starts: &Starts) -> Result<()> {
    let group = group(inner, query_id);
    let offsets: Vec<OffsetCommit> = starts
        .iter()
        .filter(|((topic, p), _)| inner.log.committed_offset(&group, topic, *p).is_none())
        .map(|((topic, p), offset)| OffsetCommit {
            topic: topic.clone(),
            partition: *p,
            offset: *offset,
            leader_epoch: -1,
            metadata: Default::default(),
        })
        .collect();
    if offsets.is_empty() {
        return Ok(());
    }
    inner.log.commit_offsets(&group, &offsets, now_ms()).and_then(|ticket| ticket.wait()).map_err(log_error)
}

/// Where the sources of a plan end now.
pub(crate) fn latest(inner: &Inner, plan: &QueryPlan) -> Result<Starts> {
    let mut starts = Starts::new();
    for source in plan.root.sources() {
        // A table is always read whole: its rows are its present.
        if source.kind == SourceKind::Table {
            continue;
        }
        let count = inner.log.describe_topic(&source.topic).map_err(log_error)?.partitions;
        for p in 0..count {
            let partition = inner.log.partition(&source.topic, p).map_err(log_error)?;
            starts.insert((source.topic.to_string(), p), partition.offsets().next);
        }
    }
    Ok(starts)
}
