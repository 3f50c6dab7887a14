//! The bytes of a named input: a plain file, a gzip file, or members of a zip archive, unpacked as they are read.
//!
//! What a file is, its first bytes say, not its name. `archive.zip:member` names one member. A member or file that is
//! gzip inside is unpacked once more. Zip members are read at their place in the file through a decoder of their own,
//! so nothing but the archive's directory is held in memory; their checksums are verified at their end.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::{Crc, bufread::DeflateDecoder, bufread::MultiGzDecoder};
use zip::{CompressionMethod, ZipArchive};

use super::file::ReadFault;

/// Bytes read from a file or decoder at once.
const BUFFER_BYTES: usize = 128 * 1024;
/// Bytes that any input may unpack to, whatever its size.
const UNPACKED_BYTES_FREE: u64 = 256 * 1024 * 1024;
/// Bytes looked at to tell what an input holds.
const AHEAD_BYTES_MAX: usize = 4096;
/// Most members of an archive.
const MEMBERS_MAX: usize = 100_000;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
const EMPTY_ZIP_MAGIC: &[u8] = b"PK\x05\x06";

/// One stretch of bytes that can be opened: a file, or a member of an archive.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// The name for messages.
    pub(super) name: Arc<str>,
    /// Bytes on disk, for progress.
    pub(super) packed_bytes: u64,
    path: PathBuf,
    member: Option<Member>,
}

#[derive(Debug, Clone)]
struct Member {
    start: u64,
    packed_bytes: u64,
    unpacked_bytes: u64,
    crc32: u32,
    deflated: bool,
}

/// An opened input.
pub(super) type Bytes = Box<dyn BufRead + Send>;

impl Input {
    /// Returns the inputs that an argument names: one, or every member of an archive.
    pub(super) fn named(argument: &str) -> Result<Vec<Self>, ReadFault> {
        let path = Path::new(argument);
        if !path.exists()
            && let Some((archive, member)) = split_member(argument)
        {
            let members = Self::members_of(Path::new(archive), archive)?;
            let wanted = format!("{archive}:{member}");
            let found: Vec<_> = members.into_iter().filter(|input| *input.name == *wanted).take(1).collect();
            return if found.is_empty() { Err(ReadFault::NoMember) } else { Ok(found) };
        }
        let file = File::open(path).map_err(ReadFault::Open)?;
        let metadata = file.metadata().map_err(ReadFault::Open)?;
        if metadata.is_dir() {
            return Err(ReadFault::Open(io::ErrorKind::IsADirectory.into()));
        }
        // Looking into a pipe would take its bytes away; only a regular file can be an archive.
        if metadata.is_file() {
            let mut magic = Vec::new();
            file.take(ZIP_MAGIC.len() as u64).read_to_end(&mut magic).map_err(ReadFault::Open)?;
            if magic == ZIP_MAGIC || magic == EMPTY_ZIP_MAGIC {
                return Self::members_of(path, argument);
            }
        }
        Ok(vec![Self {
            name: argument.into(),
            packed_bytes: metadata.len(),
            path: path.to_owned(),
            member: None,
        }])
    }

    fn members_of(path: &Path, name: &str) -> Result<Vec<Self>, ReadFault> {
        let file = File::open(path).map_err(ReadFault::Open)?;
        let archive_bytes = file.metadata().map_err(ReadFault::Open)?.len();
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(archive_fault)?;
        if archive.len() > MEMBERS_MAX {
            return Err(ReadFault::Archive(format!("archive has more than {MEMBERS_MAX} members")));
        }
        let mut packed_bytes = 0_u64;
        let mut inputs = Vec::new();
        for index in 0..archive.len() {
            let member = archive.by_index_raw(index).map_err(archive_fault)?;
            let member_name = member.name().map_err(archive_fault)?.into_owned();
            // What macOS adds to archives of its own accord is not data.
            if member.is_dir() || member_name.starts_with("__MACOSX/") {
                continue;
            }
            let deflated = match member.compression() {
                CompressionMethod::Stored => false,
                CompressionMethod::Deflated => true,
                other => {
                    return Err(ReadFault::Archive(format!(
                        "member {member_name:?} is packed by {other}, not by deflate"
                    )));
                }
            };
            if member.encrypted() {
                return Err(ReadFault::Archive(format!("member {member_name:?} is encrypted")));
            }
            let start = member.data_start().ok_or_else(|| {
                ReadFault::Archive(format!("member {member_name:?} has no place in the archive"))
            })?;
            // Members that share their bytes are how a small archive unpacks to petabytes.
            packed_bytes = packed_bytes.saturating_add(member.compressed_size());
            if packed_bytes > archive_bytes {
                return Err(ReadFault::Archive("members of the archive overlap".to_owned()));
            }
            inputs.push(Self {
                name: format!("{name}:{member_name}").into(),
                packed_bytes: member.compressed_size(),
                path: path.to_owned(),
                member: Some(Member {
                    start,
                    packed_bytes: member.compressed_size(),
                    unpacked_bytes: member.size(),
                    crc32: member.crc32(),
                    deflated,
                }),
            });
        }
        Ok(inputs)
    }

