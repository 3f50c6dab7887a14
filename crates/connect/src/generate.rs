//! Events for measuring speed: as many as wanted, the same for the same seed, cheaper to write than to read.
//!
//! | lines | shape | bytes |
//! |---|---|---|
//! | [`ConnLines`] | Zeek `conn`, 20 fields of which some are left out | about 379 |
//! | [`DnsLines`] | Zeek `dns`; the uid is that of the `conn` line of the same index and seed | about 420 |
//! | [`WinlogbeatLines`] | Winlogbeat 7, nested, process creations with escaped paths | about 2,680 |
//!
//! A line is made from its index alone, so lines can be made in pieces on several threads with `starting_at`.

use crate::random::{mix, write_base62};

/// The time of the first line: 2020-05-13 10:06:40 UTC.
pub const FIRST_MS: i64 = 1_589_364_400_000;
/// Time from one line to the next.
pub const STEP_US: u64 = 100;
/// Share of `conn` lines that come from outside and reach `192.168.1…`, unless told otherwise.
pub const INBOUND_PERCENT: u64 = 15;
/// Number of different source addresses, unless told otherwise.
pub const SOURCES: u64 = 10_000;
/// One Winlogbeat line in so many carries the command line of the tutorial's rule.
pub const SUSPICIOUS_EVERY: u64 = 1_000;

/// Makes `n` lines of Zeek's `conn` log.
pub fn conn_lines(seed: u64, n: u64) -> ConnLines {
    ConnLines { seed, index: 0, end: n, inbound_percent: INBOUND_PERCENT, sources: SOURCES }
}

/// Makes `n` lines of Zeek's `dns` log, which belong to the `conn` lines of the same seed.
pub fn dns_lines(seed: u64, n: u64) -> DnsLines {
    DnsLines { seed, index: 0, end: n, sources: SOURCES }
}

/// Makes `n` lines as Winlogbeat 7 writes them.
pub fn winlogbeat_lines(seed: u64, n: u64) -> WinlogbeatLines {
    WinlogbeatLines { seed, index: 0, end: n }
}

/// Lines of Zeek's `conn` log.
#[derive(Debug, Clone)]
pub struct ConnLines {
    seed: u64,
    index: u64,
    end: u64,
    inbound_percent: u64,
    sources: u64,
}

/// Lines of Zeek's `dns` log.
#[derive(Debug, Clone)]
pub struct DnsLines {
    seed: u64,
    index: u64,
    end: u64,
    sources: u64,
}

/// Lines as Winlogbeat 7 writes them.
#[derive(Debug, Clone)]
pub struct WinlogbeatLines {
    seed: u64,
    index: u64,
    end: u64,
}

impl ConnLines {
    /// Sets the share of lines with `local_orig` false and `id.resp_h` in `192.168.1…`; more than 100 is 100.
    pub fn with_inbound_percent(mut self, percent: u64) -> Self {
        self.inbound_percent = percent.min(100);
        self
    }

    /// Sets the number of different `id.orig_h`, from 1 to 16,777,216.
    pub fn with_sources(mut self, sources: u64) -> Self {
        self.sources = sources.clamp(1, 1 << 24);
        self
    }

    /// Leaves out the lines before `index`.
    pub fn starting_at(mut self, index: u64) -> Self {
        self.index = index;
        self
    }

