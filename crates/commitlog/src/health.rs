//! Whether the log may still be written to.
//!
//! After a failed sync the kernel may have thrown the dirty pages away and report success the next time
//! (“fsyncgate”), so the first failure is final: nothing is acknowledged until a restart has read the disk again.

use std::sync::OnceLock;

use crate::error::LogError;

#[derive(Default)]
pub(crate) struct Health {
    failure: OnceLock<String>,
}

impl Health {
    /// Refuses work after a failure.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        match self.failure.get() {
            None => Ok(()),
            Some(cause) => Err(LogError::ReadOnly { cause: cause.clone() }),
        }
    }

    /// Makes the log read-only and returns the error to answer with.
    pub(crate) fn fail(&self, error: LogError) -> LogError {
        let cause = self.failure.get_or_init(|| {
            tracing::error!(%error, "log is read-only from now on");
            error.to_string()
        });
        LogError::ReadOnly { cause: cause.clone() }
    }

    /// Makes the log read-only if a file's replacement failed after the new one was written: which of the two a
    /// restart finds is not known, and the one in use may have lost its name.
    pub(crate) fn judge(&self, error: LogError) -> LogError {
        match error {
            LogError::Io { action: "creating" | "writing", .. } => error,
            error => self.fail(error),
        }
    }
}