    /// Opens the input; `read_bytes` counts the bytes taken from disk.
    pub(super) fn open(&self, read_bytes: Arc<AtomicU64>, ratio_max: u64) -> io::Result<Bytes> {
        let mut file = File::open(&self.path)?;
        let Some(member) = &self.member else {
            let counted = BufReader::with_capacity(
                BUFFER_BYTES,
                Counted { inner: file, read_bytes: read_bytes.clone() },
            );
            return unpacked(Box::new(counted), read_bytes, ratio_max);
        };
        file.seek(SeekFrom::Start(member.start))?;
        let counted = Counted { inner: file.take(member.packed_bytes), read_bytes: read_bytes.clone() };
        let packed = BufReader::with_capacity(BUFFER_BYTES, counted);
        let stored: Box<dyn Read + Send> =
            if member.deflated { Box::new(DeflateDecoder::new(packed)) } else { Box::new(packed) };
        let checked = Checked {
            inner: Bounded { inner: stored, unpacked_bytes: 0, read_bytes: read_bytes.clone(), ratio_max },
            crc: Crc::new(),
            unpacked_bytes: member.unpacked_bytes,
            crc32: member.crc32,
            read: 0,
        };
        unpacked(Box::new(BufReader::with_capacity(BUFFER_BYTES, checked)), read_bytes, ratio_max)
    }
}

/// Unpacks gzip, also several streams one after the other; anything else is handed on.
fn unpacked(bytes: Bytes, read_bytes: Arc<AtomicU64>, ratio_max: u64) -> io::Result<Bytes> {
    let (head, bytes) = read_ahead(bytes, |head| head.len() >= GZIP_MAGIC.len())?;
    if !head.starts_with(GZIP_MAGIC) {
        return Ok(bytes);
    }
    let inner = MultiGzDecoder::new(bytes);
    let bounded = Bounded { inner, unpacked_bytes: 0, read_bytes, ratio_max };
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, bounded)))
}

/// Returns the first bytes, as many as are enough to decide on, and the input with them still in it.
///
/// A pipe or decoder may hand out a single byte at first, so one look into the buffer would not do.
pub(super) fn read_ahead(mut bytes: Bytes, enough: impl Fn(&[u8]) -> bool) -> io::Result<(Vec<u8>, Bytes)> {
    let mut head = Vec::new();
    let mut chunk = [0; 64];
    while !enough(&head) && head.len() < AHEAD_BYTES_MAX {
        let read = match bytes.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if read == 0 {
            break;
        }
        head.extend_from_slice(&chunk[..read]);
    }
    let again = io::Cursor::new(head.clone()).chain(bytes);
    Ok((head, Box::new(again)))
}

/// Splits `archive.zip:member`.
fn split_member(argument: &str) -> Option<(&str, &str)> {
    argument
        .match_indices(':')
        .map(|(at, _)| (&argument[..at], &argument[at + 1..]))
        .find(|(archive, member)| !member.is_empty() && Path::new(archive).is_file())
}

fn archive_fault(error: zip::result::ZipError) -> ReadFault {
    ReadFault::Archive(format!("archive cannot be read: {error}").escape_debug().to_string())
}

/// Counts what is taken from disk.
struct Counted<R> {
    inner: R,
    read_bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read_bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Ends an input that unpacks to absurdly more than it holds.
struct Bounded<R> {
    inner: R,
    unpacked_bytes: u64,
    read_bytes: Arc<AtomicU64>,
    ratio_max: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.unpacked_bytes += read as u64;
        let allowed = self.read_bytes.load(Ordering::Relaxed).saturating_mul(self.ratio_max);
        if self.unpacked_bytes > UNPACKED_BYTES_FREE && self.unpacked_bytes > allowed {
            let times = self.ratio_max;
            return Err(io::Error::other(format!("it unpacks to more than {times} times its size")));
        }
        Ok(read)
    }
}

/// Compares a member with the length and checksum the archive promises.
struct Checked<R> {
    inner: R,
    crc: Crc,
    unpacked_bytes: u64,
    crc32: u32,
    read: u64,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.crc.update(&buffer[..read]);
        self.read += read as u64;
        let over = self.read > self.unpacked_bytes;
        let ended = read == 0 && !buffer.is_empty();
        if over || ended && (self.read != self.unpacked_bytes || self.crc.sum() != self.crc32) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its length or checksum is not what the archive says",
            ));
        }
        Ok(read)
    }
}
