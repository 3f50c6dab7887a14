//! Engines that tests open, and statements executed in them; the tests within the crate use this file, too.

#![allow(dead_code, reason = "no file of tests uses all of it")]

use std::path::Path;

use engine::{Engine, EngineConfig, Entity, Result, Session};

/// With these all there is to do is done in one order.
pub(crate) const SINGLE: [(&str, &str); 2] = [("num.stream.threads", "1"), ("num.partitions", "1")];

/// An engine with one worker and topics of one partition.
pub(crate) fn open(dir: &Path) -> Engine {
    open_with(dir, &SINGLE)
}

/// An engine with these settings; of one that is given twice the last value counts.
pub(crate) fn open_with(dir: &Path, settings: &[(&str, &str)]) -> Engine {
    try_open(dir, settings).unwrap_or_else(|error| panic!("{}", error.render()))
}

/// An engine with these settings, if it can be opened.
pub(crate) fn try_open(dir: &Path, settings: &[(&str, &str)]) -> Result<Engine> {
    let given = settings.iter().map(|(name, value)| ((*name).into(), (*value).into(), "test".into()));
    Engine::open(EngineConfig { data_dir: dir.to_owned(), properties: given.collect() })
}

/// A session whose queries read all there is.
pub(crate) fn earliest() -> Session {
    let mut session = Session::default();
    session.properties.insert("auto.offset.reset".into(), "earliest".into());
    session
}

/// Executes statements in such a session; the answers, or the first error.
pub(crate) fn execute(engine: &Engine, sql: &str) -> Result<Vec<Entity>> {
    let mut answered = Vec::new();
    engine.execute(sql, &mut earliest(), &mut answered)?;
    Ok(answered)
}

/// Executes statements that must not fail.
pub(crate) fn run(engine: &Engine, sql: &str) -> Vec<Entity> {
    execute(engine, sql).unwrap_or_else(|error| panic!("{}", error.render()))
}
