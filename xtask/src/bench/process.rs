//! What the operating system knows of this process: memory and the CPU time of its threads.

use std::fs;

/// Memory this process has in use in MB.
pub(crate) fn rss_mb() -> f64 {
    rss_mb_of(std::process::id())
}

/// Memory a process has in use in MB, as the kernel counts it.
pub(crate) fn rss_mb_of(process: u32) -> f64 {
    status_kb(process, "VmRSS:") / 1024.0
}

/// The most it ever had in use.
pub(crate) fn peak_mb_of(process: u32) -> f64 {
    status_kb(process, "VmHWM:") / 1024.0
}

fn status_kb(process: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

/// CPU seconds of all threads whose name begins so.
pub(crate) fn thread_seconds(name: &str) -> f64 {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return 0.0 };
    threads
        .flatten()
        .filter(|thread| {
            fs::read_to_string(thread.path().join("comm")).is_ok_and(|comm| comm.starts_with(name))
        })
        .map(|thread| run_seconds(&thread.path().join("schedstat")))
        .sum()
}

fn run_seconds(path: &std::path::Path) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let ns: f64 = text.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0.0);
    ns / 1e9
}
