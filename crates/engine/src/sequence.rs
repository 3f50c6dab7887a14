//! Batches that are written once however often they are sent.
//!
//! A producer numbers its batches for each topic, from 0. A batch and its number are committed in one
//! transaction: after a crash both are there or neither, so the producer sends what was not acknowledged again,
//! with the same numbers. A number that was taken is acknowledged without writing; one that leaves a gap is
//! refused, because what is missing would come out of order.
//!
//! Producers are remembered for [`REMEMBERED_MS`] after their last batch, [`PRODUCERS_MAX`] of them; then the one
//! that was silent for longest is forgotten. A forgotten producer is told so: it has to begin at 0 again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use commitlog::{CommitTicket, EpochTx};

use crate::core::{Inner, now_ms};
use crate::error::{EngineError, Result};
use crate::produce::{NewRecord, divide, topic_for};
use crate::query::log_error;

/// How long a silent producer is remembered: as Kafka's `producer.id.expiration.ms`.
const REMEMBERED_MS: i64 = 24 * 3_600_000;
/// Producers (of one topic each) that are remembered.
const PRODUCERS_MAX: usize = 4096;
/// Longest name of a producer.
const PRODUCER_LEN_MAX: usize = 128;

/// Who sends a batch, and the batch's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerSequence {
    /// The producer's name: printable ASCII, 128 characters at most.
    pub producer: String,
    /// The number of the batch among the producer's batches for the topic, from 0.
    pub sequence: u64,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was written.
    Written,
    /// It had been written before.
    Repeated,
}

/// All producers with sequences.
#[derive(Default)]
pub(crate) struct Producers(Mutex<Option<Open>>);

struct Open {
    tx: EpochTx,
    last: HashMap<Vec<u8>, Last>,
    /// A commit failed: what is in memory may be ahead of the log.
    is_doubtful: bool,
}

/// A producer's last batch for a topic.
struct Last {
    sequence: u64,
    at_ms: i64,
    /// `None`: read back from the log.
    ticket: Option<CommitTicket>,
}

/// Appends records that come with a sequence, all or none; durable when it returns.
pub(crate) fn produce_once(
    inner: &Inner,
    topic: &str,
    partition: Option<u32>,
    records: &[NewRecord],
    sequence: &ProducerSequence,
) -> Result<Taken> {
    let key = key_of(topic, &sequence.producer)?;
    let info = topic_for(inner, topic, partition)?;
    let (taken, ticket) = {
        let mut place = inner.producers.lock();
        let open = match &mut *place {
            Some(open) => open,
            empty => empty.insert(Open::new(inner)?),
        };
        if open.is_doubtful {
            open.restore(inner)?;
        }
        match open.expected(&key, sequence, topic)? {
            Some(ticket) => (Taken::Repeated, ticket),
            None => {
                let write = |tx: &mut EpochTx, now: i64| {
                    divide(inner, &info, partition, records, now, &mut |place, batch| {
                        tx.append(topic, place, batch, now).map(|_| ()).map_err(log_error)
                    })
                };
                (Taken::Written, Some(open.write(inner, key, sequence.sequence, write)?))
            }
        }
    };
    // Waited for without the lock: the next producer's batch shares the sync.
    if let Some(Err(error)) = ticket.map(|ticket| ticket.wait()) {
        if let Some(open) = &mut *inner.producers.lock() {
            open.is_doubtful = true;
        }
        return Err(log_error(error));
    }
    Ok(taken)
}

impl Producers {
    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn new(inner: &Inner) -> Result<Self> {
        let id = format!("tripline-{}-producers", inner.service_id);
        let tx = inner.log.transaction(&id, now_ms()).map_err(log_error)?;
        let mut open = Self { tx, last: HashMap::new(), is_doubtful: false };
        open.read(inner);
        Ok(open)
    }

    /// Voids what failed, and remembers what is committed and nothing else.
    fn restore(&mut self, inner: &Inner) -> Result<()> {
        self.is_doubtful = true;
        self.tx.abort(now_ms()).map_err(log_error)?;
        self.read(inner);
        self.is_doubtful = false;
        Ok(())
    }

    fn read(&mut self, inner: &Inner) {
        self.last.clear();
        for (key, value) in inner.log.committed_metas(self.tx.transactional_id()) {
            if let Some(last) = Last::decode(&value) {
                self.last.insert(key, last);
            }
        }
    }

