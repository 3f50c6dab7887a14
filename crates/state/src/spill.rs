//! The scratch file: cold chunks, read back by position through a small page cache.
//!
//! The file is not durable and never read by another process: it is removed from its directory as soon as it is open
//! (where the system allows it) or when dropped. It is divided into units of one chunk; a larger chunk takes several
//! neighbouring units. Units of freed chunks are used again.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Result, StateError};

/// One read from the scratch file.
const PAGE_BYTES: usize = 16 << 10;
/// Pages kept in memory per store: 1 MiB.
const PAGES_MAX: usize = 64;

/// Numbers the scratch files of this process.
static NEXT_FILE: AtomicU64 = AtomicU64::new(0);

/// Where a chunk lies in the scratch file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    first_unit: u64,
    units: u64,
}

/// The scratch file of one store.
#[derive(Debug)]
pub(crate) struct Spill {
    dir: PathBuf,
    file: Option<Scratch>,
    unit_bytes: usize,
    units_end: u64,
    /// Freed extents, by their number of units.
    free: BTreeMap<u64, Vec<u64>>,
    /// Direct-mapped by page number.
    pages: Vec<Option<Page>>,
    /// An entry that crosses pages.
    crossing: Vec<u8>,
}

#[derive(Debug)]
struct Page {
    number: u64,
    bytes: Box<[u8]>,
}

#[derive(Debug)]
struct Scratch {
    file: File,
    path: PathBuf,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Already gone where open files can be unlinked; a leftover is swept by whoever owns the directory.
        let _ = fs::remove_file(&self.path);
    }
}

impl Spill {
    pub(crate) fn new(dir: &Path, unit_bytes: usize) -> Spill {
        Spill {
            dir: dir.to_owned(),
            file: None,
            unit_bytes,
            units_end: 0,
            free: BTreeMap::new(),
            pages: Vec::new(),
            crossing: Vec::new(),
        }
    }

    /// Returns the memory the page cache uses.
    pub(crate) fn bytes_used(&self) -> usize {
        self.pages.len() * self.page_bytes() + self.crossing.capacity()
    }

    /// Writes a chunk and returns where.
    pub(crate) fn write(&mut self, chunk: &[u8]) -> Result<Extent> {
        let units = chunk.len().div_ceil(self.unit_bytes).max(1) as u64;
        let reused = self.free.get_mut(&units).and_then(Vec::pop);
        let extent = Extent { first_unit: reused.unwrap_or(self.units_end), units };
        let start = extent.first_unit * self.unit_bytes as u64;
        let end = start + units * self.unit_bytes as u64;
        let scratch = self.scratch()?;
        let written = scratch.file.seek(SeekFrom::Start(start)).and_then(|_| scratch.file.write_all(chunk));
        // Whole units exist in the file, so that a page never reads past its end.
        let written =
            written.and_then(|()| if reused.is_none() { scratch.file.set_len(end) } else { Ok(()) });
        if let Err(source) = written {
            let path = scratch.path.clone();
            if reused.is_some() {
                self.free(extent);
            }
            return Err(StateError::Scratch { action: "write", path, source });
        }
        self.units_end = self.units_end.max(extent.first_unit + units);
        self.forget_pages(start, end);
        Ok(extent)
    }

    /// Gives the extent's units back.
    pub(crate) fn free(&mut self, extent: Extent) {
        self.free.entry(extent.units).or_default().push(extent.first_unit);
    }

    /// Reads a whole chunk of `len` bytes into `chunk`.
    pub(crate) fn read_chunk(&mut self, extent: Extent, len: usize, chunk: &mut Vec<u8>) -> Result<()> {
        chunk.clear();
        chunk.resize(len, 0);
        let start = extent.first_unit * self.unit_bytes as u64;
        self.scratch()?.read_at(start, chunk)
    }

    /// Returns `len` bytes at `offset` of the chunk.
    pub(crate) fn read(&mut self, extent: Extent, offset: usize, len: usize) -> Result<&[u8]> {
        let start = extent.first_unit * self.unit_bytes as u64 + offset as u64;
        let page_bytes = self.page_bytes();
        let within = (start % page_bytes as u64) as usize;
        if within + len <= page_bytes {
            return Ok(&self.page(start / page_bytes as u64)?[within..within + len]);
        }
        let mut crossing = std::mem::take(&mut self.crossing);
        crossing.clear();
        crossing.resize(len, 0);
        let read = self.scratch()?.read_at(start, &mut crossing);
        self.crossing = crossing;
        read.map(|()| &self.crossing[..])
    }

    pub(crate) fn drop_pages(&mut self) {
        self.pages = Vec::new();
    }

    fn page(&mut self, number: u64) -> Result<&[u8]> {
        let page_bytes = self.page_bytes();
        if self.pages.is_empty() {
            self.pages.resize_with(PAGES_MAX, || None);
        }
        let at = (number % PAGES_MAX as u64) as usize;
        if self.pages[at].as_ref().is_none_or(|page| page.number != number) {
            let mut bytes = match self.pages[at].take() {
                Some(page) => page.bytes,
                None => vec![0; page_bytes].into_boxed_slice(),
            };
            self.scratch()?.read_at(number * page_bytes as u64, &mut bytes)?;
            self.pages[at] = Some(Page { number, bytes });
        }
        Ok(&self.pages[at].as_ref().expect("filled above").bytes)
    }

    fn forget_pages(&mut self, start: u64, end: u64) {
        let page_bytes = self.page_bytes() as u64;
        for page in &mut self.pages {
            if page
                .as_ref()
                .is_some_and(|page| page.number * page_bytes < end && (page.number + 1) * page_bytes > start)
            {
                *page = None;
            }
        }
    }

    fn page_bytes(&self) -> usize {
        PAGE_BYTES.min(self.unit_bytes)
    }

    fn scratch(&mut self) -> Result<&mut Scratch> {
        if self.file.is_none() {
            self.file = Some(Scratch::create(&self.dir)?);
        }
        Ok(self.file.as_mut().expect("created above"))
    }
}

impl Scratch {
    fn create(dir: &Path) -> Result<Scratch> {
        let number = NEXT_FILE.fetch_add(1, Ordering::Relaxed);
        fs::create_dir_all(dir).map_err(|source| StateError::Scratch {
            action: "create the directory of",
            path: dir.to_owned(),
            source,
        })?;
        let path = dir.join(format!("state-{}-{number}.scratch", std::process::id()));
        // Truncated: a file of that name is a leftover of an earlier process with the same id.
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path);
        let file =
            opened.map_err(|source| StateError::Scratch { action: "create", path: path.clone(), source })?;
        if cfg!(unix) {
            let _ = fs::remove_file(&path);
        }
        Ok(Scratch { file, path })
    }

    fn read_at(&mut self, start: u64, bytes: &mut [u8]) -> Result<()> {
        let read: io::Result<()> =
            self.file.seek(SeekFrom::Start(start)).and_then(|_| self.file.read_exact(bytes));
        read.map_err(|source| StateError::Scratch { action: "read", path: self.path.clone(), source })
    }
}
