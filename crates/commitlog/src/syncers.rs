//! Threads that sync several partitions at once: the disk takes that better than one after the other.
//!
//! They are started when first needed and wait for work afterwards: starting one for every sync cost a tenth of the
//! time of a broker under load.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::error::LogError;
use crate::partition::{FlushJob, Partition};

/// Syncs at once, the caller's among them.
const SYNCERS_MAX: usize = 8;

/// A partition and what is to be synced of it.
pub(crate) type Flush = (Arc<Partition>, FlushJob);

#[derive(Default)]
pub(crate) struct Syncers {
    threads: Vec<Syncer>,
}

/// A thread; it ends when its channel does.
struct Syncer {
    jobs: Sender<Flush>,
    results: Receiver<Result<(), LogError>>,
}

impl Syncers {
    /// Carries out all of them and returns the first failure.
    pub(crate) fn run(&mut self, flushes: Vec<Flush>) -> Result<(), LogError> {
        let mut flushes = flushes.into_iter();
        let mut result = Ok(());
        while result.is_ok()
            && let Some((partition, job)) = flushes.next()
        {
            let some: Vec<Flush> = flushes.by_ref().take(SYNCERS_MAX - 1).collect();
            let mut running = Vec::with_capacity(some.len());
            for (number, flush) in some.into_iter().enumerate() {
                match self.thread(number) {
                    Some(syncer) => match syncer.jobs.send(flush) {
                        Ok(()) => running.push(number),
                        Err(unsent) => result = result.and(unsent.0.0.run_flush(&unsent.0.1)),
                    },
                    // No more threads can be had: one after the other, then.
                    None => result = result.and(flush.0.run_flush(&flush.1)),
                }
            }
            result = result.and(partition.run_flush(&job));
            for number in running {
                result = result.and(self.threads[number].results.recv().unwrap_or(Err(LogError::Closed)));
            }
        }
        result
    }

    fn thread(&mut self, number: usize) -> Option<&Syncer> {
        if number == self.threads.len() {
            let (jobs, jobs_rx) = bounded::<Flush>(1);
            let (results_tx, results) = bounded(1);
            std::thread::Builder::new()
                .name("log-syncer".to_owned())
                .spawn(move || {
                    while let Ok((partition, job)) = jobs_rx.recv() {
                        if results_tx.send(partition.run_flush(&job)).is_err() {
                            return;
                        }
                    }
                })
                .ok()?;
            self.threads.push(Syncer { jobs, results });
        }
        self.threads.get(number)
    }
}
