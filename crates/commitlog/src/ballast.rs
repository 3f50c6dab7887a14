//! Space kept back for a full disk: a file of zeros that goes when what frees space needs some itself, such as
//! the checkpoint that is written before segments are deleted.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::disk::Disk;
use crate::error::LogError;

const BALLAST_FILE: &str = "ballast";

pub(crate) struct Ballast {
    path: PathBuf,
    bytes: u64,
    laid: Mutex<bool>,
}

impl Ballast {
    pub(crate) fn new(dir: &Path, bytes: u64) -> Ballast {
        Ballast { path: dir.join(BALLAST_FILE), bytes, laid: Mutex::new(false) }
    }

    /// Writes the file unless it is there. A disk that has no room for it is left as it was.
    pub(crate) fn lay(&self, disk: &dyn Disk) {
        let mut laid = self.laid.lock().expect("no holder panics");
        if *laid || self.bytes == 0 {
            return;
        }
        let present = disk.open(&self.path).and_then(|file| file.len()).unwrap_or(0);
        if present < self.bytes {
            let written = disk.create(&self.path).and_then(|file| file.allocate(0, self.bytes));
            if let Err(error) = written {
                tracing::warn!(path = %self.path.display(), %error, "no space can be kept back for a full disk");
                let _ = disk.remove(&self.path);
                return;
            }
        }
        *laid = true;
    }

    /// Does something that frees space, with the space kept back if there is no other.
    pub(crate) fn with<T>(
        &self,
        disk: &dyn Disk,
        mut work: impl FnMut() -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        match work() {
            Err(error) if error.is_disk_full() && self.release(disk) => work(),
            other => other,
        }
    }

    fn release(&self, disk: &dyn Disk) -> bool {
        let mut laid = self.laid.lock().expect("no holder panics");
        *laid = false;
        let released = disk.remove(&self.path).is_ok();
        if released {
            tracing::warn!(path = %self.path.display(), "disk is full, the space kept back is used");
        }
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated_disk::SimulatedDisk;

    #[test]
    fn gives_its_space_to_what_needs_it() {
        let disk = SimulatedDisk::new();
        disk.set_capacity(Some(10_000));
        let ballast = Ballast::new(Path::new("/"), 4_000);
        ballast.lay(&disk);
        let fill = || -> Result<(), LogError> {
            let path = Path::new("/data");
            let failed = |error| LogError::io("writing", path, &error);
            disk.create(path).map_err(failed)?.write_at(&[1; 8_000], 0).map_err(failed)
        };
        assert!(fill().unwrap_err().is_disk_full());
        ballast.with(&disk, fill).unwrap();
        // No room for it, and nothing is left of the attempt.
        ballast.lay(&disk);
        assert_eq!(disk.list(Path::new("/")).unwrap(), ["data"]);
        disk.remove(Path::new("/data")).unwrap();
    }
}
