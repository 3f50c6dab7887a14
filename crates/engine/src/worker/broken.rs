//! A worker that has panicked.
//!
//! Its tasks may be half done, so nothing of them is used any more, and the epoch is voided. Where it is known for which
//! query the thread was at work, that one stops with an error, so that the panic does not come again and again; the
//! others begin anew from their last commit, as after a restart of the server (`resume`), and the worker goes on.
//!
//! Where that is not known, or the epoch cannot be voided, all queries stop. The thread stays, so that whoever asks it
//! something gets an answer, and takes no task again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::panics::Blame;
use super::{Command, TaskSlot, Unit, Worker, output, panics};

/// How long until the epoch is voided again where that failed.
const VOID_AGAIN: Duration = Duration::from_secs(1);

impl Worker {
    /// Gives up what the worker has; returns whether it can go on.
    pub(super) fn comes_back(&mut self, place: &str) -> bool {
        let worker = self.parts.number;
        self.must_void = true;
        let blame = panics::blame();
        let is_void = self.void_guarded();
        let guilty = self.guilty(blame).filter(|_| is_void);
        match &guilty {
            Some(queries) => {
                tracing::error!(worker, place, ?queries, "worker has panicked, all but these begin again");
            }
            None => {
                tracing::error!(worker, place, "worker has panicked, its queries stopped");
                let broken = format!("worker {worker} has panicked at {place}: restart the server");
                let _ = self.parts.broken.set(broken);
            }
        }
        let mut units = std::mem::take(&mut self.units);
        units.append(&mut self.paused);
        units.append(&mut self.stopped);
        for slot in units.iter_mut().flat_map(|unit| &mut unit.tasks).filter(|slot| !slot.has_failed()) {
            match &guilty {
                None => slot.fail(error(place)),
                Some(queries) if queries.contains(&slot.query_id) => slot.fail(error_of_guilty(place)),
                // Its client has had rows that would come again.
                Some(_) if slot.group.is_empty() => slot.fail(error_of_reader(place)),
                Some(_) => {
                    self.parts.stalled.begin_again(&slot.query_id);
                    slot.retire();
                }
            }
        }
        let cleared = panics::guarded(|| {
            drop(units);
            self.snapshot = None;
            self.changelogs.clear();
            self.problems = output::Problems::default();
            self.memory.divide(&mut [], &mut []);
        });
        (self.epoch_start, self.epoch_bytes) = (None, 0);
        if let Err(place) = cleared {
            tracing::error!(worker, place, "worker has panicked again");
        }
        guilty.is_some()
    }

    /// The queries to blame, if they are known.
    fn guilty(&mut self, blame: Blame) -> Option<BTreeSet<Arc<str>>> {
        match blame {
            Blame::Nobody => None,
            Blame::Visit => Some(BTreeSet::new()),
            Blame::Task(id) => self.slot(id).map(|slot| BTreeSet::from([slot.query_id.clone()])),
            Blame::Unit(place) => {
                let tasks = &self.units.get(place)?.tasks;
                Some(tasks.iter().map(|slot| slot.query_id.clone()).collect())
            }
        }
    }

