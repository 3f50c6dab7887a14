//! Snapshots of a task's state: files that spare a restart the reading of the whole changelog.
//!
//! ```text
//! DATA/state/snapshots/CHANGELOG TOPIC ID-PARTITION/FROM OFFSET.snapshot      see `state::SnapshotHead`
//! ```
//!
//! A worker writes one at a time, in pieces of [`STEP_BYTES`] between two runs of its tasks, so a task stands still for
//! about a millisecond at a time. The pieces go to a thread that lives as long as the snapshot does and writes the
//! file; when it is behind, the worker writes no more and goes on with its records.
//!
//! The snapshot is begun when all changes are drained, and the changelog's end at that moment is its *from offset*: an
//! entry that changes later may be in the file as it was or as it is, and reading the changelog from there makes it
//! right either way. So a file may hold changes that are not committed yet. It gets its name only when the commit
//! that has the last of them is durable; before that it is as good as not there, and a crash leaves only a file that the
//! next start removes. Consumed positions are not in it: they are committed together with the changelog, and the state
//! after snapshot and changelog is always the one they belong to.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use commitlog::Partition;
use runtime::Task;
use state::{SnapshotError, SnapshotHead, SnapshotWriter, read_snapshot_tail, snapshot_tail};

use super::{TaskId, TaskSlot};

/// What a worker writes between two runs; little in tests, so that snapshots and changes overlap.
const STEP_BYTES: usize = if cfg!(test) { 256 } else { 512 << 10 };
/// Pieces on their way to the file.
const PIECES_MAX: usize = 3;
/// Files kept for each task: one more than is used, should that one be damaged.
const KEPT: usize = 2;
/// Time between the begins of two snapshots of a task at the least.
const INTERVAL: Duration = Duration::from_secs(5);
/// A task's changes are in a snapshot after this time, however few they are.
const REFRESH: Duration = Duration::from_secs(3600);
/// The file's buffer when it is read.
const READ_BYTES: usize = 256 << 10;

const EXTENSION: &str = "snapshot";
const UNFINISHED: &str = "unfinished";

/// The directory of all snapshots.
pub(crate) fn root(state_dir: &Path) -> PathBuf {
    state_dir.join("snapshots")
}

/// The directory of a task's snapshots.
pub(crate) fn task_dir(state_dir: &Path, topic_id: u128, partition: u32) -> PathBuf {
    root(state_dir).join(format!("{topic_id:032x}-{partition}"))
}

/// Removes the snapshots of all tasks whose changelog's topic is not wanted.
pub(crate) fn sweep(state_dir: &Path, wanted: impl Fn(u128) -> bool) {
    for entry in fs::read_dir(root(state_dir)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.split_once('-'));
        let id = id.and_then(|(id, _)| u128::from_str_radix(id, 16).ok());
        if id.is_some_and(|id| !wanted(id))
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(path = %entry.path().display(), %error, "snapshots not removed");
        }
    }
}

/// When a task gets its next snapshot.
pub(crate) struct Schedule {
    dir: PathBuf,
    /// `tripline.snapshot.bytes`.
    bytes_min: u64,
    /// Changelog bytes that a restart would have to read.
    bytes_since: u64,
    begun: Instant,
}

impl Schedule {
    /// `bytes_since`: what was read of the changelog when the task was restored.
    pub fn new(dir: PathBuf, bytes_min: u64, bytes_since: u64) -> Self {
        Self { dir, bytes_min, bytes_since, begun: Instant::now() }
    }

    /// Notes what was written to the changelog.
    pub fn note(&mut self, bytes: u64) {
        self.bytes_since += bytes;
    }

    /// Whether reading the changelog has become dearer than a snapshot. A state larger than the least amount waits for
    /// half its size, so that snapshots cost at most about twice what the changelog does.
    fn is_due(&self, state_bytes: impl FnOnce() -> u64) -> bool {
        if self.bytes_since == 0 || self.bytes_min == 0 {
            return self.bytes_since > 0;
        }
        let age = self.begun.elapsed();
        let is_enough = |bytes_min: u64| self.bytes_since >= bytes_min;
        let is_dear = age >= INTERVAL && is_enough(self.bytes_min) && is_enough(state_bytes() / 2);
        is_dear || age >= REFRESH
    }
}

