//! What is left of a worker that has panicked.
//!
//! Its tasks may be half done, so nothing of them is used any more: their queries stop with an error, and the epoch is
//! voided. The thread stays, so that whoever asks it something gets an answer, and takes no task again.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::{Command, TaskSlot, Unit, Worker, output, panics};

/// How long until the epoch is voided again where that failed.
const VOID_AGAIN: Duration = Duration::from_secs(1);

impl Worker {
    /// Stops what the worker does, and answers until the engine ends.
    pub(super) fn break_down(mut self, place: &str) {
        let worker = self.parts.number;
        tracing::error!(worker, place, "worker has panicked, its queries stopped");
        let _ = self.parts.broken.set(format!("worker {worker} has panicked at {place}: restart the server"));
        self.must_void = true;
        let mut units = std::mem::take(&mut self.units);
        units.append(&mut self.paused);
        units.append(&mut self.stopped);
        units.iter_mut().for_each(|unit| stop(unit, place));
        let cleared = panics::guarded(|| {
            drop(units);
            self.snapshot = None;
            self.changelogs.clear();
            self.problems = output::Problems::default();
        });
        if let Err(place) = cleared {
            tracing::error!(worker, place, "worker has panicked again");
        }
        self.void_guarded();
        self.answer(place);
    }

    fn answer(mut self, place: &str) {
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
                Command::Pause(..) | Command::Visit(..) => {}
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

    use super::panics::planted;
    use crate::Engine;
    use crate::opened::{execute, open, run};

    fn unhealthy(engine: &Engine) -> Vec<(&'static str, String)> {
        let parts = engine.health().into_iter().filter(|(_, is_healthy, _)| !is_healthy);
        parts.map(|(part, _, why)| (part, why.unwrap_or_default())).collect()
    }

    fn counts(engine: &Engine) -> Vec<usize> {
        assert!(engine.wait_until_still(Duration::from_secs(20)).unwrap());
        ["ROWS_", "N", "BESIDE"].map(|topic| engine.records(topic, &[]).unwrap().len()).to_vec()
    }

    #[test]
    fn panic_stops_the_workers_queries_and_voids_their_epoch() {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path());
        let setup = "CREATE STREAM s (k STRING KEY, v STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
             CREATE STREAM rows_ AS SELECT k, v FROM s;
             CREATE TABLE n AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;
             CREATE STREAM beside AS SELECT k FROM s;
             CREATE STREAM paused AS SELECT k FROM s; PAUSE CSAS_PAUSED_4;";
        run(&engine, setup);
        planted::plant("CTAS_N_2");
        let record = (Some(1), Some(b"k".to_vec()), Some(br#"{"v":"s3cret"}"#.to_vec()));
        engine.produce("s", None, std::slice::from_ref(&record)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while unhealthy(&engine).len() < 2 {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }

        let found = unhealthy(&engine);
        let queries = "stopped by an error: CSAS_BESIDE_3, CSAS_PAUSED_4, CSAS_ROWS__1, CTAS_N_2";
        assert_eq!(found[0], ("queries", queries.to_owned()));
        assert_eq!(found[1].0, "workers");
        assert!(found[1].1.starts_with("worker 0 has panicked at ") && !found[1].1.contains("s3cret"));
        let error = engine.inner.state().queries["CTAS_N_2"].error.lock().unwrap().clone().unwrap();
        assert!(error.contains("panicked at ") && error.contains("panics.rs"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
        // Nothing of the epoch came out, and it holds nobody up.
        assert_eq!(counts(&engine), [0, 0, 0]);
        let offsets = engine.log().offsets("BESIDE", 0).unwrap();
        assert_eq!(offsets.last_stable, offsets.next);
        // It starts nothing, and ends what there is.
        let refused = execute(&engine, "CREATE STREAM late AS SELECT k FROM s;").unwrap_err();
        assert_eq!(refused.code, "worker_broken");
        run(&engine, "DROP STREAM paused;");
        engine.produce("s", None, &[record]).unwrap();
        assert_eq!(counts(&engine), [0, 0, 0]);
        engine.close();

        let engine = open(dir.path());
        assert_eq!((unhealthy(&engine), counts(&engine)), (vec![], vec![2, 1, 2]));
        engine.close();
    }
}