    /// Answers until the engine ends.
    pub(super) fn answer(mut self, place: &str) {
        loop {
            let command = match self.parts.commands.recv_timeout(VOID_AGAIN) {
                Ok(command) => command,
                Err(RecvTimeoutError::Timeout) => {
                    self.void_guarded();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            match command {
                Command::Stop | Command::Abandon => return,
                Command::Add(mut unit) | Command::AddPaused(mut unit) => stop(&mut unit, place),
                Command::Remove(_, done) => {
                    let _ = done.send(());
                }
                Command::IsStill(answer) => {
                    let _ = answer.send(true);
                }
                Command::Void(answer) => {
                    let _ = answer.send(self.void_guarded());
                }
                Command::Pause(..) | Command::Visit(..) | Command::Hold | Command::GoOn => {}
            }
        }
    }

    /// Voids the epoch, if the log can still do that; returns whether nothing is left of it.
    fn void_guarded(&mut self) -> bool {
        match panics::guarded(|| self.void()) {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(worker = self.parts.number, %error, "epoch of a panic must wait to be voided");
                false
            }
            Err(place) => {
                tracing::warn!(worker = self.parts.number, place, "epoch of a panic cannot be voided");
                false
            }
        }
    }
}

fn stop(unit: &mut Unit, place: &str) {
    unit.tasks.iter_mut().for_each(|slot| slot.fail(error(place)));
}

fn error_of_guilty(place: &str) -> String {
    format!("the query has panicked at {place}, by a fault of the program: it stays stopped until a restart")
}

fn error_of_reader(place: &str) -> String {
    format!(
        "the query's worker thread has panicked at {place}, by a fault of the program: give the query again"
    )
}

fn error(place: &str) -> String {
    format!(
        "the query's worker thread has panicked at {place}, by a fault of the program: restart the server"
    )
}

impl Drop for TaskSlot {
    /// Some tasks are in no list when their worker panics: they move from one to the other.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.fail(error(&panics::place()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::panics::planted::{self, Moment};
    use crate::entity::QueryState::{self, Error, Paused, Running};
    use crate::opened::{earliest, execute, open, run};
    use crate::worker::Command;
    use crate::{Engine, RowEvent};

    /// Queries that share a unit, one that does not, and a paused one; their names begin with that of the test.
    fn opened(dir: &std::path::Path, name: &str) -> Engine {
        let engine = open(dir);
        run(
            &engine,
            &format!(
                "CREATE STREAM s (k STRING KEY, v STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
                 CREATE STREAM {name}_rows WITH (KAFKA_TOPIC='ROWS') AS SELECT k, v FROM s;
                 CREATE TABLE {name}_n WITH (KAFKA_TOPIC='N') AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;
                 CREATE STREAM {name}_beside WITH (KAFKA_TOPIC='BESIDE') AS SELECT k FROM s;
                 CREATE STREAM {name}_paused WITH (KAFKA_TOPIC='PAUSED') AS SELECT k FROM s;
                 PAUSE CSAS_{name}_PAUSED_4;"
            ),
        );
        engine
    }

