//! Keeping all workers from reading for a moment, so that queries which begin together are at the same place.
//!
//! A join takes the row with the lowest time first of those that are there. If one of two queries that feed it began a
//! moment before the other, its rows would be there alone, and joined with nothing.

use std::sync::Arc;

use crate::core::Inner;
use crate::worker::Command;

/// No worker reads as long as this lives; whatever else is asked of them they do.
pub(crate) struct Hold(Arc<Inner>);

impl Hold {
    /// Holds all workers from their next round on: before whatever they are asked after this.
    pub fn new(inner: &Arc<Inner>) -> Hold {
        for worker in 0..inner.workers.len() {
            // One that has ended reads nothing.
            let _ = inner.send(worker, Command::Hold);
        }
        Hold(inner.clone())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        for worker in 0..self.0.workers.len() {
            let _ = self.0.send(worker, Command::GoOn);
        }
    }
}

/// Starts of queries that take long, planted by tests.
#[cfg(test)]
pub(crate) mod slow {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::time::Duration;

    /// Long enough for another query to read, compute and commit.
    const PAUSE: Duration = Duration::from_millis(500);

    static PLANTED: Mutex<Vec<(String, SyncSender<()>)>> = Mutex::new(Vec::new());

    /// Has the next start of a query take long; of all engines. What is returned tells when it has begun.
    pub(crate) fn plant(query_id: &str) -> Receiver<()> {
        let (sender, receiver) = sync_channel(1);
        PLANTED.lock().unwrap().push((query_id.to_owned(), sender));
        receiver
    }

    /// Takes long, once, if that is planted.
    pub(crate) fn pass(query_id: &str) {
        let mut planted = PLANTED.lock().unwrap();
        let Some(at) = planted.iter().position(|(id, _)| id == query_id) else { return };
        let (_, begun) = planted.remove(at);
        drop(planted);
        let _ = begun.send(());
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::Engine;
    use crate::opened::{SINGLE, open, open_with, run};
    use crate::resume::resume_stalled;

    const PATIENCE: Duration = Duration::from_secs(20);
    const ROWS: usize = 100;

    /// A join, the query that gives its stream, and the one that gives its table: by name `{name}_z` is the last.
    fn sql(name: &str) -> [String; 4] {
        [
            "CREATE STREAM s (k STRING KEY, kind INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
             CREATE TABLE creates (k STRING PRIMARY KEY, kind INT) WITH (KAFKA_TOPIC='CREATES', VALUE_FORMAT='JSON', PARTITIONS=1);"
                .to_owned(),
            format!("CREATE STREAM {name}_a WITH (KAFKA_TOPIC='CONNECTS') AS SELECT * FROM s WHERE kind = 3;"),
            format!(
                "CREATE STREAM {name}_joined WITH (KAFKA_TOPIC='JOINED') AS
                   SELECT a.k, c.kind FROM {name}_a a INNER JOIN creates c ON a.k = c.k;"
            ),
            format!("CREATE STREAM {name}_z WITH (KAFKA_TOPIC='CREATES') AS SELECT * FROM s WHERE kind = 1;"),
        ]
    }

    fn opened(dir: &Path, name: &str) -> Engine {
        let engine = open(dir);
        run(&engine, &sql(name).concat());
        engine
    }

    /// The id of the query that gives the table.
    fn table(engine: &Engine) -> String {
        let state = engine.inner.state();
        state.queries.keys().find(|id| id.contains("_Z_")).unwrap().to_string()
    }

    /// Each key is created and connects a moment later.
    fn feed(engine: &Engine) {
        let records: Vec<_> = (0..ROWS)
            .flat_map(|n| [(n, 1), (n, 3)])
            .map(|(n, kind)| {
                let (key, value) = (format!("k{n}"), format!("{{\"kind\":{kind}}}"));
                (Some(1000 + n as i64 * 10 + kind), Some(key.into_bytes()), Some(value.into_bytes()))
            })
            .collect();
        engine.produce("s", None, &records).unwrap();
    }

    fn joined(engine: &Engine) -> usize {
        assert!(engine.wait_until_still(PATIENCE).unwrap());
        engine.records("JOINED", &[]).unwrap().len()
    }

    /// Returns the id of the query that gives the table.
    fn close_with_records_waiting(engine: Engine) -> String {
        let table = table(&engine);
        let _hold = Hold::new(&engine.inner);
        feed(&engine);
        engine.close();
        table
    }

    #[test]
    fn queries_that_are_brought_back_begin_together() {
        let dir = tempfile::tempdir().unwrap();
        let engine = opened(dir.path(), "back");
        let table = close_with_records_waiting(engine);
        let begun = slow::plant(&table);
        let engine = open(dir.path());
        begun.try_recv().unwrap();
        assert_eq!(joined(&engine), ROWS);
        engine.close();
    }

    #[test]
    fn queries_of_a_file_begin_together() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("queries.sql");
        let text = format!("SET 'auto.offset.reset'='earliest';{}", sql("file").concat());
        std::fs::write(&file, text).unwrap();
        let settings = [SINGLE[0], SINGLE[1], ("ksql.queries.file", file.to_str().unwrap())];
        let table = close_with_records_waiting(open_with(dir.path(), &settings));
        let begun = slow::plant(&table);
        let engine = open_with(dir.path(), &settings);
        begun.try_recv().unwrap();
        assert_eq!(joined(&engine), ROWS);
        engine.close();
    }

    #[test]
    fn queries_that_begin_again_begin_together() {
        let dir = tempfile::tempdir().unwrap();
        let engine = opened(dir.path(), "again");
        let hold = Hold::new(&engine.inner);
        feed(&engine);
        let ids: Vec<_> = engine.inner.state().queries.keys().cloned().collect();
        ids.iter().for_each(|id| engine.inner.stalled.begin_again(id));
        let begun = slow::plant(&table(&engine));
        std::thread::scope(|scope| {
            scope.spawn(|| resume_stalled(&engine.inner));
            begun.recv_timeout(PATIENCE).unwrap();
            drop(hold);
        });
        assert_eq!(joined(&engine), ROWS);
        engine.close();
    }
}