    /// Appends the next line, without its end, and returns its time in milliseconds; `None` after the last.
    pub fn write_next(&mut self, out: &mut Vec<u8>) -> Option<i64> {
        let index = next_index(&mut self.index, self.end)?;
        let mut bits = Bits::of(self.seed, index);
        let inbound = bits.below(100) < self.inbound_percent;
        let local_orig = !inbound && bits.below(100) < 80;
        write_time(out, index);
        write_uid(out, self.seed, index);
        out.extend_from_slice(b",\"id.orig_h\":\"");
        write_source(out, self.source(&mut bits));
        out.extend_from_slice(b"\",\"id.orig_p\":");
        write_number(out, 1024 + bits.below(64_000));
        out.extend_from_slice(b",\"id.resp_h\":\"");
        if inbound {
            out.extend_from_slice(b"192.168.1");
            out.push(b'0' + bits.below(10) as u8);
        } else {
            // 198.18.0.0/15 is set aside for measurements (RFC 2544).
            out.extend_from_slice(b"198.18.");
            write_number(out, bits.below(250));
        }
        out.push(b'.');
        write_number(out, 1 + bits.below(250));
        out.extend_from_slice(b"\",\"id.resp_p\":");
        let (port, proto, service) = SERVICES[bits.below(SERVICES.len() as u64) as usize];
        out.extend_from_slice(port);
        out.extend_from_slice(b",\"proto\":\"");
        out.extend_from_slice(proto);
        out.push(b'"');
        if !service.is_empty() {
            out.extend_from_slice(b",\"service\":\"");
            out.extend_from_slice(service);
            out.push(b'"');
        }
        // Flows that nobody answered have no length.
        let answered = bits.below(100) < 85;
        let (sent, received) = (bits.below(5_000), bits.below(90_000));
        if answered {
            out.extend_from_slice(b",\"duration\":0.");
            write_digits(out, 100_000_000 + bits.below(900_000_000));
            out.extend_from_slice(b",\"orig_bytes\":");
            write_number(out, sent);
            out.extend_from_slice(b",\"resp_bytes\":");
            write_number(out, received);
        }
        out.extend_from_slice(if answered {
            b",\"conn_state\":\"SF\",\"local_orig\":"
        } else {
            b",\"conn_state\":\"S0\",\"local_orig\":"
        });
        out.extend_from_slice(if local_orig { b"true" } else { b"false" });
        out.extend_from_slice(b",\"local_resp\":");
        out.extend_from_slice(if inbound { b"true" } else { b"false" });
        out.extend_from_slice(b",\"missed_bytes\":0,\"history\":\"");
        out.extend_from_slice(if answered { b"ShADadFf" } else { b"S" });
        out.extend_from_slice(b"\",\"orig_pkts\":");
        write_number(out, sent / 1000 + 2);
        out.extend_from_slice(b",\"orig_ip_bytes\":");
        write_number(out, sent + 84);
        out.extend_from_slice(b",\"resp_pkts\":");
        write_number(out, received / 1400 + 1);
        out.extend_from_slice(b",\"resp_ip_bytes\":");
        write_number(out, received + 44);
        out.push(b'}');
        Some(time_ms(index))
    }

    fn source(&self, bits: &mut Bits) -> u64 {
        bits.below(self.sources)
    }
}

impl DnsLines {
    /// Sets the number of different `id.orig_h`, from 1 to 16,777,216.
    pub fn with_sources(mut self, sources: u64) -> Self {
        self.sources = sources.clamp(1, 1 << 24);
        self
    }

    /// Leaves out the lines before `index`.
    pub fn starting_at(mut self, index: u64) -> Self {
        self.index = index;
        self
    }

    /// Appends the next line, without its end, and returns its time in milliseconds; `None` after the last.
    pub fn write_next(&mut self, out: &mut Vec<u8>) -> Option<i64> {
        let index = next_index(&mut self.index, self.end)?;
        let mut bits = Bits::of(!self.seed, index);
        write_time(out, index);
        write_uid(out, self.seed, index);
        out.extend_from_slice(b",\"id.orig_h\":\"");
        write_source(out, bits.below(self.sources));
        out.extend_from_slice(b"\",\"id.orig_p\":");
        write_number(out, 1024 + bits.below(64_000));
        out.extend_from_slice(
            b",\"id.resp_h\":\"192.168.1.1\",\"id.resp_p\":53,\"proto\":\"udp\",\"trans_id\":",
        );
        write_number(out, 1 + bits.below(65_535));
        out.extend_from_slice(b",\"rtt\":0.0");
        write_digits(out, 1000 + bits.below(9000));
        out.extend_from_slice(b",\"query\":\"");
        out.extend_from_slice(HOST_LABELS[bits.below(HOST_LABELS.len() as u64) as usize]);
        out.extend_from_slice(b".site");
        write_number(out, bits.below(5_000));
        out.extend_from_slice(b".example\",\"qclass\":1,\"qclass_name\":\"C_INTERNET\",\"qtype\":");
        let (qtype, name) = QUERY_TYPES[bits.below(QUERY_TYPES.len() as u64) as usize];
        out.extend_from_slice(qtype);
        out.extend_from_slice(b",\"qtype_name\":\"");
        out.extend_from_slice(name);
        out.extend_from_slice(b"\",\"rcode\":0,\"rcode_name\":\"NOERROR\",\"AA\":false,\"TC\":false,\"RD\":true,\"RA\":true,\"Z\":0,\"answers\":[\"203.0.113.");
        write_number(out, bits.below(250));
        out.extend_from_slice(b"\"],\"TTLs\":[");
        write_number(out, 30 + bits.below(3_600));
        out.extend_from_slice(b".0],\"rejected\":false}");
        Some(time_ms(index))
    }
}

impl WinlogbeatLines {
    /// Leaves out the lines before `index`.
    pub fn starting_at(mut self, index: u64) -> Self {
        self.index = index;
        self
    }