    fn produce(engine: &Engine) {
        let record = (Some(1), Some(b"k".to_vec()), Some(br#"{"v":"s3cret"}"#.to_vec()));
        engine.produce("s", None, &[record]).unwrap();
    }

    fn unhealthy(engine: &Engine) -> Vec<(&'static str, String)> {
        let parts = engine.health().into_iter().filter(|(_, is_healthy, _)| !is_healthy);
        parts.map(|(part, _, why)| (part, why.unwrap_or_default())).collect()
    }

    fn wait_for(is_there: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !is_there() {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
    }

    fn counts(engine: &Engine) -> Vec<usize> {
        assert!(engine.wait_until_still(Duration::from_secs(20)).unwrap());
        ["ROWS", "N", "BESIDE", "PAUSED"].map(|topic| engine.records(topic, &[]).unwrap().len()).to_vec()
    }

    /// The states of the queries in the order of their numbers.
    fn states(engine: &Engine) -> Vec<QueryState> {
        let mut all: Vec<_> =
            engine.inner.state().queries.values().map(|q| (q.id.to_string(), q.state())).collect();
        all.sort_by_key(|(id, _)| id.rsplit_once('_').unwrap().1.to_owned());
        all.into_iter().map(|(_, state)| state).collect()
    }

    fn error(engine: &Engine, query: &str) -> String {
        engine.inner.state().queries[query].error.lock().unwrap().clone().unwrap()
    }

    #[test]
    fn query_that_panics_stops_and_the_others_go_on_from_their_last_commit() {
        for (moment, name) in [(Moment::Reading, "READS"), (Moment::Writing, "WRITES")] {
            let dir = tempfile::tempdir().unwrap();
            let engine = opened(dir.path(), name);
            produce(&engine);
            assert_eq!(counts(&engine), [1, 1, 1, 0]);
            let [culprit, beside] =
                ["CTAS_N_2", "CSAS_BESIDE_3"].map(|id| id.replacen('_', &format!("_{name}_"), 1));
            planted::plant(&culprit, moment);
            produce(&engine);
            wait_for(|| !unhealthy(&engine).is_empty());
            assert_eq!(counts(&engine), [2, 1, 2, 0]);
            assert_eq!(unhealthy(&engine), [("queries", format!("stopped by an error: {culprit}"))]);
            let why = error(&engine, &culprit);
            assert!(why.starts_with("the query has panicked at ") && why.contains("panics.rs"), "{why}");
            assert!(!why.contains("s3cret"), "{why}");
            // Also the next one stops alone, and the worker takes new queries.
            planted::plant(&beside, moment);
            produce(&engine);
            wait_for(|| states(&engine)[2] == Error);
            run(&engine, "CREATE STREAM late AS SELECT k FROM s; RESUME ALL;");
            assert_eq!(counts(&engine), [3, 1, 2, 3]);
            assert_eq!(states(&engine)[..4], [Running, Error, Error, Running]);
            assert_eq!(engine.records("LATE", &[]).unwrap().len(), 3);
            engine.close();

            let engine = open(dir.path());
            assert_eq!((unhealthy(&engine), counts(&engine)), (vec![], vec![3, 2, 3, 3]));
            let last = engine.records("N", &[]).unwrap().pop().unwrap().value.unwrap();
            assert_eq!(last, br#"{"N":3}"#);
            engine.close();
        }
    }

    #[test]
    fn look_that_panics_stops_no_query() {
        let dir = tempfile::tempdir().unwrap();
        let engine = opened(dir.path(), "VISITED");
        produce(&engine);
        assert_eq!(counts(&engine), [1, 1, 1, 0]);
        let mut rows = engine.query("SELECT k FROM s EMIT CHANGES;", &earliest()).unwrap().rows;
        assert!(matches!(rows.next(Duration::from_secs(20)), Some(RowEvent::Rows(_))));
        let task = engine.inner.state().queries["CTAS_VISITED_N_2"].tasks[0].clone();
        engine.inner.send(task.worker, Command::Visit(task.id, Box::new(|_| panic!("s3cret")))).unwrap();
        produce(&engine);
        // Whoever has had rows asks again.
        let Some(RowEvent::Failed(error)) = rows.next(Duration::from_secs(20)) else { panic!("no error") };
        assert!(
            error.message.contains("give the query again") && !error.message.contains("s3cret"),
            "{error}"
        );
        assert_eq!(counts(&engine), [2, 2, 2, 0]);
        assert_eq!(states(&engine), [Running, Running, Running, Paused]);
        engine.close();
    }

    #[test]
    fn panic_that_is_no_querys_stops_all_and_voids_their_epoch() {
        let dir = tempfile::tempdir().unwrap();
        let engine = opened(dir.path(), "ALL");
        planted::plant("CTAS_ALL_N_2", Moment::Committing);
        produce(&engine);
        wait_for(|| unhealthy(&engine).len() == 2);

        let found = unhealthy(&engine);
        assert_eq!(states(&engine), [Error; 4]);
        assert_eq!((found[0].0, found[1].0), ("queries", "workers"));
        assert!(found[1].1.starts_with("worker 0 has panicked at ") && !found[1].1.contains("s3cret"));
        let why = error(&engine, "CTAS_ALL_N_2");
        assert!(why.contains("panicked at ") && why.contains("panics.rs"), "{why}");
        assert!(!why.contains("s3cret"), "{why}");
        // Nothing of the epoch came out, and it holds nobody up.
        assert_eq!(counts(&engine), [0, 0, 0, 0]);
        let offsets = engine.log().offsets("BESIDE", 0).unwrap();
        assert_eq!(offsets.last_stable, offsets.next);
        // It starts nothing, and ends what there is.
        let refused = execute(&engine, "CREATE STREAM late AS SELECT k FROM s;").unwrap_err();
        assert_eq!(refused.code, "worker_broken");
        run(&engine, "DROP STREAM all_paused;");
        produce(&engine);
        assert_eq!(counts(&engine), [0, 0, 0, 0]);
        engine.close();

        let engine = open(dir.path());
        assert_eq!((unhealthy(&engine), counts(&engine)), (vec![], vec![2, 1, 2, 0]));
        engine.close();
    }
}
