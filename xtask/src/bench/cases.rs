//! The cases: statements, records, and what is asked of them.

use std::fmt::Write;
use std::time::Instant;

use anyhow::Result;

use super::Options;
use super::baseline;
use super::load::{Lines, execute, fill, metric, open, wait_committed};
use super::process::{rss_mb, thread_seconds};

pub(crate) const CONN: &str = "CREATE STREAM conn_stream (ts DOUBLE, uid STRING, \"id.orig_h\" VARCHAR, \
    \"id.orig_p\" INTEGER, \"id.resp_h\" VARCHAR, \"id.resp_p\" INTEGER, proto STRING, service STRING, \
    conn_state STRING, local_orig BOOLEAN, local_resp BOOLEAN, missed_bytes INTEGER, history STRING, \
    orig_packets INTEGER, orig_ip_bytes INTEGER, resp_pkts INTEGER, resp_ip_bytes INTEGER) \
    WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON', PARTITIONS=1);";

const DNS: &str = "CREATE STREAM dns_stream (ts DOUBLE, uid STRING, \"id.orig_h\" VARCHAR, \
    \"id.orig_p\" INTEGER, \"id.resp_h\" VARCHAR, \"id.resp_p\" INTEGER, proto STRING, trans_id INTEGER, \
    \"query\" VARCHAR, qclass INTEGER, qclass_name VARCHAR, qtype INTEGER, qtype_name STRING, \
    rcode INTEGER, rcode_name STRING, AA BOOLEAN, TC BOOLEAN, RD BOOLEAN, RA BOOLEAN, Z INTEGER, \
    answers ARRAY<STRING>, ttls ARRAY<DOUBLE>, rejected BOOLEAN) \
    WITH (KAFKA_TOPIC='dns', VALUE_FORMAT='JSON', PARTITIONS=1);";

const WINLOGBEAT: &str = "CREATE STREAM winlogevents (`@timestamp` VARCHAR, \
    `@metadata` STRUCT<beat VARCHAR, type VARCHAR, version VARCHAR>, \
    winlog STRUCT<version INT, event_data STRUCT<ProcessId VARCHAR, CommandLine VARCHAR, \
    SubjectDomainName VARCHAR, MandatoryLabel VARCHAR, SubjectUserName VARCHAR, SubjectLogonId VARCHAR, \
    TargetUserSid VARCHAR, SubjectUserSid VARCHAR, TargetUserName VARCHAR, ParentProcessName VARCHAR, \
    TargetLogonId VARCHAR, NewProcessName VARCHAR, TargetDomainName VARCHAR, TokenElevationType VARCHAR, \
    NewProcessId VARCHAR>, api VARCHAR, task VARCHAR, process STRUCT<pid INT, thread STRUCT<id INT>>, \
    keywords ARRAY<VARCHAR>, provider_guid VARCHAR, opcode VARCHAR, record_id BIGINT, \
    computer_name VARCHAR, event_id VARCHAR, provider_name VARCHAR, channel VARCHAR>, \
    event STRUCT<created VARCHAR, code VARCHAR, kind VARCHAR, provider VARCHAR, outcome VARCHAR, \
    action VARCHAR>, log STRUCT<level VARCHAR>, message VARCHAR, \
    host STRUCT<name VARCHAR, hostname VARCHAR, architecture VARCHAR, os STRUCT<version VARCHAR, \
    family VARCHAR, name VARCHAR, kernel VARCHAR, build VARCHAR, type VARCHAR, platform VARCHAR>, \
    id VARCHAR, ip ARRAY<VARCHAR>, mac ARRAY<VARCHAR>>, ecs STRUCT<version VARCHAR>, \
    agent STRUCT<name VARCHAR, type VARCHAR, version VARCHAR, ephemeral_id VARCHAR, id VARCHAR>) \
    WITH (KAFKA_TOPIC='wineventlogs', VALUE_FORMAT='JSON', PARTITIONS=1);";

const INBOUND: &str = "CREATE STREAM inbound_stream AS SELECT * FROM conn_stream \
    WHERE LOCAL_ORIG != true AND \"id.resp_h\" LIKE '192.168.1%';";

const COUNT: &str = "CREATE TABLE counts AS SELECT \"id.orig_h\", COUNT(*) AS n FROM conn_stream \
    WINDOW TUMBLING (SIZE 5 MINUTES) GROUP BY \"id.orig_h\";";

