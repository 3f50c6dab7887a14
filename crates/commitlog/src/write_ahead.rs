//! Write-ahead files: small appends of many partitions in one place, so that one sync of one file makes them durable.
//!
//! Syncing four segments that have grown by 16 KiB each takes 450 µs and 310 µs of processor time, because each of them
//! changes its length. Writing the same bytes over old ones of a file that has its blocks, and syncing that, takes 110 µs
//! and 50 µs. So small appends are repeated here and their segments are synced later, many appends at once.
//!
//! The files are a ring. One is written from its beginning to its end, frame by frame, each synced before the next;
//! then the next one that is settled is taken, and the partitions that the full one repeats are synced in the
//! background, which settles it. Without a settled file there is no room, and who asks syncs segments instead.
//!
//! ```text
//! frame: as in a journal, filled with zeros to whole pages; the payload is what `take_redo` takes
//! ```
//!
//! Numbers grow over all files, so a frame that an earlier round left behind is never taken for a later one. Whoever opens
//! the log writes what is lost into the segments, syncs them and removes the files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::disk::{Disk, DiskFile};
use crate::error::LogError;
use crate::journal::{FRAME_HEADER_LEN, close_frame, parse_frame};
use crate::ledger::{put_redo_item, take_redo};
use crate::partition::{Fresh, Partition, RedoItem};
use crate::wire::Reader;

/// Files of the ring.
const FILES: usize = 4;
/// Whole pages are written, so that none has to be read before.
const PAGE_LEN: usize = 4096;
/// The number of items before the first.
const COUNT_LEN: usize = 4;
const NAME_PREFIX: &str = "ahead.";

/// Partitions by topic id and number.
type Touched = BTreeMap<(u128, u32), Arc<Partition>>;

pub(crate) struct WriteAhead {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// A file's length; 0 for no files.
    file_bytes: u64,
    files: [Option<Arc<dyn DiskFile>>; FILES],
    settled: Arc<[AtomicBool; FILES]>,
    current: usize,
    position: u64,
    number: u64,
    /// What the current file repeats.
    touched: Touched,
    settler: Option<Settler>,
    /// The frame that is being put together.
    frame: Vec<u8>,
    inside: Vec<(Arc<Partition>, Fresh)>,
}

/// Whether a frame was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Durable,
    /// There is no room: neither in the files nor, perhaps, on the disk.
    No,
}

