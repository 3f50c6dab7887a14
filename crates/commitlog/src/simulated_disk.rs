//! A disk in memory that can lose its power.
//!
//! It keeps what programs see and what would survive a power cut apart. A cut keeps what was synced; of the writes
//! that were not, any 512-byte sector may or may not have arrived, in any order; of unsynced creations, renames and
//! removals a directory keeps the first few, as a journalling file system does. It can also fail a sync (and then, like
//! Linux, forget that the pages were dirty) and be full.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Disk, DiskFile};

/// What a disk writes as a whole.
const SECTOR_LEN: u64 = 512;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    Directory,
    /// Index in `World::files`.
    File(usize),
}

enum Change {
    Write { position: u64, bytes: Vec<u8> },
    Truncate { len: u64 },
}

#[derive(Default)]
struct FileState {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

enum NameChange {
    Add { path: PathBuf, node: Node },
    Rename { from: PathBuf, to: PathBuf },
    Remove { path: PathBuf },
}

#[derive(Default)]
struct World {
    live: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    pending: Vec<(PathBuf, NameChange)>,
    files: Vec<FileState>,
    operations: u64,
    power_cut_at: Option<u64>,
    /// The operation that fails, and how many bytes it writes if it is a write.
    fault: Option<(u64, usize)>,
    sync_fails_at: Option<u64>,
    syncs: u64,
    capacity: Option<u64>,
}

/// A disk in memory; clones are the same disk.
#[derive(Clone, Default)]
pub struct SimulatedDisk {
    world: Arc<Mutex<World>>,
}

struct SimulatedFile {
    world: Arc<Mutex<World>>,
    index: usize,
}

impl SimulatedDisk {
    /// Makes an empty disk.
    pub fn new() -> SimulatedDisk {
        SimulatedDisk::default()
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no holder panics")
    }

    /// Returns the number of changing operations so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Returns the number of syncs so far, of files and directories.
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Cuts the power at the operation with this number: it may be half done, later ones fail.
    pub fn cut_power_at(&self, operation: u64) {
        self.lock().power_cut_at = Some(operation);
    }

    /// Lets the operation with this number fail with an I/O error; later ones do not. A write leaves its first `kept`
    /// bytes, a sync fails as with [`SimulatedDisk::fail_sync_at`], anything else does nothing.
    pub fn fail_operation_at(&self, operation: u64, kept: usize) {
        self.lock().fault = Some((operation, kept));
    }

    /// Lets the sync with this number fail.
    pub fn fail_sync_at(&self, sync: u64) {
        self.lock().sync_fails_at = Some(sync);
    }

    /// Limits the bytes in all files; `None` lifts the limit.
    pub fn set_capacity(&self, capacity: Option<u64>) {
        self.lock().capacity = capacity;
    }

    /// Returns the disk as it could be found after a power cut now; `seed` decides what of the unsynced is kept.
    pub fn crash(&self, seed: u64) -> SimulatedDisk {
        let world = self.lock();
        let mut random = Random(seed);
        let mut names = world.durable.clone();
        let mut directories: Vec<&PathBuf> = world.pending.iter().map(|(directory, _)| directory).collect();
        directories.sort();
        directories.dedup();
        for directory in directories {
            let changes: Vec<&NameChange> = world
                .pending
                .iter()
                .filter(|(other, _)| other == directory)
                .map(|(_, change)| change)
                .collect();
            let kept = random.below(changes.len() as u64 + 1) as usize;
            for change in &changes[..kept] {
                change.apply(&mut names);
            }
        }
        // What lies in a directory that was lost is lost.
        let reachable: Vec<PathBuf> = names
            .keys()
            .filter(|path| path.ancestors().skip(1).filter(|a| !is_root(a)).all(|a| names.contains_key(a)))
            .cloned()
            .collect();
        names.retain(|path, _| reachable.contains(path));
        let files = world.files.iter().map(|file| file.after_crash(&mut random)).collect();
        SimulatedDisk {
            world: Arc::new(Mutex::new(World {
                live: names.clone(),
                durable: names,
                files,
                ..World::default()
            })),
        }
    }
}

fn is_root(path: &Path) -> bool {
    path.as_os_str().is_empty() || path == Path::new("/")
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            NameChange::Add { path, node } => {
                names.insert(path.clone(), *node);
            }
            NameChange::Rename { from, to } => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
            NameChange::Remove { path } => {
                names.remove(path);
            }
        }
    }
}