    /// Returns `None` when the batch is the next one, and the ticket of the last when it was taken before.
    fn expected(
        &self,
        key: &[u8],
        given: &ProducerSequence,
        topic: &str,
    ) -> Result<Option<Option<CommitTicket>>> {
        let ProducerSequence { producer, sequence } = given;
        match self.last.get(key) {
            Some(last) if *sequence <= last.sequence => Ok(Some(last.ticket.clone())),
            Some(last) if *sequence == last.sequence + 1 => Ok(None),
            Some(last) => Err(EngineError::user(
                "sequence_gap",
                format!(
                    "batch {sequence} of producer \"{producer}\" for topic \"{topic}\" does not follow its last one, {}",
                    last.sequence
                ),
            )
            .hint(format!("send batch {} first", last.sequence + 1))),
            None if *sequence == 0 => Ok(None),
            None => Err(EngineError::user(
                "sequence_gap",
                format!(
                    "batch {sequence} of producer \"{producer}\" for topic \"{topic}\" follows none: the producer is not known"
                ),
            )
            .hint("a producer begins at 0, and is forgotten after 24 hours of silence")),
        }
    }

    fn write(
        &mut self,
        inner: &Inner,
        key: Vec<u8>,
        sequence: u64,
        write: impl FnOnce(&mut EpochTx, i64) -> Result<()>,
    ) -> Result<CommitTicket> {
        let now = now_ms();
        let ticket = write(&mut self.tx, now).and_then(|()| self.commit(&key, sequence, now));
        match ticket {
            Ok(ticket) => {
                self.last.insert(key, Last { sequence, at_ms: now, ticket: Some(ticket.clone()) });
                Ok(ticket)
            }
            Err(error) => {
                // The first error is the one to tell; a second one is met again by the next batch.
                let _ = self.restore(inner);
                Err(error)
            }
        }
    }

    fn commit(&mut self, key: &[u8], sequence: u64, now: i64) -> Result<CommitTicket> {
        if !self.last.contains_key(key) {
            self.forget(now)?;
        }
        let value = Last { sequence, at_ms: now, ticket: None }.encode();
        self.tx.put_meta(key, &value, now).map_err(log_error)?;
        self.tx.commit(now).map_err(log_error)
    }

    /// Makes room for one more producer, in the open transaction.
    fn forget(&mut self, now: i64) -> Result<()> {
        for key in to_forget(&self.last, now, PRODUCERS_MAX) {
            self.tx.remove_meta(&key, now).map_err(log_error)?;
            self.last.remove(&key);
        }
        Ok(())
    }
}

/// Who is to be forgotten so that one more fits: all that were silent for too long, else the one silent for longest.
fn to_forget(last: &HashMap<Vec<u8>, Last>, now: i64, producers_max: usize) -> Vec<Vec<u8>> {
    let is_silent = |last: &Last| now.saturating_sub(last.at_ms) > REMEMBERED_MS;
    let silent: Vec<_> =
        last.iter().filter(|(_, last)| is_silent(last)).map(|(key, _)| key.clone()).collect();
    if !silent.is_empty() || last.len() < producers_max {
        return silent;
    }
    last.iter().min_by_key(|(_, last)| last.at_ms).map(|(key, _)| key.clone()).into_iter().collect()
}

impl Last {
    fn encode(&self) -> [u8; 16] {
        let mut out = [0; 16];
        out[..8].copy_from_slice(&self.sequence.to_be_bytes());
        out[8..].copy_from_slice(&self.at_ms.to_be_bytes());
        out
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let (sequence, at_ms) = value.split_first_chunk::<8>()?;
        Some(Self {
            sequence: u64::from_be_bytes(*sequence),
            at_ms: i64::from_be_bytes(at_ms.try_into().ok()?),
            ticket: None,
        })
    }
}

/// Topic, zero byte, producer: neither holds a zero byte.
fn key_of(topic: &str, producer: &str) -> Result<Vec<u8>> {
    if producer.is_empty()
        || producer.len() > PRODUCER_LEN_MAX
        || !producer.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(EngineError::user(
            "bad_producer",
            format!("producer's name is not 1 to {PRODUCER_LEN_MAX} printable ASCII characters"),
        ));
    }
    Ok([topic.as_bytes(), b"\0", producer.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_producers_make_room_and_else_the_oldest() {
        let now = 2 * REMEMBERED_MS;
        let producers = |times: &[i64]| {
            let last = |at_ms| Last { sequence: 0, at_ms, ticket: None };
            times
                .iter()
                .map(|at_ms| (at_ms.to_string().into_bytes(), last(*at_ms)))
                .collect::<HashMap<_, _>>()
        };
        assert!(to_forget(&producers(&[now - 5, now - 3]), now, 3).is_empty());
        assert_eq!(to_forget(&producers(&[now - 5, now - 3]), now, 2), [(now - 5).to_string().into_bytes()]);
        assert_eq!(to_forget(&producers(&[7, now - 3]), now, 3), [b"7"]);
        assert_eq!(to_forget(&producers(&[7, now - 3]), now, 2), [b"7"]);
    }

    #[test]
    fn producers_name_is_short_printable_ascii() {
        assert!(key_of("t", "replay-1").is_ok());
        for wrong in ["", "a b", "é", "a\0b", &"x".repeat(129)] {
            assert_eq!(key_of("t", wrong).unwrap_err().code, "bad_producer");
        }
    }
}
