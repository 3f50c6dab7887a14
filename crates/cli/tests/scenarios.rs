//! The scenario files through a real server, as `tripline test --ways server`. The other ways are tests of the scenario
//! crate.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::Command;

#[test]
fn all_scenarios_pass_through_a_server() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let out = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .args(["test", "--ways", "server"])
        .args(files.filter(|file| file.extension().is_some_and(|e| e == "scenario")))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
    assert!(text.contains(", 0 failed") && text.contains("(server)"), "{text}");
}
