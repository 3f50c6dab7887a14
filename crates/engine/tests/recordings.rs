//! The tutorials' SQL over real recordings, with the counts that must come out.
//!
//! The recordings lie beside the project (`../shared/data`); where they are not there the tests say so and
//! pass. The SQL (`tests/recordings`, shared with the tests of the running server) is the tutorials' own, cut to
//! the columns of the recordings; a column that the recordings name otherwise (`certificate_subject`) is named as
//! they do.

#![allow(clippy::unwrap_used, reason = "a test")]

mod opened;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use connect::{FileOptions, FileReader};
use engine::Engine;

/// The recordings, or `None` with a word about it.
fn data() -> Option<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !dir.is_dir() {
        eprintln!("skipped: no recordings beside the project");
        return None;
    }
    Some(dir)
}

struct Server {
    engine: Engine,
    _dir: tempfile::TempDir,
}

fn server(partitions: u32) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let engine = opened::open_with(dir.path(), &[("num.partitions", &partitions.to_string())]);
    Server { engine, _dir: dir }
}

impl Server {
    fn run(&self, sql: &str) {
        opened::run(&self.engine, sql);
    }

    /// Sends files to a topic, as `tripline replay` does; with `key` records with the same value of that field
    /// stay in order on any number of partitions (`tripline replay --key`).
    fn replay(&self, topic: &str, files: &[PathBuf], key: Option<&str>) -> usize {
        let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
        let mut reader = FileReader::open(&names, FileOptions::default()).unwrap();
        let mut records = Vec::new();
        let mut count = 0;
        while let Some(event) = reader.next_event() {
            let bytes = event.unwrap().bytes.to_vec();
            let key = key.and_then(|field| {
                let event: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
                Some(event.get(field)?.as_str()?.as_bytes().to_vec())
            });
            records.push((None, key, Some(bytes)));
            if records.len() == 5_000 {
                self.engine.produce(topic, None, &records).unwrap();
                count += records.len();
                records.clear();
            }
        }
        self.engine.produce(topic, None, &records).unwrap();
        count + records.len()
    }

    /// Records in a topic that readers of committed data see.
    fn count(&self, stream: &str) -> usize {
        let sql = format!("SELECT * FROM {stream};");
        let mut query = self.engine.query(&sql, &opened::earliest()).unwrap();
        let mut count = 0;
        loop {
            match query.rows.next(Duration::from_secs(30)) {
                Some(engine::RowEvent::Rows(rows)) => count += rows.len(),
                Some(engine::RowEvent::End { .. }) => return count,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Waits until a stream has that many records, and then that no more come.
    fn expect(&self, stream: &str, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.count(stream) < count {
            assert!(Instant::now() < deadline, "{stream}: {} of {count}", self.count(stream));
        }
        self.settled();
        assert_eq!(self.count(stream), count, "{stream}");
    }

    /// Waits until every query has read all there is.
    fn settled(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.engine.lag() > 0 {
            assert!(Instant::now() < deadline, "the queries did not come to the end");
            std::thread::yield_now();
        }
    }
}

/// Seed 003: Sysmon 1 and 3 from one topic, re-keyed on the process, the first as a table, joined.
const SYSMON: &str = include_str!("../../../tests/recordings/sysmon.sql");

/// The tutorial's own event time.
const UTC_TIME: &str = "STRINGTOTIMESTAMP(UtcTime, 'yyyy-MM-dd HH:mm:ss.SSS')";

/// In one recording the two kinds of events carry a `UtcTime` of different clocks; when the collector saw them is
/// right.
const SEEN: &str = "STRINGTOTIMESTAMP(`@timestamp`, 'yyyy-MM-dd''T''HH:mm:ss.SSSX')";

fn sysmon(file: &str, time: &str, partitions: u32, events: usize, connects: usize, joined: usize) {
    let Some(data) = data() else { return };
    let server = server(partitions);
    server.run(&SYSMON.replace(UTC_TIME, time));
    assert_eq!(server.replay("winlogbeat", &[data.join(file)], Some("Hostname")), events);
    server.expect("SYSMON_NETWORK_CONNECT", connects);
    server.expect("SYSMON_JOIN", joined);
    server.engine.close();
}

#[test]
fn sysmon_join_of_the_dcom_recording() {
    sysmon("windows/empire_dcom_shellwindows_stager.zip", UTC_TIME, 1, 32_706, 80, 51);
}

#[test]
fn sysmon_join_of_the_microphone_recording() {
    sysmon("windows/msf_record_mic.zip", UTC_TIME, 1, 6_202, 65, 2);
}

#[test]
fn sysmon_join_of_the_lsass_recording() {
    sysmon("lsass-05/host.zip", SEEN, 1, 59_707, 889, 18);
}

#[test]
fn sysmon_join_of_the_lsass_recording_on_several_partitions() {
    sysmon("lsass-05/host.zip", SEEN, 3, 59_707, 889, 18);
}

/// Seed 000: SSL and X509, joined on the subject within a second, and on the certificate's file id.
const CERTIFICATES: &str = include_str!("../../../tests/recordings/certificates.sql");

fn certificates(partitions: u32) {
    let Some(data) = data() else { return };
    let server = server(partitions);
    server.run(CERTIFICATES);
    let files =
        |log: &str| ["NASHUA", "SCRANTON"].map(|host| data.join(format!("zeek/apt29-day1/{host}_{log}.log")));
    assert_eq!(server.replay("ssl", &files("ssl"), None), 378);
    assert_eq!(server.replay("x509", &files("x509"), None), 378);
    server.expect("BY_SUBJECT", 3_514);
    server.expect("BY_FILE", 378);
    server.engine.close();
}

#[test]
fn certificates_are_joined_on_one_partition() {
    certificates(1);
}

#[test]
fn certificates_are_joined_on_several_partitions() {
    certificates(3);
}

/// Seed 000: every DNS look-up with its connection.
const RICH_DNS: &str = include_str!("../../../tests/recordings/rich_dns.sql");

fn rich_dns(partitions: u32, files: impl Fn(&std::path::Path, &str) -> Vec<PathBuf>, joined: usize) {
    let Some(data) = data() else { return };
    let server = server(partitions);
    server.run(RICH_DNS);
    server.replay("dns", &files(&data, "dns"), None);
    server.replay("conn", &files(&data, "conn"), None);
    server.expect("RICH_DNS", joined);
    server.engine.close();
}

#[test]
fn every_look_up_finds_its_connection() {
    let files = |data: &std::path::Path, log: &str| {
        ["NASHUA", "SCRANTON"].map(|host| data.join(format!("zeek/apt29-day1/{host}_{log}.log"))).to_vec()
    };
    rich_dns(1, files, 53);
    rich_dns(3, files, 53);
}

#[test]
fn some_look_ups_of_the_short_recording_find_theirs() {
    rich_dns(1, |data, log| vec![data.join(format!("zeek/zat-json/{log}.log"))], 27);
}
