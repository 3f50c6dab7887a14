//! The counts from a server that is left alone.

use crate::case::{self, Case};
use crate::process::ServerProcess;

fn run(case: Option<Case>, partitions: u32) {
    let Some(case) = case else { return };
    let server = ServerProcess::start(partitions);
    case.create(&server);
    case.replay(&format!("http://{}", server.address));
    case.check(&server);
}

#[test]
fn sysmon_joins_of_the_dcom_recording() {
    run(case::dcom(), 1);
}

#[test]
fn sysmon_joins_of_the_dcom_recording_on_several_partitions() {
    run(case::dcom(), 3);
}

#[test]
fn sysmon_joins_of_the_microphone_recording() {
    run(case::microphone(), 1);
    run(case::microphone(), 3);
}

#[test]
fn sysmon_joins_of_the_lsass_recording() {
    run(case::lsass(), 1);
}

#[test]
fn sysmon_joins_of_the_lsass_recording_on_several_partitions() {
    run(case::lsass(), 3);
}

#[test]
fn certificate_joins() {
    run(case::certificates(), 1);
    run(case::certificates(), 3);
}

#[test]
fn look_ups_with_their_connections() {
    run(case::look_ups(), 1);
    run(case::look_ups(), 3);
}

#[test]
fn look_ups_of_the_short_recording() {
    run(case::short_look_ups(), 1);
    run(case::short_look_ups(), 3);
}
