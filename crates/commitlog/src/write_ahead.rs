//! Write-ahead files: small appends of many partitions in one place, so that one sync of one file makes them durable.
//!
//! Syncing four segments that have grown by 16 KiB each takes 450 µs and 310 µs of processor time, because each of them
//! changes its length. Writing the same bytes over old ones of a file that has its blocks, and syncing that, takes 110 µs
//! and 50 µs. So small appends are repeated here and their segments are synced later, many appends at once.
//!
//! Whoever flushes writes a frame; a thread, or one of those who flush ([`SyncQueue`]), syncs what has been written since
//! the last sync and answers in the order of the frames. So a flush waits for one sync that is under way at most, and
//! writing goes on meanwhile.
//!
//! The files are a ring. One is written from its beginning to its end; then the next one that is settled is taken, and
//! the partitions that the full one repeats are synced by another thread, which settles it. Without a settled file there
//! is no room, and who asks syncs segments instead.
//!
//! ```text
//! frame: as in a journal, filled with zeros to whole pages; the payload is what `take_redo` takes
//! ```
//!
//! Numbers are consecutive over all files and never used twice, so a frame that an earlier round left behind is not taken
//! for a later one, and nothing behind a lost frame is read: no flush behind it was answered. Whoever opens the log writes
//! what is lost into the segments, syncs them and removes the files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::disk::{Disk, DiskFile};
use crate::error::LogError;
use crate::health::Health;
use crate::journal::{FRAME_HEADER_LEN, close_frame, parse_frame};
use crate::ledger::{put_redo_item, take_redo};
use crate::partition::{Fresh, Partition, RedoItem};
use crate::scheduling::ask_for_short_slices;
use crate::sync_queue::{SyncQueue, SyncedBy, Unsynced, sync_all};
use crate::ticket::CommitTicket;
use crate::vital_thread::VitalThread;
use crate::wire::Reader;

/// Files of the ring.
const FILES: usize = 4;
/// Whole pages are written, so that none has to be read before.
const PAGE_LEN: usize = 4096;
/// The number of items before the first.
const COUNT_LEN: usize = 4;
const NAME_PREFIX: &str = "ahead.";

/// How the files are used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AheadConfig {
    /// A file's length; 0 for no files.
    pub file_bytes: u64,
    /// A frame's length at most.
    pub frame_bytes_max: usize,
    /// Files are synced and settled inside the calls that need it instead of on threads.
    pub inline: bool,
}

/// Partitions by topic id and number.
type Touched = BTreeMap<(u128, u32), Arc<Partition>>;

pub(crate) struct WriteAhead {
    config: AheadConfig,
    health: Arc<Health>,
    ring: Mutex<Ring>,
    /// What waits for the thread that syncs, if there is one.
    waiting: Option<Arc<SyncQueue>>,
}

struct Ring {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    health: Arc<Health>,
    file_bytes: u64,
    /// Nothing is written any more.
    closed: bool,
    files: [Option<Arc<dyn DiskFile>>; FILES],
    settled: Arc<[AtomicBool; FILES]>,
    current: usize,
    position: u64,
    number: u64,
    /// What the current file repeats.
    touched: Touched,
    /// The frame that is being put together.
    frame: Vec<u8>,
    threads: Option<Threads>,
}