const JOIN: &str = "CREATE STREAM rich_dns AS SELECT d.\"query\", d.\"id.orig_h\" AS SRC_IP, \
    d.\"id.resp_h\" AS DEST_IP, d.\"id.orig_p\" AS SRC_PORT, d.QTYPE_NAME, d.TTLS, \
    SPLIT(d.\"query\", '.')[1] AS HOSTNAME, d.ANSWERS, d.TS, d.UID, c.UID, \
    c.ORIG_IP_BYTES AS REQUEST_BYTES, c.RESP_IP_BYTES AS REPLY_BYTES, c.LOCAL_ORIG \
    FROM dns_stream d INNER JOIN conn_stream c WITHIN 1 MINUTES ON d.UID = c.UID \
    WHERE LOCAL_ORIG = true;";

const SOC_PRIME: &str = "CREATE STREAM windows_alerts WITH (KAFKA_TOPIC = 'windows_alerts') AS SELECT \
    host->hostname AS Host, winlog->event_data->CommandLine AS CommandLine, \
    winlog->event_data->ParentProcessName AS ParentImage FROM WINLOGEVENTS WHERE \
    ((winlog->event_data->CommandLine LIKE '%AntiSpywareProduct%' \
    OR winlog->event_data->CommandLine LIKE '%AntiVirusProduct%' \
    OR winlog->event_data->CommandLine LIKE '%FirewallProduct%') \
    AND NOT (winlog->event_data->ParentProcessName LIKE '%phpstorm64.exe' \
    OR winlog->event_data->ParentProcessName LIKE '%pycharm64.exe') \
    AND winlog->event_data->CommandLine LIKE '%displayName%' \
    AND winlog->event_data->CommandLine LIKE '%productState%') \
    OR (winlog->event_data->CommandLine LIKE '%Win32_Process%' \
    AND winlog->event_data->CommandLine LIKE '%AvastUI.exe%' \
    AND winlog->event_data->CommandLine LIKE '%AvastSvc.exe%' \
    AND winlog->event_data->CommandLine LIKE '%FortiWF.exe%' \
    AND winlog->event_data->CommandLine LIKE '%xagt.exe%' \
    AND winlog->event_data->CommandLine LIKE '%fcappdb.exe%');";

const CONN_LINES: Lines = Lines::Conn { inbound_percent: 15, sources: 10_000 };

struct Case {
    name: &'static str,
    sources: &'static str,
    /// Topic, lines, and a divisor of the number of records.
    topics: &'static [(&'static str, Lines, u64)],
    query: String,
    /// Queries that each read all records.
    queries: u64,
    settings: &'static [(&'static str, &'static str)],
    baseline: Option<baseline::Work>,
    /// Records a second asked for.
    target: f64,
}

fn cases() -> Vec<Case> {
    let conn = Case {
        name: "1 inbound filter, 15 % pass",
        sources: CONN,
        topics: &[("conn", CONN_LINES, 1)],
        query: INBOUND.into(),
        queries: 1,
        settings: &[],
        baseline: Some(baseline::Work::Inbound),
        target: 3.0e6,
    };
    let with = |name, query: String, target| Case { name, query, target, ..case_of(&conn) };
    let mut cases = vec![
        Case {
            topics: &[("conn", Lines::Conn { inbound_percent: 100, sources: 10_000 }, 1)],
            ..with("2 inbound filter, all pass", INBOUND.into(), 1.8e6)
        },
        Case {
            baseline: Some(baseline::Work::Count),
            ..with("3a windowed count, cache", COUNT.into(), 2.2e6)
        },
        Case {
            baseline: None,
            settings: &[("cache.max.bytes.buffering", "0")],
            ..with("3b windowed count, every change", COUNT.into(), 2.2e6)
        },
        Case {
            sources: "",
            topics: &[("dns", Lines::Dns, 2), ("conn", CONN_LINES, 2)],
            query: JOIN.into(),
            baseline: None,
            ..with("4 dns-conn join", String::new(), 6.0e5)
        },
        Case { baseline: None, queries: 100, ..with("5 hundred filters", hundred_filters(), 0.75e6) },
        Case {
            sources: WINLOGBEAT,
            topics: &[("wineventlogs", Lines::Winlogbeat, 5)],
            query: SOC_PRIME.into(),
            baseline: Some(baseline::Work::SocPrime),
            ..with("6 winlogbeat, SOC Prime rule", String::new(), 4.0e5)
        },
        // To be compared with the first: good records should lose less than a tenth of their speed.
        Case {
            topics: &[("conn", Lines::DamagedConn { one_in: 100 }, 1)],
            baseline: None,
            ..with("7a inbound filter, 1 % malformed", INBOUND.into(), 2.7e6)
        },
        Case {
            topics: &[("conn", Lines::DamagedConn { one_in: 10 }, 1)],
            baseline: None,
            ..with("7b inbound filter, 10 % malformed", INBOUND.into(), 2.7e6)
        },
    ];
    cases.insert(0, conn);
    cases
}

