//! The answer to something the log-writer does later: poll it, wait for it, or leave a function to call.

use std::sync::{Arc, Condvar, Mutex};

use crate::error::LogError;

type Callback = Box<dyn FnOnce(Result<(), LogError>) + Send>;

#[derive(Default)]
struct Answer {
    result: Option<Result<(), LogError>>,
    callbacks: Vec<Callback>,
    /// Threads that wait.
    waiting: usize,
}

#[derive(Default)]
struct Shared {
    answer: Mutex<Answer>,
    done: Condvar,
}

/// Tells when a commit or a flush is durable. Clones tell the same.
#[derive(Clone, Default)]
pub struct CommitTicket {
    shared: Arc<Shared>,
}

impl CommitTicket {
    pub(crate) fn ready() -> CommitTicket {
        let ticket = CommitTicket::default();
        ticket.complete(Ok(()));
        ticket
    }

    /// Says whether both tell of the same.
    pub(crate) fn is_same(&self, other: &CommitTicket) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Returns the answer if it is there.
    pub fn poll(&self) -> Option<Result<(), LogError>> {
        self.shared.answer.lock().expect("no holder panics").result.clone()
    }

    /// Waits for the answer.
    pub fn wait(&self) -> Result<(), LogError> {
        let mut answer = self.shared.answer.lock().expect("no holder panics");
        loop {
            if let Some(result) = &answer.result {
                return result.clone();
            }
            answer.waiting += 1;
            answer = self.shared.done.wait(answer).expect("no holder panics");
            answer.waiting -= 1;
        }
    }

    /// Calls `callback` with the answer, at once if it is there, else on the thread that has done it: keep it short and
    /// do not call into the log from it.
    pub fn on_done(&self, callback: impl FnOnce(Result<(), LogError>) + Send + 'static) {
        let mut answer = self.shared.answer.lock().expect("no holder panics");
        match answer.result.clone() {
            Some(result) => {
                drop(answer);
                callback(result);
            }
            None => answer.callbacks.push(Box::new(callback)),
        }
    }

    pub(crate) fn complete(&self, result: Result<(), LogError>) {
        let callbacks = {
            let mut answer = self.shared.answer.lock().expect("no holder panics");
            if answer.result.is_some() {
                return;
            }
            answer.result = Some(result.clone());
            if answer.waiting > 0 {
                self.shared.done.notify_all();
            }
            std::mem::take(&mut answer.callbacks)
        };
        for callback in callbacks {
            callback(result.clone());
        }
    }
}