impl WriteAhead {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        health: Arc<Health>,
        config: AheadConfig,
    ) -> Result<WriteAhead, LogError> {
        let settled: Arc<[AtomicBool; FILES]> = Arc::new(std::array::from_fn(|_| AtomicBool::new(true)));
        let threaded = !config.inline && config.file_bytes > 0;
        let threads = match threaded {
            true => Some(Threads::start(&health, &settled)?),
            false => None,
        };
        let waiting = threads.as_ref().map(|threads: &Threads| threads.frames.clone());
        let ring = Ring {
            disk,
            dir,
            health: health.clone(),
            file_bytes: config.file_bytes,
            closed: config.file_bytes == 0,
            files: Default::default(),
            settled,
            current: 0,
            position: 0,
            number: 0,
            touched: Touched::new(),
            frame: Vec::new(),
            threads,
        };
        Ok(WriteAhead { config, health, ring: Mutex::new(ring), waiting })
    }

    /// Says whether so much is waiting that who writes more may have to wait too.
    pub(crate) fn is_busy(&self) -> bool {
        self.waiting.as_ref().is_some_and(|queue| queue.is_busy())
    }

    /// Makes partitions durable and completes the ticket, if little of them is not; returns whether it will.
    pub(crate) fn flush(&self, partitions: &[Arc<Partition>], ticket: &CommitTicket, by: SyncedBy) -> bool {
        self.write(partitions.iter(), ticket, Wanted::All, by).is_empty()
    }

    /// Syncs in this call what a ticket waits for, if nobody does and syncs are quick.
    pub(crate) fn help(&self, ticket: &CommitTicket) {
        if let Some(queue) = &self.waiting {
            queue.help(ticket, &self.health);
        }
    }

    /// Makes those of some partitions durable of which little is not, and waits for that; returns the others.
    pub(crate) fn flush_some(
        &self,
        partitions: Vec<Arc<Partition>>,
    ) -> Result<Vec<Arc<Partition>>, LogError> {
        let ticket = CommitTicket::default();
        let large = self.write(partitions.iter(), &ticket, Wanted::Some, SyncedBy::Thread);
        if large.len() < partitions.len() {
            ticket.wait()?;
        }
        Ok(large)
    }

    /// Writes a frame of those partitions that fit, or nothing if not all do and all must; returns the others.
    fn write<'a>(
        &self,
        partitions: impl Iterator<Item = &'a Arc<Partition>>,
        ticket: &CommitTicket,
        wanted: Wanted,
        by: SyncedBy,
    ) -> Vec<Arc<Partition>> {
        let mut ring = self.ring.lock().expect("no holder panics");
        let mut inside = Vec::new();
        let mut large = Vec::new();
        ring.begin();
        for partition in partitions {
            match ring.add(partition, self.config.frame_bytes_max) {
                Some(fresh) => inside.push((partition.clone(), fresh)),
                None => large.push(partition.clone()),
            }
        }
        if matches!(wanted, Wanted::All) && !large.is_empty() {
            return large;
        }
        if inside.is_empty() {
            return large;
        }
        match ring.write_frame(&mut inside, ticket) {
            Ok(unsynced) => self.hand_over(&ring, unsynced, by),
            Err(NoRoom) => large.extend(inside.into_iter().map(|(partition, _)| partition)),
        }
        large
    }

    /// Under the ring's lock, so that frames are handed over in their order.
    fn hand_over(&self, ring: &Ring, unsynced: Unsynced, by: SyncedBy) {
        match &ring.threads {
            Some(threads) => threads.frames.put(unsynced, by),
            None => sync_all(vec![unsynced], &self.health),
        }
    }

    /// Lets go of partitions whose topic is deleted.
    pub(crate) fn forget_deleted(&self) {
        self.ring.lock().expect("no holder panics").touched.retain(|_, partition| partition.is_alive());
    }

    /// Ends the threads, after what is written; nothing is written any more.
    pub(crate) fn stop(&self) {
        let mut ring = self.ring.lock().expect("no holder panics");
        ring.closed = true;
        let threads = ring.threads.take();
        drop(ring);
        drop(threads);
    }

    /// Takes the files away after a stop; every partition must be synced.
    pub(crate) fn remove(&self) -> Result<(), LogError> {
        let mut ring = self.ring.lock().expect("no holder panics");
        ring.files = Default::default();
        ring.touched.clear();
        remove_files(&*ring.disk, &ring.dir)
    }
}

/// What to do where not all partitions fit into a frame.
enum Wanted {
    /// Nothing.
    All,
    /// Take those that do.
    Some,
}

/// Neither the files nor, perhaps, the disk have room for a frame.
struct NoRoom;

impl Ring {
    fn begin(&mut self) {
        self.frame.clear();
        self.frame.resize(FRAME_HEADER_LEN + COUNT_LEN, 0);
    }

