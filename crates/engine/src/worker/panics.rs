//! Panics of workers, told by their place alone: a panic's text may have parts of events in it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether what the thread does now is guarded.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
    /// File, line and column of the thread's last guarded panic.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Does something; an error, with the place in the source, if it panics. What it worked on may be half done then.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    keep_texts_back();
    let was_guarded = IS_GUARDED.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(was_guarded);
    done.map_err(|_: Box<dyn Any + Send>| place())
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

    static QUERIES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

    /// Plants a panic in the next epoch of a query.
    pub(crate) fn plant(query_id: &str) {
        QUERIES.lock().unwrap().insert(query_id.to_owned());
    }

    /// Panics, once, if that is planted for a query.
    pub(crate) fn go_off(query_id: &str) {
        let is_planted = QUERIES.lock().unwrap().remove(query_id);
        assert!(!is_planted, "the text of an event: s3cret");
    }
}