impl FileState {
    fn apply(bytes: &mut Vec<u8>, position: u64, new: &[u8]) {
        let end = position as usize + new.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[position as usize..end].copy_from_slice(new);
    }

    fn after_crash(&self, random: &mut Random) -> FileState {
        let mut bytes = self.durable.clone();
        // 0: nothing arrived; 1: everything; 2: the first changes; 3: any sectors.
        let mode = random.below(4);
        let whole = if mode == 2 { random.below(self.pending.len() as u64 + 1) as usize } else { 0 };
        for (index, change) in self.pending.iter().enumerate() {
            let all = mode == 1 || (mode == 2 && index < whole);
            if !all && mode != 3 && !(mode == 2 && index == whole) {
                continue;
            }
            match change {
                Change::Truncate { len } if all || random.below(2) == 0 => bytes.resize(*len as usize, 0),
                Change::Truncate { .. } => {}
                Change::Write { position, bytes: new } if all => FileState::apply(&mut bytes, *position, new),
                Change::Write { position, bytes: new } => {
                    let mut from = 0;
                    while from < new.len() {
                        let at = position + from as u64;
                        let len = ((SECTOR_LEN - at % SECTOR_LEN) as usize).min(new.len() - from);
                        if random.below(2) == 0 {
                            FileState::apply(&mut bytes, at, &new[from..from + len]);
                        }
                        from += len;
                    }
                }
            }
        }
        FileState { live: bytes.clone(), durable: bytes, pending: Vec::new() }
    }
}

impl World {
    /// Counts a changing operation; an error once the power is gone. `Ok(true)`: this is the one it fails at.
    fn step(&mut self) -> io::Result<bool> {
        self.operations += 1;
        match self.power_cut_at {
            Some(cut) if self.operations > cut => Err(no_power()),
            Some(cut) => Ok(self.operations == cut),
            None => Ok(false),
        }
    }

    /// Returns how much of a write is left if the operation just counted is the one that fails.
    fn fault(&self) -> Option<usize> {
        self.fault.filter(|(operation, _)| *operation == self.operations).map(|(_, kept)| kept)
    }

    fn check_power(&self) -> io::Result<()> {
        match self.power_cut_at {
            Some(cut) if self.operations >= cut => Err(no_power()),
            _ => Ok(()),
        }
    }

    fn sync_step(&mut self) -> io::Result<bool> {
        if self.step()? {
            return Err(no_power());
        }
        self.syncs += 1;
        Ok(self.sync_fails_at == Some(self.syncs) || self.fault().is_some())
    }

    fn change(&mut self, directory: &Path, change: NameChange) -> io::Result<()> {
        let cut = self.step()?;
        if self.fault().is_some() {
            return Err(fault());
        }
        change.apply(&mut self.live);
        self.pending.push((directory.to_owned(), change));
        if cut { Err(no_power()) } else { Ok(()) }
    }

    /// Returns the bytes of all files that have a name.
    fn used(&self) -> u64 {
        let files = self.live.values().filter_map(|node| match node {
            Node::File(index) => Some(self.files[*index].live.len() as u64),
            Node::Directory => None,
        });
        files.sum()
    }

    fn node(&self, path: &Path) -> io::Result<Node> {
        self.live.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn check_parent(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(parent) if !is_root(parent) && self.node(parent)? != Node::Directory => {
                Err(io::ErrorKind::NotADirectory.into())
            }
            _ => Ok(()),
        }
    }
}

fn fault() -> io::Error {
    io::Error::other("simulated I/O error")
}

