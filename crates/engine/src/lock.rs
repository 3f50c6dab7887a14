//! The lock on a data directory: one server at a time.
//!
//! The operating system gives it back when the process ends, however it ends, so a killed server leaves nothing
//! in the way. The file holds the owner's process id, for the message only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind as IoErrorKind, Read, Seek, Write};
use std::path::Path;

use types::ErrorKind;

use crate::error::{EngineError, Result};

/// The file in the data directory.
const LOCK_FILE: &str = "lock";

/// The right to use a data directory, given back when dropped.
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Makes the directory if it is not there, and takes its lock.
    pub fn take(dir: &Path) -> Result<Self> {
        let shown = dir.display();
        let failed = |action: &str, error: std::io::Error| {
            let message = format!("{action} data directory \"{shown}\": {error}");
            EngineError::new(ErrorKind::External, "data_directory", message)
        };
        std::fs::create_dir_all(dir).map_err(|e| failed("making", e))?;
        let path = dir.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|e| failed("locking", e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(dir, &mut file)),
            Err(TryLockError::Error(error)) if error.kind() == IoErrorKind::Unsupported => {
                tracing::warn!(directory = %shown, "file system has no locks; nothing keeps a second server out");
            }
            Err(TryLockError::Error(error)) => return Err(failed("locking", error)),
        }
        // For people only; a disk that is full is told where it matters.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

fn in_use(dir: &Path, file: &mut File) -> EngineError {
    let mut owner = String::new();
    let _ = file.take(32).read_to_string(&mut owner);
    let owner = match owner.trim().parse::<u32>() {
        Ok(id) => format!(" (process {id})"),
        Err(_) => String::new(),
    };
    EngineError::new(
        ErrorKind::External,
        "data_directory_in_use",
        format!("data directory \"{}\" is in use by another server{owner}", dir.display()),
    )
    .hint("stop that server, or give this one a directory of its own")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::opened::{SINGLE, open, run, try_open};
    use crate::worker::held_up::hold_up;

    #[test]
    fn second_owner_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("made/on/the/way");
        let first = DirectoryLock::take(&dir).unwrap();
        let error = DirectoryLock::take(&dir).err().unwrap();
        assert_eq!(error.code, "data_directory_in_use");
        assert!(error.message.contains(&format!("(process {})", std::process::id())), "{error}");
        drop(first);
        DirectoryLock::take(&dir).unwrap();
    }

    #[test]
    fn directory_is_locked_until_a_worker_that_does_not_stop_in_time_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path());
        run(
            &engine,
            "CREATE STREAM s (v INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
             CREATE STREAM c AS SELECT v FROM s;",
        );
        let release = hold_up(&engine, "CSAS_C_1");
        engine.close();
        let refused = || try_open(dir.path(), &SINGLE).err().map(|error| error.code);
        assert_eq!(refused(), Some("data_directory_in_use"));
        drop(engine);
        assert_eq!(refused(), Some("data_directory_in_use"));
        drop(release);
        let deadline = Instant::now() + Duration::from_secs(20);
        while refused().is_some() {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
    }

    #[test]
    fn engine_that_is_dropped_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            drop(open(dir.path()));
        }
    }
}
