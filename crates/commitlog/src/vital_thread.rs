//! Threads that nothing goes on without.

/// Ends the process when the thread it lives in panics: who waits for that thread would wait for ever, and a start after
/// a kill loses nothing.
pub struct VitalThread(pub &'static str);

impl Drop for VitalThread {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(thread = self.0, "thread panicked, the process ends");
            std::process::abort();
        }
    }
}