fn case_of(case: &Case) -> Case {
    Case { query: case.query.clone(), ..*case }
}

/// A hundred filters as analysts write them: addresses, networks, ports with sizes, states with services.
fn hundred_filters() -> String {
    let mut sql = String::new();
    for n in 0..100 {
        let (a, b) = (n / 4, n % 50);
        let predicate = match n % 4 {
            0 => format!("\"id.orig_h\" = '10.0.{a}.{b}'"),
            1 => format!("\"id.resp_h\" LIKE '198.18.{a}.1%' AND local_orig = true"),
            2 => format!("\"id.resp_p\" = {} AND orig_ip_bytes > {}", 440 + a, 4000 + n),
            _ => format!("service = 'ssl' AND conn_state != 'SF' AND resp_ip_bytes > {}", 80_000 + n * 50),
        };
        let _ = write!(sql, "CREATE STREAM filter_{n} AS SELECT * FROM conn_stream WHERE {predicate};");
    }
    sql
}

/// Runs the cases wanted and prints a line for each.
pub(crate) fn run(options: &Options) -> Result<()> {
    let wanted: Vec<Case> = cases().into_iter().filter(|case| options.wants(case.name)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    println!(
        "{:<34} {:>9} {:>9} {:>8} {:>8} {:>8} {:>9} {:>7} {:>7}",
        "case", "rec/s", "rec/cpu s", "MB/s in", "out", "RSS MB", "serde/cpu", "ratio", "asked"
    );
    for case in wanted {
        run_case(&case, options)?;
    }
    Ok(())
}

/// What a run of a case came to.
struct Measured {
    /// Input records.
    records: u64,
    bytes: u64,
    wall_seconds: f64,
    cpu_seconds: f64,
    rows: u64,
    errors: u64,
    rss_mb: f64,
}

impl Measured {
    fn rate(&self) -> f64 {
        self.records as f64 / self.wall_seconds
    }

    fn cpu_rate(&self) -> f64 {
        self.records as f64 / self.cpu_seconds
    }
}

fn run_case(case: &Case, options: &Options) -> Result<()> {
    let mut best = measure(case, options.records)?;
    for _ in 1..options.runs {
        let run = measure(case, options.records)?;
        if run.rate() > best.rate() {
            best = run;
        }
    }
    let plain = match case.baseline {
        Some(work) => {
            let (_, lines, divisor) = case.topics[0];
            Some(baseline::measure(work, lines, (options.records / divisor).min(300_000))?)
        }
        None => None,
    };
    println!(
        "{:<34} {:>9.0} {:>9.0} {:>8.0} {:>8} {:>8.0} {:>9} {:>7} {:>6.2}M{}",
        case.name,
        best.rate(),
        best.cpu_rate(),
        best.bytes as f64 / best.wall_seconds / 1e6,
        best.rows,
        best.rss_mb,
        plain.map_or(String::new(), |p| format!("{p:.0}")),
        plain.map_or(String::new(), |p| format!("{:.1}x", best.cpu_rate() / p)),
        case.target / 1e6,
        if best.errors > 0 { format!("  ERRORS {}", best.errors) } else { String::new() },
    );
    Ok(())
}

fn measure(case: &Case, records: u64) -> Result<Measured> {
    let dir = tempfile::tempdir()?;
    let engine = open(dir.path(), case.settings)?;
    let sources = if case.sources.is_empty() { [DNS, CONN].concat() } else { case.sources.to_owned() };
    execute(&engine, &sources)?;
    let (mut bytes, mut total) = (0, 0);
    for (topic, lines, divisor) in case.topics {
        bytes += fill(&engine, topic, *lines, records / divisor)?;
        total += records / divisor;
    }
    let (mut cpu, mut start) = (thread_seconds("worker"), Instant::now());
    execute(&engine, &case.query)?;
    let mut done = 0;
    if case.queries > 1 {
        // Several queries are measured from the last one's start: only then do they read together.
        done = metric(&engine, "tripline_query_records_committed_total");
        (cpu, start) = (thread_seconds("worker"), Instant::now());
    }
    wait_committed(&engine, total * case.queries)?;
    let (wall_seconds, cpu_seconds) = (start.elapsed().as_secs_f64(), thread_seconds("worker") - cpu);
    let measured = Measured {
        records: total - done / case.queries,
        bytes,
        wall_seconds,
        cpu_seconds,
        rows: metric(&engine, "tripline_query_records_produced_total"),
        errors: metric(&engine, "tripline_query_errors_total"),
        rss_mb: rss_mb(),
    };
    engine.close();
    Ok(measured)
}
