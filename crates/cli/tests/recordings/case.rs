//! The recordings, the SQL over them, and what must come out.

use std::path::{Path, PathBuf};

use connect::{FileOptions, FileReader};

use crate::process::ServerProcess;

/// The tutorial's own event time.
const UTC_TIME: &str = "STRINGTOTIMESTAMP(UtcTime, 'yyyy-MM-dd HH:mm:ss.SSS')";

/// In one recording the two kinds of events carry a `UtcTime` of different clocks; when the collector saw them is right.
const SEEN: &str = "STRINGTOTIMESTAMP(`@timestamp`, 'yyyy-MM-dd''T''HH:mm:ss.SSSX')";

/// Counts of all events in tables, beside the tutorial's queries: a table would hide rows that came twice, a count does
/// not.
const COUNTED: &str = "
CREATE TABLE EVENTS_PER_ID AS SELECT EventID, COUNT(*) AS N FROM WINLOGBEAT_STREAM GROUP BY EventID;
CREATE TABLE EVENTS_PER_MINUTE AS SELECT EventID, COUNT(*) AS N FROM WINLOGBEAT_STREAM
  WINDOW TUMBLING (SIZE 1 MINUTES, GRACE PERIOD 1000 DAYS) GROUP BY EventID;
CREATE TABLE FINAL_PER_MINUTE AS SELECT EventID, COUNT(*) AS N FROM WINLOGBEAT_STREAM
  WINDOW TUMBLING (SIZE 1 MINUTES, GRACE PERIOD 0 SECONDS) GROUP BY EventID EMIT FINAL;
CREATE STREAM FINALS (N BIGINT) WITH (KAFKA_TOPIC='FINAL_PER_MINUTE', VALUE_FORMAT='JSON');
";

/// One recording.
pub struct Case {
    sql: String,
    replays: Vec<Replay>,
    /// Streams, a column of each, and the records that must be in them at the end.
    counts: Vec<(&'static str, &'static str, usize)>,
    /// Tables whose column N must have this sum at the end.
    sums: Vec<(&'static str, usize)>,
    /// Windows that are final at the end.
    finals: Option<Finals>,
}

/// Windows that are closed at the end, as counted by an independent program: `@timestamp` gives the order, and what
/// comes after its window's end is not counted.
struct Finals {
    windows: usize,
    events: usize,
    /// With several hosts on several partitions it is a matter of luck which record is late.
    hosts: usize,
}

/// What one `tripline replay` sends.
pub struct Replay {
    topic: &'static str,
    files: Vec<PathBuf>,
    key: Option<&'static str>,
    /// Few enough that ten kills lie well apart.
    batch_records: u32,
}

/// The recordings' folder, or `None` with a word about it.
fn data() -> Option<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !dir.is_dir() {
        eprintln!("skipped: no recordings beside the project");
        return None;
    }
    Some(dir)
}

/// Seed 003: every network connection of a process whose start was seen. `counts` are those of events, of process
/// creations, of connections and of joined rows.
fn sysmon(file: &str, time: &str, counts: [usize; 4], finals: Finals) -> Option<Case> {
    let [events, creates, connects, joined] = counts;
    Some(Case {
        sql: include_str!("../../../../tests/recordings/sysmon.sql").replace(UTC_TIME, time) + COUNTED,
        replays: vec![Replay {
            topic: "winlogbeat",
            files: vec![data()?.join(file)],
            // Records of one host stay in order on any number of partitions.
            key: Some("Hostname"),
            batch_records: 100,
        }],
        counts: vec![
            ("WINLOGBEAT_STREAM", "EventID", events),
            ("SYSMON_PROCESS_CREATE", "PROCESS_GUID", creates),
            ("SYSMON_NETWORK_CONNECT", "PROCESS_GUID", connects),
            ("SYSMON_JOIN", "N_PROCESS_GUID", joined),
        ],
        sums: vec![("EVENTS_PER_ID", events), ("EVENTS_PER_MINUTE", events)],
        finals: Some(finals),
    })
}

/// 51 joined rows.
pub fn dcom() -> Option<Case> {
    let finals = Finals { windows: 70, events: 25_432, hosts: 4 };
    sysmon("windows/empire_dcom_shellwindows_stager.zip", UTC_TIME, [32_706, 80, 80, 51], finals)
}

/// 2 joined rows.
pub fn microphone() -> Option<Case> {
    let finals = Finals { windows: 45, events: 5_274, hosts: 3 };
    sysmon("windows/msf_record_mic.zip", UTC_TIME, [6_202, 12, 65, 2], finals)
}

/// 18 joined rows.
pub fn lsass() -> Option<Case> {
    // Its events are so far out of order that most are late, and one window is lost to a jump of three minutes, as it is in
    // Kafka Streams (see the windowed aggregate).
    let finals = Finals { windows: 47, events: 7_117, hosts: 1 };
    sysmon("lsass-05/host.zip", SEEN, [59_707, 122, 889, 18], finals)
}

fn zeek(topic: &'static str, files: Vec<PathBuf>) -> Replay {
    Replay { topic, files, key: None, batch_records: 10 }
}