impl WriteAhead {
    /// `inline`: files are settled inside the call that fills them.
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, file_bytes: u64, inline: bool) -> WriteAhead {
        let settled: Arc<[AtomicBool; FILES]> = Arc::new(std::array::from_fn(|_| AtomicBool::new(true)));
        WriteAhead {
            disk,
            dir,
            file_bytes,
            files: Default::default(),
            settler: (!inline && file_bytes > 0).then(|| Settler::start(settled.clone())).flatten(),
            settled,
            current: 0,
            position: 0,
            number: 0,
            touched: Touched::new(),
            frame: Vec::new(),
            inside: Vec::new(),
        }
    }

    /// Puts what a partition has written and not made durable into the frame, if all of that fits into `bytes_max`
    /// with what is there already. `false`: its segments must be synced.
    pub(crate) fn add(&mut self, partition: &Arc<Partition>, bytes_max: usize) -> bool {
        if self.file_bytes == 0 {
            return false;
        }
        if self.frame.is_empty() {
            self.frame.resize(FRAME_HEADER_LEN + COUNT_LEN, 0);
        }
        let Some(fresh) = partition.fresh() else { return false };
        if self.frame.len() + fresh.len() > bytes_max {
            return false;
        }
        let before = self.frame.len();
        put_redo_item(&mut self.frame, partition.topic_id, partition.partition, fresh.len());
        let begun = self.frame.len();
        if fresh.read(&mut self.frame).is_err() || self.frame.len() != begun + fresh.len() {
            self.frame.truncate(before);
            return false;
        }
        self.inside.push((partition.clone(), fresh));
        true
    }

    /// Writes the frame and syncs it; its partitions are durable as far as it has them.
    ///
    /// Returns the partitions that it did not take when there was no room, and an error when the sync failed, which
    /// nobody may take for anything but the end.
    pub(crate) fn write(&mut self) -> Result<Vec<Arc<Partition>>, LogError> {
        let inside = std::mem::take(&mut self.inside);
        let mut frame = std::mem::take(&mut self.frame);
        let written = match inside.len() {
            0 => Ok(Written::No),
            count => {
                frame[FRAME_HEADER_LEN..][..COUNT_LEN].copy_from_slice(&(count as u32).to_be_bytes());
                self.write_frame(&mut frame)
            }
        };
        frame.clear();
        self.frame = frame;
        if written? == Written::No {
            return Ok(inside.into_iter().map(|(partition, _)| partition).collect());
        }
        for (partition, fresh) in inside {
            partition.note_fresh_durable(&fresh);
            self.touched.insert((partition.topic_id, partition.partition), partition);
        }
        Ok(Vec::new())
    }

    fn write_frame(&mut self, frame: &mut Vec<u8>) -> Result<Written, LogError> {
        self.number += 1;
        close_frame(frame, self.number);
        frame.resize(frame.len().next_multiple_of(PAGE_LEN), 0);
        let Some(file) = self.file_for(frame.len() as u64) else { return Ok(Written::No) };
        if let Err(error) = file.write_at(frame, self.position) {
            tracing::debug!(%error, "write-ahead file takes no more");
            return Ok(Written::No);
        }
        file.sync_data().map_err(|error| LogError::io("syncing", &self.path(self.current), &error))?;
        self.position += frame.len() as u64;
        Ok(Written::Durable)
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
            let made = self.disk.create(&self.path(self.current)).and_then(|file| {
                self.disk.sync_dir(&self.dir)?;
                Ok(file)
            });
            match made {
                Ok(file) => self.files[self.current] = Some(file),
                Err(error) => tracing::debug!(%error, "write-ahead file not made"),
            }
        }
        self.files[self.current].clone()
    }

    fn settle_current(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        self.settled[self.current].store(false, Ordering::Release);
        match &self.settler {
            Some(settler) => settler.settle(self.current, touched),
            None => settle(&touched, &self.settled[self.current]),
        }
    }

    /// Lets go of partitions whose topic is deleted.
    pub(crate) fn forget_deleted(&mut self) {
        self.touched.retain(|_, partition| partition.is_alive());
    }

    fn path(&self, number: usize) -> PathBuf {
        self.dir.join(format!("{NAME_PREFIX}{number}"))
    }

    /// Takes the files away; every partition must be synced.
    pub(crate) fn remove(&mut self) -> Result<(), LogError> {
        self.settler = None;
        self.files = Default::default();
        self.touched.clear();
        self.file_bytes = 0;
        remove_files(&*self.disk, &self.dir)
    }
}

/// Returns what the files in a directory repeat, in no order.
pub(crate) fn read_files(disk: &dyn Disk, dir: &Path) -> Result<Vec<RedoItem>, LogError> {
    let mut items = Vec::new();
    for path in file_paths(disk, dir)? {
        let failed = |action, error: std::io::Error| LogError::io(action, &path, &error);
        let file = disk.open(&path).map_err(|error| failed("opening", error))?;
        let len = file.len().map_err(|error| failed("measuring", error))?;
        let mut bytes = vec![0; len as usize];
        let read = file.read_at(&mut bytes, 0).map_err(|error| failed("reading", error))?;
        bytes.truncate(read);
        let (mut position, mut number) = (0, 0);
        while let Some(rest) = bytes.get(position..)
            && let Some((payload, next_number)) = parse_frame(rest, number)
            && let Some(inside) = take_redo(&mut Reader::new(payload))
        {
            items.extend(inside);
            number = next_number;
            position += (FRAME_HEADER_LEN + payload.len()).next_multiple_of(PAGE_LEN);
        }
    }
    Ok(items)
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

/// A thread that settles files; it ends when this is dropped.
struct Settler {
    jobs: Option<Sender<(usize, Touched)>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Settler {
    /// `None`: no thread can be had, and files are settled by who fills them.
    fn start(settled: Arc<[AtomicBool; FILES]>) -> Option<Settler> {
        // At most one job a file waits: only a settled one is filled again.
        let (jobs, waiting): (_, Receiver<(usize, Touched)>) = unbounded();
        let thread = std::thread::Builder::new()
            .name("log-settler".to_owned())
            .spawn(move || {
                while let Ok((file, touched)) = waiting.recv() {
                    settle(&touched, &settled[file]);
                }
            })
            .ok()?;
        Some(Settler { jobs: Some(jobs), thread: Mutex::new(Some(thread)) })
    }

    fn settle(&self, file: usize, touched: Touched) {
        if let Some(jobs) = &self.jobs {
            // The thread only ends after the sender.
            let _ = jobs.send((file, touched));
        }
    }
}

impl Drop for Settler {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.lock().expect("no holder panics").take()
            && thread.join().is_err()
        {
            tracing::error!("log-settler thread panicked");
        }
    }
}