    /// Puts what a partition has written and no frame has yet into the frame; `None`: its segments must be synced.
    fn add(&mut self, partition: &Arc<Partition>, frame_bytes_max: usize) -> Option<Fresh> {
        let fresh = partition.fresh().filter(|_| !self.closed)?;
        if fresh.len() == 0 {
            return Some(fresh);
        }
        if self.frame.len() + fresh.len() > frame_bytes_max {
            return None;
        }
        let before = self.frame.len();
        put_redo_item(&mut self.frame, partition.topic_id, partition.partition, fresh.len());
        let begun = self.frame.len();
        if fresh.read(&mut self.frame).is_err() || self.frame.len() != begun + fresh.len() {
            self.frame.truncate(before);
            return None;
        }
        Some(fresh)
    }

    /// Writes the frame, unless nothing is in it.
    fn write_frame(
        &mut self,
        inside: &mut Vec<(Arc<Partition>, Fresh)>,
        ticket: &CommitTicket,
    ) -> Result<Unsynced, NoRoom> {
        let items = inside.iter().filter(|(_, fresh)| fresh.len() > 0).count();
        let mut unsynced =
            Unsynced { file: None, path: PathBuf::new(), inside: Vec::new(), ticket: ticket.clone() };
        if items > 0 {
            let mut frame = std::mem::take(&mut self.frame);
            frame[FRAME_HEADER_LEN..][..COUNT_LEN].copy_from_slice(&(items as u32).to_be_bytes());
            close_frame(&mut frame, self.number + 1);
            frame.resize(frame.len().next_multiple_of(PAGE_LEN), 0);
            let file = self.file_for(frame.len() as u64);
            let written = file.ok_or(NoRoom).and_then(|file| match file.write_at(&frame, self.position) {
                Ok(()) => Ok(file),
                Err(error) => {
                    tracing::debug!(%error, "write-ahead file takes no more");
                    Err(NoRoom)
                }
            });
            let len = frame.len() as u64;
            self.frame = frame;
            unsynced.file = Some(written?);
            unsynced.path = self.path(self.current);
            self.number += 1;
            self.position += len;
            for (partition, fresh) in &*inside {
                partition.note_repeated_ahead(fresh);
                let key = (partition.topic_id, partition.partition);
                self.touched.entry(key).or_insert_with(|| partition.clone());
            }
        }
        unsynced.inside = std::mem::take(inside);
        Ok(unsynced)
    }

    /// Returns the file that has room for so many bytes at `position`.
    fn file_for(&mut self, bytes: u64) -> Option<Arc<dyn DiskFile>> {
        if bytes > self.file_bytes {
            return None;
        }
        if self.position + bytes > self.file_bytes {
            let next = (self.current + 1) % FILES;
            if !self.settled[next].load(Ordering::Acquire) {
                return None;
            }
            self.settle_current();
            (self.current, self.position) = (next, 0);
        }
        if self.files[self.current].is_none() {
            match self.disk.create(&self.path(self.current)) {
                Ok(file) => {
                    if let Err(error) = self.disk.sync_dir(&self.dir) {
                        self.health.fail(LogError::io("syncing", &self.dir, &error));
                        return None;
                    }
                    self.files[self.current] = Some(file);
                }
                Err(error) => tracing::debug!(%error, "write-ahead file not made"),
            }
        }
        self.files[self.current].clone()
    }

    fn settle_current(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        self.settled[self.current].store(false, Ordering::Release);
        match &self.threads {
            Some(threads) => threads.settle(self.current, touched),
            None => settle(&touched, &self.settled[self.current]),
        }
    }

    fn path(&self, number: usize) -> PathBuf {
        self.dir.join(format!("{NAME_PREFIX}{number}"))
    }
}

/// Syncs partitions; a failure has made the log read-only, and the file stays unsettled.
fn settle(touched: &Touched, settled: &AtomicBool) {
    let failure = touched.values().find_map(|partition| {
        let job = partition.flush_job()?;
        partition.run_flush(&job).err()
    });
    if failure.is_none() {
        settled.store(true, Ordering::Release);
    }
}

/// The thread that syncs frames and the one that settles files. They end when this is dropped, after what they have.
struct Threads {
    frames: Arc<SyncQueue>,
    files: Option<Sender<(usize, Touched)>>,
    running: Vec<JoinHandle<()>>,
}

