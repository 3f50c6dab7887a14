//! How long a task goes on without a source that has no records: `max.task.idle.ms`, as in Kafka Streams (KIP-695).
//!
//! The time runs from when a source was found empty, and again when it had something meanwhile. Kafka counts partitions of
//! a task; as tasks here may have many partitions of one source, a source counts as empty when all of them are.

use std::time::{Duration, Instant};

/// What a task knows of its sources.
pub(crate) struct Patience {
    max: Duration,
    /// By source, since when it is empty.
    empty_since: Vec<Option<Instant>>,
}

impl Patience {
    /// `max`: how long to wait, zero for not at all. `sources`: the source of each input.
    pub fn new(max: Duration, sources: &[usize]) -> Patience {
        let count = sources.iter().max().map_or(0, |last| last + 1);
        Patience { max, empty_since: vec![None; count] }
    }

    /// The same for other inputs.
    pub fn renewed(&self) -> Patience {
        Patience { max: self.max, empty_since: vec![None; self.empty_since.len()] }
    }

    /// Whether the task may go on: each source has a record, or it has had none for long enough. `inputs` says of each
    /// input whose it is and whether it has a record, or will never have one again.
    pub fn is_over(&mut self, inputs: impl Iterator<Item = (usize, bool)> + Clone) -> bool {
        self.max.is_zero() || self.is_over_at(inputs, Instant::now())
    }

    fn is_over_at(&mut self, inputs: impl Iterator<Item = (usize, bool)> + Clone, now: Instant) -> bool {
        for (source, since) in self.empty_since.iter_mut().enumerate() {
            let mut own = inputs.clone().filter(|(of, _)| *of == source).map(|(_, has_record)| has_record);
            match own.clone().next().is_none() || own.any(|has_record| has_record) {
                true => *since = None,
                false => _ = since.get_or_insert(now),
            }
        }
        self.left(now).is_none()
    }

    /// How long the task still waits, as far as is known; `None` when it does not.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        let waits = |since: &Instant| self.max.checked_sub(now.saturating_duration_since(*since));
        self.empty_since.iter().flatten().filter_map(waits).filter(|left| !left.is_zero()).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;
    use crate::opened::{open, run};

    const MAX: Duration = Duration::from_secs(5);

    #[test]
    fn waits_for_each_source_that_is_empty() {
        // Two partitions of the first source, one of the second.
        let sources = [0, 0, 1];
        let mut patience = Patience::new(MAX, &sources);
        let mut is_over = |has: [bool; 3], at| {
            let over = patience.is_over_at(sources.into_iter().zip(has), at);
            assert_eq!(over, patience.left(at).is_none());
            over
        };
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert!(is_over([true, false, true], at(0)));
        assert!(!is_over([true, true, false], at(1000)));
        assert!(!is_over([true, true, false], at(5999)));
        assert!(is_over([true, true, false], at(6000)));
        assert!(is_over([false, true, false], at(9000)));
        // It had something: the time begins anew.
        assert!(is_over([true, true, true], at(9001)));
        assert!(!is_over([true, true, false], at(9002)));
        assert!(!is_over([false, false, true], at(9003)));
        assert!(is_over([false, false, true], at(20_000)));
        assert!(Patience::new(Duration::ZERO, &sources).is_over([(0, true), (1, false)].into_iter()));
    }

    fn opened(dir: &std::path::Path, idle_ms: u64) -> Engine {
        let engine = open(dir);
        run(
            &engine,
            &format!(
                "SET 'max.task.idle.ms'='{idle_ms}';
                 CREATE STREAM n (k STRING KEY, v INT) WITH (KAFKA_TOPIC='n', VALUE_FORMAT='JSON');
                 CREATE TABLE p (k STRING PRIMARY KEY, v INT) WITH (KAFKA_TOPIC='p', VALUE_FORMAT='JSON');
                 CREATE STREAM joined WITH (KAFKA_TOPIC='JOINED') AS SELECT n.k, p.v FROM n LEFT JOIN p ON n.k = p.k;"
            ),
        );
        engine
    }

    fn feed(engine: &Engine, topic: &str, time: i64) {
        let record = (Some(time), Some(b"k".to_vec()), Some(b"{\"v\":7}".to_vec()));
        engine.produce(topic, None, &[record]).unwrap();
    }

    fn rows(engine: &Engine) -> Vec<String> {
        let rows = engine.records("JOINED", &[]).unwrap();
        rows.into_iter().map(|row| String::from_utf8(row.value.unwrap()).unwrap()).collect()
    }

    #[test]
    fn join_waits_for_the_side_without_records() {
        let dir = tempfile::tempdir().unwrap();
        let engine = opened(dir.path(), 3_600_000);
        feed(&engine, "n", 2000);
        assert!(!engine.wait_until_still(Duration::from_millis(300)).unwrap());
        assert_eq!(rows(&engine).len(), 0);
        // What comes late is still in time; then it is the stream's turn, and the table has nothing again.
        feed(&engine, "p", 1000);
        feed(&engine, "p", 3000);
        let deadline = Instant::now() + Duration::from_secs(20);
        while rows(&engine).is_empty() {
            assert!(Instant::now() < deadline);
        }
        assert_eq!(rows(&engine), ["{\"P_V\":7}"]);
        engine.close();
    }

    #[test]
    fn join_goes_on_without_it_in_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let engine = opened(dir.path(), 50);
        feed(&engine, "n", 2000);
        assert!(engine.wait_until_still(Duration::from_secs(20)).unwrap());
        assert_eq!(rows(&engine), ["{\"P_V\":null}"]);
        engine.close();
    }
}
