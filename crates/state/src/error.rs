//! What can go wrong in state.

use std::io;
use std::path::PathBuf;

/// An operation on state that failed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The scratch file could not be created, written or read.
    #[error("cannot {action} state scratch file \"{}\": {source}", path.display())]
    Scratch {
        /// What was tried: create, write or read.
        action: &'static str,
        /// The scratch file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An entry is larger than a store takes.
    #[error("state entry of {bytes} bytes is larger than {bytes_max} bytes")]
    EntryTooLarge {
        /// Key and value together.
        bytes: usize,
        /// The most a store takes.
        bytes_max: usize,
    },
    /// The store has no addresses left.
    #[error("state store is full: {chunks} chunks in use")]
    Full {
        /// Chunks in use.
        chunks: usize,
    },
    /// A window does not start on the store's grid.
    #[error("window start {start} is not a multiple of {grid_ms} ms")]
    OffGrid {
        /// The window's start.
        start: i64,
        /// The store's grid.
        grid_ms: i64,
    },
    /// A session ends before it starts.
    #[error("session ends at {end}, before its start {start}")]
    SessionReversed {
        /// The session's start.
        start: i64,
        /// The session's end.
        end: i64,
    },
    /// A changelog or snapshot entry is not one of this kind of store.
    #[error("state entry of {store} store is malformed: {what}")]
    MalformedEntry {
        /// The kind of store.
        store: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// The result of an operation on state.
pub type Result<T> = std::result::Result<T, StateError>;

/// A snapshot that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file could not be read or written.
    #[error("cannot {action} state snapshot: {source}")]
    Io {
        /// What was tried: read or write.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The file is not a snapshot, or one of another version.
    #[error("state snapshot has unknown format or version")]
    UnknownFormat,
    /// The file's bytes are not what was written.
    #[error("state snapshot is damaged at block {block}: {what}")]
    Damaged {
        /// The block, counted from zero.
        block: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The store failed to give or take an entry.
    #[error(transparent)]
    State(#[from] StateError),
}
