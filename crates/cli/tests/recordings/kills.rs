//! The counts from a server that is killed ten times during the replay.

use std::collections::VecDeque;
use std::time::Duration;

use crate::case::{self, Case};
use crate::cutting_proxy::{CuttingProxy, Kill, Moment};
use crate::process::ServerProcess;

/// Kills, unless `TRIPLINE_KILLS` says more.
const KILLS: u64 = 10;

/// Batches at the end of a replay in which no server is killed: some are sent before the first of them is answered.
const LAST_BATCHES: u64 = 8;

/// The longest a server that is killed while it starts lives.
const START_MS_MAX: u64 = 250;

fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn run(case: Option<Case>, partitions: u32) {
    let Some(case) = case else { return };
    let soak = number_from_environment("TRIPLINE_KILLS");
    let seed = number_from_environment("TRIPLINE_SEED").unwrap_or(1);
    let kills = plan(case.size(), soak.unwrap_or(KILLS), seed, soak.is_some());
    let expected = kills.len() + kills.iter().filter(|kill| kill.again_after.is_some()).count();
    let server = ServerProcess::start(partitions);
    case.create(&server);
    let proxy = CuttingProxy::start(server, kills);
    case.replay(&proxy.url);
    let cut = proxy.cut.lock().unwrap();
    assert!(cut.kills.is_empty(), "kills after the end of the replay: {:?}", cut.kills);
    assert_eq!(cut.server.kills, expected);
    case.check(&cut.server);
}

/// Spreads kills over a replay's batches; the last lie before the replay's last requests.
fn plan((batches, bytes): (u64, u64), count: u64, seed: u64, is_soak: bool) -> VecDeque<Kill> {
    let mut random = seed;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below.max(1)
    };
    let usable = batches.checked_sub(LAST_BATCHES).expect("the replay has more batches");
    (0..count)
        .map(|number| Kill {
            answers: usable * number / count + next(usable / count),
            moment: match number % 2 == 0 && number + 1 < count {
                true => Moment::Sent(next(2 * bytes / batches)),
                false => Moment::Answer,
            },
            again_after: (is_soak && next(3) == 0).then(|| Duration::from_millis(next(START_MS_MAX))),
        })
        .collect()
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
}

#[test]
fn sysmon_joins_of_the_microphone_recording_on_several_partitions() {
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
}

#[test]
fn certificate_joins_on_several_partitions() {
    run(case::certificates(), 3);
}

#[test]
fn look_ups_with_their_connections() {
    run(case::look_ups(), 1);
}

#[test]
fn look_ups_with_their_connections_on_several_partitions() {
    run(case::look_ups(), 3);
}

#[test]
fn look_ups_of_the_short_recording() {
    run(case::short_look_ups(), 1);
}

#[test]
fn look_ups_of_the_short_recording_on_several_partitions() {
    run(case::short_look_ups(), 3);
}
