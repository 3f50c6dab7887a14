//! Workers that tests hold up.

use std::sync::mpsc::{Sender, channel};

use super::Command;
use crate::Engine;

/// Holds the worker of a query up until what is returned is dropped.
pub(crate) fn hold_up(engine: &Engine, query: &str) -> Sender<()> {
    let (release, released) = channel::<()>();
    let (held, holding) = channel();
    let task = engine.inner.state().queries[query].tasks[0].clone();
    let wait = move |_: &mut _| {
        let _ = held.send(());
        let _ = released.recv();
    };
    engine.inner.send(task.worker, Command::Visit(task.id, Box::new(wait))).unwrap();
    holding.recv().unwrap();
    release
}