enum Piece {
    Bytes(Vec<u8>),
    /// Everything is written and committed; the changelog's end then.
    Publish(i64),
}

/// How far a snapshot got with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is more to write.
    Moved,
    /// There is more to write, but the file is behind.
    Waits,
    /// The whole state is in the file; it can be published once what led to it is committed.
    Complete,
    /// Published, the file is being synced.
    Publishing,
    /// There is nothing left to do.
    Done,
}

/// A snapshot being written.
pub(crate) struct Snapshot {
    pub task: TaskId,
    /// The commit that has to be durable before it is published.
    pub commit: Option<u64>,
    /// Stores that are written.
    stores_done: usize,
    writer: SnapshotWriter,
    buffer: Vec<u8>,
    is_complete: bool,
    pieces: Option<SyncSender<Piece>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Snapshot {
    /// Begins a snapshot if it is due. The task's changes must be drained.
    pub fn begin_if_due(slot: &mut TaskSlot, now_ms: i64) -> Option<Self> {
        let schedule = slot.schedule.as_ref()?;
        let changelog = slot.changelog.clone()?;
        let task = &mut slot.task;
        let state_bytes = || task.stores_mut().map(|(_, store)| store.bytes_used() as u64).sum();
        if slot.statistics.failed.load(Ordering::Relaxed) || !schedule.is_due(state_bytes) {
            return None;
        }
        let begun = Self::begin(slot.id, &mut slot.task, &changelog, &schedule.dir, now_ms);
        let schedule = slot.schedule.as_mut()?;
        (schedule.bytes_since, schedule.begun) = (0, Instant::now());
        begun.inspect_err(|error| tracing::warn!(query = &*slot.query_id, %error, "no snapshot")).ok()
    }

    fn begin(
        id: TaskId,
        task: &mut Task,
        changelog: &Arc<Partition>,
        dir: &Path,
        now_ms: i64,
    ) -> io::Result<Self> {
        let from_offset = changelog.offsets().next;
        let head = SnapshotHead {
            changelog_topic: changelog.topic_id(),
            partition: changelog.partition(),
            from_offset,
            begun_ms: now_ms,
            stores: task.stores_mut().map(|(name, _)| name).collect(),
            meta: task.save_meta(),
        };
        let (pieces, receiver) = sync_channel(PIECES_MAX);
        let path = dir.join(format!("{from_offset:020}.{EXTENSION}"));
        let thread = std::thread::Builder::new()
            .name("snapshot".into())
            .spawn(move || write_file(&path, &receiver))?;
        Ok(Self {
            task: id,
            commit: None,
            stores_done: 0,
            writer: SnapshotWriter::begin(),
            buffer: head.encode(),
            is_complete: false,
            pieces: Some(pieces),
            thread: Some(thread),
        })
    }

    /// Writes a piece.
    pub fn step(&mut self, task: &mut Task) -> Result<Progress, SnapshotError> {
        if self.pieces.is_none() {
            let is_over = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            return Ok(if is_over { Progress::Done } else { Progress::Publishing });
        }
        if !self.send()? {
            return Ok(Progress::Waits);
        }
        while !self.is_complete && self.buffer.len() < STEP_BYTES {
            let Some((_, store)) = task.stores_mut().nth(self.stores_done) else {
                self.is_complete = true;
                break;
            };
            let left = STEP_BYTES - self.buffer.len();
            if !self.writer.step(store, left, &mut self.buffer)? {
                break;
            }
            self.stores_done += 1;
            self.writer = SnapshotWriter::begin();
        }
        Ok(match self.send()? {
            true if self.is_complete => Progress::Complete,
            true => Progress::Moved,
            false => Progress::Waits,
        })
    }

    /// Hands what was written to the file's thread; false when that one is behind.
    fn send(&mut self) -> Result<bool, SnapshotError> {
        let Some(pieces) = self.pieces.as_ref().filter(|_| !self.buffer.is_empty()) else { return Ok(true) };
        match pieces.try_send(Piece::Bytes(std::mem::take(&mut self.buffer))) {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(Piece::Bytes(bytes))) => {
                self.buffer = bytes;
                Ok(false)
            }
            Err(_) => Err(SnapshotError::Io { action: "write", source: self.end().unwrap_or_else(gone) }),
        }
    }

