//! Runs a case on a thread of its own: a panic or a hang is an outcome like any other.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// How long a case may take.
pub const CASE_TIME_MAX: Duration = Duration::from_secs(10);

/// Stack of the thread: the parser allows deep nesting.
const STACK_BYTES: usize = 16 << 20;

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Watched<T> {
    /// The result.
    Done(T),
    /// The panic's message and place.
    Panicked(String),
    /// Nothing within the time; the thread is left alone.
    Hung,
}

thread_local! {
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps panics of watched threads off the screen and remembers where they were.
pub fn quiet_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        PLACE.with(|cell| *cell.borrow_mut() = place);
    }));
}

/// Runs `work`, but no longer than `time_max`.
pub fn watch<T: Send + 'static>(time_max: Duration, work: impl FnOnce() -> T + Send + 'static) -> Watched<T> {
    let (tx, rx) = mpsc::channel();
    let body = move || {
        let result = panic::catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panic");
            PLACE.with(|place| format!("{text} at {}", place.borrow()))
        });
        // Nobody listens any more if it took too long.
        let _ = tx.send(result);
    };
    let spawned = thread::Builder::new().name("case".into()).stack_size(STACK_BYTES).spawn(body);
    if let Err(error) = spawned {
        return Watched::Panicked(format!("no thread: {error}"));
    }
    match rx.recv_timeout(time_max) {
        Ok(Ok(result)) => Watched::Done(result),
        Ok(Err(text)) => Watched::Panicked(text),
        Err(_) => Watched::Hung,
    }
}

/// Runs `work` for each item on a few threads; results in the order of the items.
pub fn in_parallel<I, T>(
    items: Vec<I>,
    threads: usize,
    work: impl Fn(&I) -> T + Send + Sync + 'static,
) -> Vec<(I, T)>
where
    I: Send + Sync + 'static,
    T: Send + 'static,
{
    let (items, work) = (Arc::new(items), Arc::new(work));
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (tx, rx) = mpsc::channel();
    let workers: Vec<_> = (0..threads.max(1))
        .map(|_| {
            let (items, work, next, tx) = (items.clone(), work.clone(), next.clone(), tx.clone());
            thread::spawn(move || {
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let _ = tx.send((at, work(item)));
                }
            })
        })
        .collect();
    drop(tx);
    let mut results: Vec<(usize, T)> = rx.into_iter().collect();
    for worker in workers {
        let _ = worker.join();
    }
    results.sort_by_key(|(at, _)| *at);
    let results = results.into_iter().map(|(_, result)| result);
    let items = Arc::into_inner(items).expect("the workers are done");
    items.into_iter().zip(results).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_panics_and_hangs_are_told_apart() {
        assert_eq!(watch(CASE_TIME_MAX, || 5), Watched::Done(5));
        let Watched::Panicked(text) = watch(CASE_TIME_MAX, || -> i32 { panic!("oh {}", 1) }) else {
            panic!("expected a panic");
        };
        assert!(text.starts_with("oh 1 at"));
        let (tx, rx) = mpsc::channel::<()>();
        assert_eq!(watch(Duration::ZERO, move || rx.recv().is_ok()), Watched::Hung);
        drop(tx);
    }

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let results = in_parallel((0..100).collect(), 3, |n: &i32| n * 2);
        assert_eq!(results, (0..100).map(|n| (n, n * 2)).collect::<Vec<_>>());
    }
}
