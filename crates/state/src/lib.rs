//! Keyed and windowed state of queries: in memory, logged, snapshotted, spilled.
//!
//! Four stores hold the state of a task, bytes to bytes: [`Store`] (tables and aggregates), [`WindowStore`]
//! (aggregates per window), [`JoinStore`] (rows waiting for the other side of a stream-stream join) and
//! [`SessionStore`]. One worker owns each of them. All four are [`Logged`]: they give the changes of the open
//! epoch for the changelog topic, take changelog entries back with `apply`, and can be written as a snapshot in
//! small pieces while updates go on ([`SnapshotWriter`]).
//!
//! Reading takes `&mut self` and may fail because an entry may have been spilled to the scratch file; without a
//! spill directory no call does IO.
//!
//! What expires gets tombstones with the next drains, so that compaction takes it from the changelog. They may be missing
//! still after a crash: after a restore (snapshot, then changelog) the caller expires the store once more with the
//! committed stream time, without a callback.

mod entry;
mod error;
mod frontier;
mod join;
mod logged;
#[cfg(test)]
mod model_test;
mod segments;
mod session;
mod slab;
mod snapshot;
mod snapshot_head;
mod spill;
mod store;
mod window;

pub use error::{Result, SnapshotError, StateError};
pub use join::{JoinOptions, JoinStore, VisitMatch, VisitPending, VisitRow};
pub use logged::{Cursor, Logged, VisitChange};
pub use session::{SessionOptions, SessionStore, VisitSession};
pub use snapshot::{SnapshotWriter, restore};
pub use snapshot_head::{SnapshotHead, read_snapshot_tail, snapshot_tail};
pub use store::{Options, Store, Update};
pub use window::{VisitWindow, WindowOptions, WindowStore};
