//! All files of `tests/scenarios`, each way in a test of its own.

use std::path::{Path, PathBuf};

use scenario::{Runner, Way, Ways};

fn files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let only = std::env::var("SCENARIO").unwrap_or_default();
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("the folder is part of the source")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "scenario"))
        .filter(|path| path.to_string_lossy().contains(&only))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no scenario files");
    files
}

fn check(way: Way) {
    check_with(way, &[]);
}

fn check_with(way: Way, settings: &[(&'static str, &str)]) {
    let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let mut out = Vec::new();
    let summary = Runner { ways: Ways::only(way), server: None, settings }
        .run_files(&files(), &mut out)
        .expect("a vector takes all");
    let text = String::from_utf8_lossy(&out);
    assert_eq!(summary.failed, 0, "\n{text}");
}

#[test]
fn all_pass_with_one_partition() {
    check(Way::One);
}

#[test]
fn all_pass_with_many_partitions() {
    check(Way::Many);
}

#[test]
fn all_pass_when_killed_after_every_input() {
    check(Way::Restore);
}

#[test]
fn all_pass_when_killed_after_every_input_with_a_snapshot_after_every_commit() {
    check_with(Way::Restore, &[("tripline.snapshot.bytes", "0")]);
}

#[test]
fn all_pass_when_state_is_spilled_at_once() {
    check_with(Way::Many, &[("tripline.state.memory.bytes", "0"), ("tripline.snapshot.bytes", "0")]);
}