impl Threads {
    fn start(health: &Arc<Health>, settled: &Arc<[AtomicBool; FILES]>) -> Result<Threads, LogError> {
        let frames: Arc<SyncQueue> = Arc::default();
        let written = frames.clone();
        // At most one waits for each file: only a settled one is filled again.
        let (files, full): (_, Receiver<(usize, Touched)>) = unbounded();
        let (health, settled) = (health.clone(), settled.clone());
        let syncing = spawn("log-ahead", move || {
            let _vital = VitalThread("log-ahead");
            ask_for_short_slices();
            while let Some(group) = written.take() {
                written.sync(group, &health);
            }
        });
        let settling = spawn("log-settler", move || {
            while let Ok((file, touched)) = full.recv() {
                settle(&touched, &settled[file]);
            }
        });
        Ok(Threads { frames, files: Some(files), running: vec![syncing?, settling?] })
    }

    fn settle(&self, file: usize, touched: Touched) {
        if let Some(files) = &self.files {
            // The thread only ends after the sender.
            let _ = files.send((file, touched));
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.frames.close();
        self.files = None;
        for thread in self.running.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the write-ahead files panicked");
            }
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, LogError> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map_err(|error| LogError::io("starting", Path::new(name), &error))
}

/// Returns what the files in a directory repeat, in no order.
pub(crate) fn read_files(disk: &dyn Disk, dir: &Path) -> Result<Vec<RedoItem>, LogError> {
    // First and last number of each file, and what is inside.
    let mut files: Vec<(u64, u64, Vec<RedoItem>)> = Vec::new();
    for path in file_paths(disk, dir)? {
        files.extend(read_file(disk, &path)?);
    }
    files.sort_unstable_by_key(|(first, ..)| *first);
    let mut items = Vec::new();
    let mut before = None;
    for (first, last, inside) in files {
        if before.is_some_and(|before| first != before + 1) {
            tracing::info!(first, "write-ahead frames behind a lost one are not read");
            break;
        }
        before = Some(last);
        items.extend(inside);
    }
    Ok(items)
}

fn read_file(disk: &dyn Disk, path: &Path) -> Result<Option<(u64, u64, Vec<RedoItem>)>, LogError> {
    let failed = |action, error: std::io::Error| LogError::io(action, path, &error);
    let file = disk.open(path).map_err(|error| failed("opening", error))?;
    let len = file.len().map_err(|error| failed("measuring", error))?;
    let mut bytes = vec![0; len as usize];
    let read = file.read_at(&mut bytes, 0).map_err(|error| failed("reading", error))?;
    bytes.truncate(read);
    // What was read may still be in the page cache only, and is about to be acted upon.
    file.sync_data().map_err(|error| failed("syncing", error))?;
    let mut found: Option<(u64, u64, Vec<RedoItem>)> = None;
    let mut position = 0;
    while let Some(rest) = bytes.get(position..)
        && let Some((payload, number)) = parse_frame(rest, 0)
        && found.as_ref().is_none_or(|(_, last, _)| number == last + 1)
        && let Some(inside) = take_redo(&mut Reader::new(payload))
    {
        position += (FRAME_HEADER_LEN + payload.len()).next_multiple_of(PAGE_LEN);
        let (_, last, items) = found.get_or_insert_with(|| (number, number, Vec::new()));
        *last = number;
        items.extend(inside);
    }
    Ok(found)
}

/// Removes the files of a directory, durably.
pub(crate) fn remove_files(disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
    let paths = file_paths(disk, dir)?;
    if paths.is_empty() {
        return Ok(());
    }
    for path in paths {
        disk.remove(&path).map_err(|error| LogError::io("removing", &path, &error))?;
    }
    disk.sync_dir(dir).map_err(|error| LogError::io("syncing", dir, &error))
}

fn file_paths(disk: &dyn Disk, dir: &Path) -> Result<Vec<PathBuf>, LogError> {
    let names = disk.list(dir).map_err(|error| LogError::io("listing", dir, &error))?;
    Ok(names.iter().filter(|name| name.starts_with(NAME_PREFIX)).map(|name| dir.join(name)).collect())
}
