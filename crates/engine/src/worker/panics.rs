//! Panics of workers, told by their place alone: a panic's text may have parts of events in it; and on whose behalf the
//! thread was at work.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::TaskId;

/// On whose behalf something is done: what is to blame if it panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// It is not known.
    Nobody,
    /// A look from outside, which is not repeated.
    Visit,
    /// A task.
    Task(TaskId),
    /// What the tasks of a unit, given by its place, have in common.
    Unit(usize),
}

thread_local! {
    /// Whether what the thread does now is guarded.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
    /// On whose behalf the thread works; after a panic, worked.
    static BLAME: Cell<Blame> = const { Cell::new(Blame::Nobody) };
    /// File, line and column of the thread's last guarded panic.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Does something; an error, with the place in the source, if it panics. What it worked on may be half done then.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    keep_texts_back();
    let was_guarded = IS_GUARDED.replace(true);
    BLAME.set(Blame::Nobody);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(was_guarded);
    done.map_err(|_: Box<dyn Any + Send>| place())
}

/// Until what is returned is dropped, the thread works on somebody's behalf.
pub(super) fn on_behalf(blame: Blame) -> Behalf {
    Behalf { before: BLAME.replace(blame) }
}

/// Ends the work on somebody's behalf, unless by a panic.
pub(super) struct Behalf {
    before: Blame,
}

impl Drop for Behalf {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            BLAME.set(self.before);
        }
    }
}

/// What is to blame for this thread's last guarded panic.
pub(super) fn blame() -> Blame {
    BLAME.get()
}

/// The place of this thread's last guarded panic.
pub(super) fn place() -> String {
    PLACE.with_borrow(String::clone)
}

/// Has guarded panics noted here, where the standard hook prints their text; others go where they went.
fn keep_texts_back() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_GUARDED.get() {
                return others(info);
            }
            let place = info.location().map_or_else(|| "unknown place".to_owned(), ToString::to_string);
            PLACE.set(place);
        }));
    });
}

/// Panics planted by tests.
#[cfg(test)]
pub(crate) mod planted {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    static QUERIES: Mutex<BTreeSet<(String, Moment)>> = Mutex::new(BTreeSet::new());

    /// Where a panic is planted.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub(crate) enum Moment {
        /// The query's task gets records.
        Reading,
        /// What it has done is written.
        Writing,
        /// It is committed with what the others have done.
        Committing,
    }

    /// Plants a panic in a query; of all engines, so that its name must be no other test's.
    pub(crate) fn plant(query_id: &str, moment: Moment) {
        QUERIES.lock().unwrap().insert((query_id.to_owned(), moment));
    }

    /// Panics, once, if that is planted.
    pub(crate) fn go_off(query_id: &str, moment: Moment) {
        let is_planted = QUERIES.lock().unwrap().remove(&(query_id.to_owned(), moment));
        assert!(!is_planted, "the text of an event: s3cret");
    }
}
