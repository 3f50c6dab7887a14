//! Starts of queries that fail, planted by tests; and what a query is then that is in the command log.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::error::{EngineError, Result};

static FAILURES: Mutex<BTreeMap<String, EngineError>> = Mutex::new(BTreeMap::new());

/// The code of a failure that is a panic.
const PANIC: &str = "panic";

/// Has the next start of a query fail; of all engines, so that its name must be no other test's.
fn plant(query_id: &str, error: EngineError) {
    FAILURES.lock().unwrap().insert(query_id.to_owned(), error);
}

/// Fails, once, if that is planted for a query.
pub(super) fn go_off(query_id: &str) -> Result<()> {
    let planted = FAILURES.lock().unwrap().remove(query_id);
    assert!(planted.as_ref().is_none_or(|error| error.code != PANIC), "the text of an event: s3cret");
    planted.map_or(Ok(()), Err)
}

mod tests {
    use std::time::{Duration, Instant};

    use types::ErrorKind;

    use super::*;
    use crate::entity::QueryState;
    use crate::opened::{execute, open, run};
    use crate::query::DISK_FULL;
    use crate::resume::resume_stalled;

    fn states(engine: &crate::Engine) -> Vec<(String, QueryState)> {
        engine.inner.state().queries.values().map(|query| (query.id.to_string(), query.state())).collect()
    }

    fn fed(engine: &crate::Engine, topic: &str, sink: &str) -> usize {
        let record = (Some(1), Some(b"k".to_vec()), Some(br#"{"v":1}"#.to_vec()));
        engine.produce(topic, None, &[record]).unwrap();
        assert!(engine.wait_until_still(Duration::from_secs(20)).unwrap());
        engine.records(sink, &[]).unwrap().len()
    }

    #[test]
    fn logged_query_that_cannot_start_is_an_error_that_a_restart_mends() {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path());
        run(&engine, "CREATE STREAM q (k STRING KEY, v INT) WITH (KAFKA_TOPIC='q', VALUE_FORMAT='JSON');");
        plant("CSAS_UNLUCKY_1", EngineError::new(ErrorKind::Internal, "restore_failed", "it is planted"));
        let error = execute(&engine, "CREATE STREAM unlucky AS SELECT k, v FROM q;").unwrap_err();
        assert_eq!(
            error.message,
            "query \"CSAS_UNLUCKY_1\" is created and could not be started: it is planted"
        );
        assert_eq!((error.code, error.hint.is_some()), ("restore_failed", true));
        assert_eq!(states(&engine), [("CSAS_UNLUCKY_1".to_owned(), QueryState::Error)]);
        assert_eq!(fed(&engine, "q", "UNLUCKY"), 0);
        engine.close();

        let engine = open(dir.path());
        assert_eq!(states(&engine), [("CSAS_UNLUCKY_1".to_owned(), QueryState::Running)]);
        assert_eq!(fed(&engine, "q", "UNLUCKY"), 2);
        // One that cannot start while the command log is read is told the same way, and ends as any other.
        engine.close();
        plant("CSAS_UNLUCKY_1", EngineError::new(ErrorKind::Internal, PANIC, "it is planted"));
        let engine = open(dir.path());
        assert_eq!(states(&engine), [("CSAS_UNLUCKY_1".to_owned(), QueryState::Error)]);
        let why = engine.inner.state().queries["CSAS_UNLUCKY_1"].error.lock().unwrap().clone().unwrap();
        assert!(why.starts_with("setting the query up has panicked at ") && !why.contains("s3cret"), "{why}");
        run(&engine, "DROP STREAM unlucky;");
        engine.close();
    }

    #[test]
    fn query_without_space_to_start_starts_when_there_is_some() {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path());
        let source =
            "CREATE STREAM little (k STRING KEY, v INT) WITH (KAFKA_TOPIC='little', VALUE_FORMAT='JSON');
             CREATE STREAM large WITH (PARTITIONS=1) AS SELECT k, v FROM little; DROP STREAM large;";
        run(&engine, source);
        let full = EngineError::new(ErrorKind::External, DISK_FULL, "no space left on device");
        plant("CSAS_LARGE_3", full.clone());
        execute(&engine, "CREATE STREAM large AS SELECT k, v FROM little;").unwrap_err();
        assert_eq!(states(&engine).len(), 1);
        // Once more it fails; the housekeeper tries, too.
        plant("CSAS_LARGE_3", full);
        let deadline = Instant::now() + Duration::from_secs(20);
        while states(&engine) != [("CSAS_LARGE_3".to_owned(), QueryState::Running)] {
            assert!(Instant::now() < deadline);
            resume_stalled(&engine.inner);
        }
        assert_eq!(fed(&engine, "little", "LARGE"), 1);
        engine.close();
    }
}