fn no_power() -> io::Error {
    io::Error::other("simulated power cut")
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let world = self.lock();
        world.check_power()?;
        match world.node(path)? {
            Node::File(index) => Ok(Arc::new(SimulatedFile { world: self.world.clone(), index })),
            Node::Directory => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.lock();
        world.check_parent(path)?;
        if let Some(Node::File(index)) = world.live.get(path).copied() {
            let file = SimulatedFile { world: self.world.clone(), index };
            drop(world);
            file.truncate(0)?;
            return Ok(Arc::new(file));
        }
        let index = world.files.len();
        world.files.push(FileState::default());
        let add = NameChange::Add { path: path.to_owned(), node: Node::File(index) };
        world.change(parent(path), add)?;
        Ok(Arc::new(SimulatedFile { world: self.world.clone(), index }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.lock();
        world.node(from)?;
        let change = NameChange::Rename { from: from.to_owned(), to: to.to_owned() };
        world.change(parent(to), change)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.lock();
        world.node(path)?;
        world.change(parent(path), NameChange::Remove { path: path.to_owned() })
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut world = self.lock();
        world.node(path)?;
        if world.live.keys().any(|other| other.parent() == Some(path)) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        world.change(parent(path), NameChange::Remove { path: path.to_owned() })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let world = self.lock();
        world.check_power()?;
        let inside = world.live.keys().filter(|other| other.parent() == Some(path));
        Ok(inside.filter_map(|other| Some(other.file_name()?.to_str()?.to_owned())).collect())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut world = self.lock();
        world.check_parent(path)?;
        match world.live.get(path) {
            Some(Node::Directory) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::AlreadyExists.into()),
            None => {
                let add = NameChange::Add { path: path.to_owned(), node: Node::Directory };
                world.change(parent(path), add)
            }
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut world = self.lock();
        let failed = world.sync_step()?;
        let pending = std::mem::take(&mut world.pending);
        for (directory, change) in pending {
            if directory != path {
                world.pending.push((directory, change));
            } else if !failed {
                change.apply(&mut world.durable);
            }
        }
        if failed { Err(io::Error::other("simulated sync failure")) } else { Ok(()) }
    }
}

impl SimulatedFile {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no holder panics")
    }
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        let world = self.lock();
        world.check_power()?;
        Ok(world.files[self.index].live.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let world = self.lock();
        world.check_power()?;
        let bytes = world.files[self.index].live.get(position as usize..).unwrap_or_default();
        let len = bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let mut world = self.lock();
        let cut = world.step()?;
        let mut bytes = bytes.to_vec();
        let kept = world.fault();
        bytes.truncate(kept.unwrap_or(usize::MAX));
        let mut full = false;
        if let Some(capacity) = world.capacity {
            let used = world.used();
            let end = position + bytes.len() as u64;
            let more = end.saturating_sub(world.files[self.index].live.len() as u64);
            if used + more > capacity {
                full = true;
                bytes.truncate((bytes.len() as u64).saturating_sub(used + more - capacity) as usize);
            }
        }
        let file = &mut world.files[self.index];
        FileState::apply(&mut file.live, position, &bytes);
        file.pending.push(Change::Write { position, bytes });
        match (cut, full) {
            (true, _) => Err(no_power()),
            _ if kept.is_some() => Err(fault()),
            (_, true) => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut world = self.lock();
        let cut = world.step()?;
        if world.fault().is_some() {
            return Err(fault());
        }
        let file = &mut world.files[self.index];
        file.live.resize(len as usize, 0);
        file.pending.push(Change::Truncate { len });
        if cut { Err(no_power()) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = self.lock();
        let failed = world.sync_step()?;
        let file = &mut world.files[self.index];
        for change in std::mem::take(&mut file.pending) {
            match change {
                _ if failed => {}
                Change::Write { position, bytes } => FileState::apply(&mut file.durable, position, &bytes),
                Change::Truncate { len } => file.durable.resize(len as usize, 0),
            }
        }
        if failed { Err(io::Error::other("simulated sync failure")) } else { Ok(()) }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