/// Both hosts' files of a Zeek log.
fn apt29(data: &Path, log: &'static str) -> Replay {
    let files = ["NASHUA", "SCRANTON"].map(|host| data.join(format!("zeek/apt29-day1/{host}_{log}.log")));
    zeek(log, files.to_vec())
}

/// Seed 000: 3,514 joined rows by the subject, 378 by the certificate's file.
pub fn certificates() -> Option<Case> {
    let data = data()?;
    Some(Case {
        sql: include_str!("../../../../tests/recordings/certificates.sql").to_owned(),
        replays: vec![apt29(&data, "ssl"), apt29(&data, "x509")],
        counts: vec![
            ("SSL_STREAM", "UID", 378),
            ("X509_STREAM", "ID", 378),
            ("BY_SUBJECT", "SUBJECT", 3_514),
            ("BY_FILE", "FUID", 378),
        ],
        sums: vec![],
        finals: None,
    })
}

/// Seed 000: 53 look-ups with their connections.
pub fn look_ups() -> Option<Case> {
    let data = data()?;
    let replays = vec![apt29(&data, "dns"), apt29(&data, "conn")];
    Some(rich_dns(replays, vec![("DNS_STREAM", "UID", 53), ("RICH_DNS", "HOSTNAME", 53)]))
}

/// Seed 000 on the short recording: 27 look-ups with their connections.
pub fn short_look_ups() -> Option<Case> {
    let data = data()?;
    let file = |log: &'static str| Replay {
        batch_records: 4,
        ..zeek(log, vec![data.join(format!("zeek/zat-json/{log}.log"))])
    };
    let counts = vec![("DNS_STREAM", "UID", 50), ("CONN_STREAM", "UID", 50), ("RICH_DNS", "HOSTNAME", 27)];
    Some(rich_dns(vec![file("dns"), file("conn")], counts))
}

fn rich_dns(replays: Vec<Replay>, counts: Vec<(&'static str, &'static str, usize)>) -> Case {
    Case {
        sql: include_str!("../../../../tests/recordings/rich_dns.sql").to_owned(),
        replays,
        counts,
        sums: vec![],
        finals: None,
    }
}

impl Case {
    /// Creates the streams and queries, which read from the beginning.
    pub fn create(&self, server: &ServerProcess) {
        server.execute(&self.sql);
    }

    /// Returns the statements so that what is there already is left as it is.
    pub fn repeatable_sql(&self) -> String {
        let sql = self.sql.replace("CREATE STREAM ", "CREATE STREAM IF NOT EXISTS ");
        sql.replace("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ")
    }

    /// Sends everything to a server at this address, and checks that every event was acknowledged.
    pub fn replay(&self, url: &str) {
        for replay in &self.replays {
            let mut arguments = vec!["replay".to_owned(), "--server".to_owned(), url.to_owned()];
            arguments.extend(["--topic".to_owned(), replay.topic.to_owned()]);
            arguments.extend(["--batch-records".to_owned(), replay.batch_records.to_string()]);
            arguments.extend(replay.key.into_iter().flat_map(|key| ["--key".to_owned(), key.to_owned()]));
            arguments.extend(replay.files.iter().map(|file| file.display().to_string()));
            let done = crate::process::tripline().args(&arguments).output().unwrap();
            assert!(done.status.success(), "{}: {}", replay.topic, String::from_utf8_lossy(&done.stderr));
        }
    }

    /// Waits until the queries have read everything, and compares all counts.
    pub fn check(&self, server: &ServerProcess) {
        server.wait_until_settled();
        let found: Vec<_> = self
            .counts
            .iter()
            .map(|(stream, column, _)| {
                (*stream, server.rows(&format!("SELECT {column} FROM {stream};")).len())
            })
            .collect();
        let expect: Vec<_> = self.counts.iter().map(|(stream, _, count)| (*stream, *count)).collect();
        assert_eq!(found, expect, "{}", server.log());
        let numbers = |source: &str| -> Vec<usize> {
            let rows = server.rows(&format!("SELECT N FROM {source};"));
            rows.iter().map(|row| row[0].as_u64().unwrap() as usize).collect()
        };
        for (table, expect) in &self.sums {
            let sum: usize = numbers(table).iter().sum();
            assert_eq!((*table, sum), (*table, *expect), "{}", server.log());
        }
        if let Some(finals) = self.finals.as_ref().filter(|f| f.hosts == 1 || server.partitions == 1) {
            let found = numbers("FINALS");
            let found = (found.len(), found.iter().sum::<usize>());
            assert_eq!(found, (finals.windows, finals.events), "{}", server.log());
        }
        server.check_log();
    }

    /// Returns how many batches the replays send, and about how many bytes.
    pub fn size(&self) -> (u64, u64) {
        let (mut batches, mut bytes) = (0, 0);
        for replay in &self.replays {
            let names: Vec<String> = replay.files.iter().map(|file| file.display().to_string()).collect();
            let mut reader = FileReader::open(&names, FileOptions::default()).unwrap();
            let mut events = 0_u64;
            while let Some(event) = reader.next_event() {
                bytes += event.unwrap().bytes.len() as u64;
                events += 1;
            }
            batches += events.div_ceil(u64::from(replay.batch_records));
        }
        (batches, bytes)
    }
}