    /// Appends the next line, without its end, and returns its time in milliseconds; `None` after the last.
    pub fn write_next(&mut self, out: &mut Vec<u8>) -> Option<i64> {
        let index = next_index(&mut self.index, self.end)?;
        let mut bits = Bits::of(self.seed, index);
        let program = PROGRAMS[bits.below(PROGRAMS.len() as u64) as usize];
        let host = bits.below(500);
        let user = bits.below(2_000);
        let process_id = 0x1000 + bits.below(0xf000);
        let command_line: &[u8] = if bits.below(SUSPICIOUS_EVERY) == 0 {
            SUSPICIOUS
        } else {
            b"\\\" --profile \\\"C:\\\\Users\\\\Public\\\\Documents\\\\session.ini\\\" --quiet"
        };
        let mut parts = WINLOGBEAT.split(|byte| *byte == b'~');
        let mut literal = |out: &mut Vec<u8>| out.extend_from_slice(parts.next().unwrap_or_default());
        literal(out);
        write_timestamp(out, index);
        literal(out);
        write_number(out, process_id);
        literal(out);
        out.extend_from_slice(program);
        out.extend_from_slice(command_line);
        literal(out);
        write_number(out, user);
        literal(out);
        out.extend_from_slice(program);
        literal(out);
        write_number(out, 100_000 + index);
        literal(out);
        write_number(out, host);
        literal(out);
        write_timestamp(out, index);
        literal(out);
        write_number(out, user);
        literal(out);
        write_number(out, process_id);
        literal(out);
        out.extend_from_slice(program);
        literal(out);
        out.extend_from_slice(program);
        out.extend_from_slice(command_line);
        literal(out);
        write_number(out, host);
        literal(out);
        write_number(out, host);
        literal(out);
        write_number(out, host);
        literal(out);
        Some(time_ms(index))
    }
}

/// Port, protocol and service, as often as they are listed.
const SERVICES: [(&[u8], &[u8], &[u8]); 8] = [
    (b"53", b"udp", b"dns"),
    (b"443", b"tcp", b"ssl"),
    (b"80", b"tcp", b"http"),
    (b"443", b"tcp", b"ssl"),
    (b"53", b"udp", b"dns"),
    (b"123", b"udp", b"ntp"),
    (b"8443", b"tcp", b""),
    (b"445", b"tcp", b"gssapi,smb"),
];

const HOST_LABELS: [&[u8]; 8] = [b"www", b"mail", b"cdn", b"api", b"static", b"img", b"login", b"telemetry"];

const QUERY_TYPES: [(&[u8], &[u8]); 4] = [(b"1", b"A"), (b"28", b"AAAA"), (b"1", b"A"), (b"16", b"TXT")];

/// Program paths as they stand inside a JSON string.
const PROGRAMS: [&[u8]; 6] = [
    b"C:\\\\Windows\\\\System32\\\\svchost.exe",
    b"C:\\\\Windows\\\\System32\\\\WindowsPowerShell\\\\v1.0\\\\powershell.exe",
    b"C:\\\\Program Files\\\\Mozilla Firefox\\\\firefox.exe",
    b"C:\\\\Windows\\\\System32\\\\wbem\\\\WMIC.exe",
    b"C:\\\\Windows\\\\System32\\\\cmd.exe",
    b"C:\\\\Program Files\\\\Microsoft Office\\\\root\\\\Office16\\\\EXCEL.EXE",
];

/// The command line that the tutorial's rule looks for.
const SUSPICIOUS: &[u8] =
    b" /Namespace:\\\\\\\\root\\\\SecurityCenter2 Path AntiVirusProduct Get displayName,productState";