    /// Gives the file its name; all of it is committed, up to `to_offset` of the changelog.
    pub fn publish(&mut self, to_offset: i64) {
        if let Some(pieces) = &self.pieces
            && pieces.try_send(Piece::Publish(to_offset)).is_ok()
        {
            self.pieces = None;
        }
    }

    /// Waits until the file is written, or removed where it was not published.
    fn end(&mut self) -> Option<io::Error> {
        self.pieces = None;
        let ended = self.thread.take()?.join();
        ended.unwrap_or_else(|_| Err(io::Error::other("thread panicked"))).err()
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Some(error) = self.end() {
            tracing::warn!(%error, "snapshot not written");
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("thread has ended")
}

/// Writes a snapshot's pieces. Without the last one, that publishes it, nothing is left.
fn write_file(path: &Path, pieces: &Receiver<Piece>) -> io::Result<()> {
    let unfinished = path.with_extension(UNFINISHED);
    let written = write_pieces(path, &unfinished, pieces);
    if !matches!(written, Ok(true)) {
        let _ = fs::remove_file(&unfinished);
    }
    written.map(|_| ())
}

fn write_pieces(path: &Path, unfinished: &Path, pieces: &Receiver<Piece>) -> io::Result<bool> {
    let Some(dir) = path.parent() else { return Ok(false) };
    fs::create_dir_all(dir)?;
    let mut file = File::create(unfinished)?;
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => file.write_all(&bytes)?,
            Piece::Publish(to_offset) => {
                file.write_all(&snapshot_tail(to_offset))?;
                file.sync_all()?;
                fs::rename(unfinished, path)?;
                File::open(dir)?.sync_all()?;
                for old in files(dir).into_iter().skip(KEPT) {
                    fs::remove_file(old)?;
                }
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The finished snapshots in a directory, newest first.
fn files(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == EXTENSION)).collect();
    // The names are offsets of one length.
    files.sort_by(|left, right| right.cmp(left));
    files
}

/// Why a snapshot was not used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("snapshot is of another task")]
    OtherTask,
    #[error("snapshot is ahead of the changelog, which ends at {0}")]
    Ahead(i64),
    #[error("changelog has lost what came after the snapshot")]
    ChangelogGone,
}

/// Sets up a task as one of its snapshots has it, the newest that can be used. Returns with it where to go on in the changelog and
/// the small state saved with it; `None` when no snapshot can be used. What was not finished is removed, and what
/// is damaged.
pub(super) fn load_newest<E>(
    dir: &Path,
    changelog: &Arc<Partition>,
    new_task: &dyn Fn() -> Result<Task, E>,
) -> Result<Option<(Task, SnapshotHead)>, E> {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == UNFINISHED) {
            let _ = fs::remove_file(entry.path());
        }
    }
    for path in files(dir) {
        let mut task = new_task()?;
        match load(&path, changelog, &mut task) {
            Ok(head) => return Ok(Some((task, head))),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "snapshot is not used");
                if matches!(error, Unusable::Snapshot(_)) {
                    let _ = fs::remove_file(&path);
                }
            }
        }
    }
    Ok(None)
}

fn load(path: &Path, changelog: &Arc<Partition>, task: &mut Task) -> Result<SnapshotHead, Unusable> {
    let opened = File::open(path).map_err(|source| SnapshotError::Io { action: "open", source })?;
    let mut reader = BufReader::with_capacity(READ_BYTES, opened);
    let head = SnapshotHead::read(&mut reader)?;
    let mut stores: Vec<_> = task.stores_mut().collect();
    let is_same = head.changelog_topic == changelog.topic_id()
        && head.partition == changelog.partition()
        && head.stores.iter().eq(stores.iter().map(|(name, _)| name));
    if !is_same {
        return Err(Unusable::OtherTask);
    }
    let offsets = changelog.offsets();
    // What compaction dropped would have had to be removed from the state.
    if head.from_offset < offsets.log_start || head.from_offset < changelog.tombstones_gone_offset() {
        return Err(Unusable::ChangelogGone);
    }
    for (_, store) in &mut stores {
        state::restore(&mut **store, &mut reader)?;
    }
    let to_offset = read_snapshot_tail(&mut reader)?;
    if to_offset > offsets.last_stable || head.from_offset > to_offset {
        return Err(Unusable::Ahead(offsets.last_stable));
    }
    Ok(head)
}

#[cfg(test)]
mod tests;