/// A security event 4688 in the tutorial's schema; a tilde stands where something is put in.
const WINLOGBEAT: &[u8] = br#"{"@timestamp":"~","@metadata":{"beat":"winlogbeat","type":"_doc","version":"7.17.9"},"winlog":{"version":2,"event_data":{"ProcessId":"~","CommandLine":"~","SubjectDomainName":"OFFICE","MandatoryLabel":"S-1-16-8192","SubjectUserName":"user~","SubjectLogonId":"0x3e7f1","TargetUserSid":"S-1-0-0","SubjectUserSid":"S-1-5-21-1004336348-1177238915-682003330-1106","TargetUserName":"-","ParentProcessName":"~","TargetLogonId":"0x0","NewProcessName":"C:\\Windows\\System32\\conhost.exe","TargetDomainName":"-","TokenElevationType":"%%1938","NewProcessId":"0x1a2c"},"api":"wineventlog","task":"Process Creation","process":{"pid":4,"thread":{"id":7312}},"keywords":["Audit Success"],"provider_guid":"{54849625-5478-4994-a5ba-3e3b0328c30d}","opcode":"Info","record_id":~,"computer_name":"WS-~.office.example","event_id":"4688","provider_name":"Microsoft-Windows-Security-Auditing","channel":"Security"},"event":{"created":"~","code":"4688","kind":"event","provider":"Microsoft-Windows-Security-Auditing","outcome":"success","action":"Process Creation"},"log":{"level":"information"},"message":"A new process has been created.\n\nCreator Subject:\n\tSecurity ID:\t\tS-1-5-21-1004336348-1177238915-682003330-1106\n\tAccount Name:\t\tuser~\n\tAccount Domain:\t\tOFFICE\n\tLogon ID:\t\t0x3E7F1\n\nTarget Subject:\n\tSecurity ID:\t\tS-1-0-0\n\tAccount Name:\t\t-\n\tAccount Domain:\t\t-\n\tLogon ID:\t\t0x0\n\nProcess Information:\n\tNew Process ID:\t\t~\n\tNew Process Name:\tC:\\Windows\\System32\\conhost.exe\n\tToken Elevation Type:\t%%1938\n\tMandatory Label:\t\tS-1-16-8192\n\tCreator Process Name:\t~\n\tProcess Command Line:\t~\n\nToken Elevation Type indicates the type of token that was assigned to the new process in accordance with User Account Control policy.","host":{"name":"WS-~.office.example","hostname":"WS-~","architecture":"x86_64","os":{"version":"10.0","family":"windows","name":"Windows 10 Pro","kernel":"10.0.19041.1889","build":"19042.1889","type":"windows","platform":"windows"},"id":"3f6f9d0a-8b1c-4c43-9f5c-0d8d3b7f2a11","ip":["fe80::5c1d:9a2b:77e0:1f3c","192.168.1.21"],"mac":["00:00:5e:00:53:21"]},"ecs":{"version":"1.12.0"},"agent":{"name":"WS-~","type":"winlogbeat","version":"7.17.9","ephemeral_id":"b0b8a3f5-2a5d-4f0e-9a34-6c3c5d5f6a77","id":"7d1e6c1f-50d5-4ae5-8f60-2b9b7d1b4c55"}}"#;

/// Random bits of one line, handed out piece by piece.
struct Bits {
    state: u64,
}

impl Bits {
    fn of(seed: u64, index: u64) -> Self {
        Self { state: mix(seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15))) }
    }

    /// Returns a number in `0..bound`, good enough for bounds below four thousand million.
    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
        ((self.state >> 32) * bound) >> 32
    }
}

fn next_index(index: &mut u64, end: u64) -> Option<u64> {
    let next = *index;
    if next >= end {
        return None;
    }
    *index += 1;
    Some(next)
}

fn micros(index: u64) -> u64 {
    (FIRST_MS as u64).wrapping_mul(1000).wrapping_add(index.wrapping_mul(STEP_US))
}

fn time_ms(index: u64) -> i64 {
    (micros(index) / 1000) as i64
}

/// Begins the line with its `ts`.
fn write_time(out: &mut Vec<u8>, index: u64) {
    let micros = micros(index);
    out.extend_from_slice(b"{\"ts\":");
    write_number(out, micros / 1_000_000);
    // The 1 before the fraction keeps its zeros and is written over by the point.
    let point = out.len();
    write_number(out, 1_000_000 + micros % 1_000_000);
    out[point] = b'.';
}

fn write_uid(out: &mut Vec<u8>, seed: u64, index: u64) {
    out.extend_from_slice(b",\"uid\":\"C");
    let first = mix(seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    write_base62(out, first, mix(first ^ index));
    out.push(b'"');
}

/// Writes a source address; different numbers below 2^24 have different addresses.
fn write_source(out: &mut Vec<u8>, source: u64) {
    out.extend_from_slice(b"10.");
    write_number(out, source >> 16);
    out.push(b'.');
    write_number(out, source >> 8 & 255);
    out.push(b'.');
    write_number(out, source & 255);
}

/// Writes an ISO timestamp. The month lasts for 15 thousand million lines; then its days begin again.
fn write_timestamp(out: &mut Vec<u8>, index: u64) {
    let ms = micros(index) / 1000;
    let of_day = ms / 1000 % 86_400;
    let day = 13 + (ms / 86_400_000 - FIRST_MS as u64 / 86_400_000) % 18;
    out.extend_from_slice(b"2020-05-");
    for (number, end) in [(day, b'T'), (of_day / 3600, b':'), (of_day / 60 % 60, b':'), (of_day % 60, b'.')] {
        out.extend_from_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8, end]);
    }
    let point = out.len() - 1;
    write_number(out, 1000 + ms % 1000);
    // As for `ts`: the 1 gives way.
    out.remove(point + 1);
    out.push(b'Z');
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes all digits but the first, so that leading zeros stay.
fn write_digits(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&itoa::Buffer::new().format(number).as_bytes()[1..]);
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;
    use crate::timestamp::TimeField;

    const LINES: u64 = 20_000;

    /// Calls `each` for every line, with its time and text, and returns the mean length.
    fn read(
        mut write_next: impl FnMut(&mut Vec<u8>) -> Option<i64>,
        time: &str,
        mut each: impl FnMut(Value),
    ) -> usize {
        let (mut line, mut bytes, mut lines) = (Vec::new(), 0, 0);
        let time = TimeField::new(time);
        loop {
            line.clear();
            let Some(time_ms) = write_next(&mut line) else { return bytes / lines };
            assert_eq!(time.time_ms(&line), Ok(time_ms), "{}", String::from_utf8_lossy(&line));
            bytes += line.len();
            lines += 1;
            each(serde_json::from_slice(&line).unwrap());
        }
    }

    #[test]
    fn conn_lines_pass_the_filter_in_the_share_asked_for() {
        for percent in [0, 15, 50, 100] {
            let mut lines = conn_lines(1, LINES).with_inbound_percent(percent);
            let (mut passed, mut sources, mut fields_max) = (0, HashSet::new(), 0);
            let bytes = read(
                |out| lines.write_next(out),
                "ts",
                |conn| {
                    let inbound = conn["id.resp_h"].as_str().unwrap().starts_with("192.168.1");
                    passed += u64::from(conn["local_orig"] == false && inbound);
                    sources.insert(conn["id.orig_h"].as_str().unwrap().to_owned());
                    fields_max = fields_max.max(conn.as_object().unwrap().len());
                    let address: std::net::Ipv4Addr = conn["id.resp_h"].as_str().unwrap().parse().unwrap();
                    assert!(inbound || address.octets().starts_with(&[198, 18]));
                },
            );
            assert!((passed * 100 / LINES).abs_diff(percent) <= 1, "{passed}");
            assert!((365..390).contains(&bytes), "{bytes}");
            assert_eq!(fields_max, 20);
            // Of 10,000 addresses, 20,000 lines see about 86 in 100.
            assert!((8_400..=10_000).contains(&sources.len()), "{}", sources.len());
        }
    }

    #[test]
    fn dns_lines_have_the_uids_of_the_conn_lines() {
        let (mut conn_uids, mut dns_uids) = (Vec::new(), Vec::new());
        let mut conns = conn_lines(9, 1000);
        let mut dnses = dns_lines(9, 1000);
        read(
            |out| conns.write_next(out),
            "ts",
            |conn| conn_uids.push(conn["uid"].as_str().unwrap().to_owned()),
        );
        read(|out| dnses.write_next(out), "ts", |dns| dns_uids.push(dns["uid"].as_str().unwrap().to_owned()));
        assert_eq!(conn_uids, dns_uids);
        assert_eq!(conn_uids.iter().collect::<HashSet<_>>().len(), 1000);
    }

    #[test]
    fn winlogbeat_lines_are_nested_and_some_are_suspicious() {
        let mut lines = winlogbeat_lines(3, LINES);
        let mut suspicious = 0;
        let bytes = read(
            |out| lines.write_next(out),
            "@timestamp",
            |event| {
                let command_line = event["winlog"]["event_data"]["CommandLine"].as_str().unwrap();
                assert!(command_line.starts_with("C:\\"));
                assert!(event["agent"]["name"].as_str().unwrap().starts_with("WS-"));
                suspicious += u64::from(
                    command_line.contains("AntiVirusProduct") && command_line.contains("productState"),
                );
            },
        );
        assert!((2_500..2_700).contains(&bytes), "{bytes}");
        assert!((5..50).contains(&suspicious), "{suspicious}");
    }

    #[test]
    fn lines_depend_on_seed_and_index_only() {
        let line_at = |seed, index| {
            let mut line = Vec::new();
            conn_lines(seed, 100).starting_at(index).write_next(&mut line);
            line
        };
        let mut lines = conn_lines(4, 100);
        for index in 0..50 {
            let mut line = Vec::new();
            lines.write_next(&mut line);
            assert_eq!(line, line_at(4, index));
            assert_ne!(line, line_at(5, index));
        }
    }
}
