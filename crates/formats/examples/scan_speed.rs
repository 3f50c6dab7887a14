//! Prints how fast records are scanned, decoded and written, next to `serde_json::Value`.
//!
//! `cargo run --release -p formats --example scan_speed [seconds per line]`

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use formats::json::{
    Kind, ObjectEncoder, Projection, Scanner, Slot, passes_through, slot_f64, slot_i64, slot_str,
};
use types::DataType;

const RECORDS: usize = 20_000;

/// A small generator of numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A line as Zeek writes it to conn.log in JSON, with its optional fields left out at times.
fn conn(n: &mut Numbers) -> String {
    let mut line = String::new();
    let hosts = (n.below(256), n.below(256));
    write!(
        line,
        r#"{{"ts":{}.{:06},"uid":"C{:016x}","id.orig_h":"192.168.{}.{}","id.orig_p":{},"id.resp_h":"10.{}.0.{}","id.resp_p":{},"proto":"tcp""#,
        1_591_367_999 + n.below(9_999),
        n.below(1_000_000),
        n.below(u64::MAX) * 977,
        n.below(16),
        hosts.0,
        1024 + n.below(60_000),
        n.below(8),
        hosts.1,
        [53, 80, 443, 8080][n.below(4) as usize]
    )
    .expect("a String takes any text");
    if n.below(10) < 7 {
        line.push_str(r#","service":"ssl""#);
    }
    if n.below(10) < 9 {
        write!(
            line,
            r#","duration":{}.{:06},"orig_bytes":{},"resp_bytes":{}"#,
            n.below(90),
            n.below(1_000_000),
            n.below(90_000),
            n.below(900_000)
        )
        .expect("a String takes any text");
    }
    write!(
        line,
        r#","conn_state":"SF","local_orig":true,"local_resp":false,"missed_bytes":0,"history":"ShADadFf","orig_pkts":{},"orig_ip_bytes":{},"resp_pkts":{},"resp_ip_bytes":{},"tunnel_parents":[]}}"#,
        n.below(90),
        n.below(90_000),
        n.below(90),
        n.below(90_000)
    )
    .expect("a String takes any text");
    line
}

const CONN_COLUMNS: [(&str, DataType); 17] = [
    ("TS", DataType::Double),
    ("UID", DataType::String),
    ("id.orig_h", DataType::String),
    ("id.orig_p", DataType::Int),
    ("id.resp_h", DataType::String),
    ("id.resp_p", DataType::Int),
    ("PROTO", DataType::String),
    ("SERVICE", DataType::String),
    ("DURATION", DataType::Double),
    ("ORIG_BYTES", DataType::BigInt),
    ("RESP_BYTES", DataType::BigInt),
    ("CONN_STATE", DataType::String),
    ("LOCAL_ORIG", DataType::Boolean),
    ("LOCAL_RESP", DataType::Boolean),
    ("MISSED_BYTES", DataType::BigInt),
    ("HISTORY", DataType::String),
    ("ORIG_PKTS", DataType::BigInt),
];

/// An event of Sysmon as Winlogbeat sends it: about 2.6 kB, nested, with escaped paths.
fn winlogbeat(n: &mut Numbers) -> String {
    let id = n.below(100_000);
    let path = r"C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe";
    let text = format!(
        r#"Process Create:\nRuleName: -\nUtcTime: 2020-06-05 14:39:59.305\nProcessGuid: {{{id:08x}-5b3f-5eda}}\nProcessId: {id}\nImage: {path}\nFileVersion: 10.0.17763.1\nDescription: Windows PowerShell\nProduct: Microsoft® Windows® Operating System\nCompany: Microsoft Corporation\nOriginalFileName: PowerShell.EXE\nCommandLine: \"{path}\" -nop -w hidden -enc {id:x}\nCurrentDirectory: C:\\Users\\pgustavo\\\nUser: DMEVALS\\pgustavo"#
    );
    format!(
        r#"{{"@timestamp":"2020-06-05T14:39:59.305Z","@metadata":{{"beat":"winlogbeat","type":"_doc","version":"7.7.0","topic":"winlogbeat"}},"ecs":{{"version":"1.5.0"}},"host":{{"name":"WORKSTATION{id}","hostname":"WORKSTATION{id}","os":{{"platform":"windows","version":"10.0","family":"windows","name":"Windows 10 Pro","kernel":"10.0.17763.1217","build":"17763.1217"}},"id":"bc5b5f15-{id:04x}","ip":["fe80::d1a4:1a86:3b5e:1","10.0.1.{}"],"mac":["00:0c:29:15:5a:65"],"architecture":"x86_64"}},"agent":{{"ephemeral_id":"2e8c5ca2-1f5a-4c2f","id":"9e87f7b9-1b2c-4b3d","name":"WORKSTATION","type":"winlogbeat","version":"7.7.0","hostname":"WORKSTATION"}},"event":{{"kind":"event","code":1,"provider":"Microsoft-Windows-Sysmon","action":"Process Create (rule: ProcessCreate)","created":"2020-06-05T14:40:01.112Z"}},"log":{{"level":"information"}},"message":"{text}","winlog":{{"channel":"Microsoft-Windows-Sysmon/Operational","provider_name":"Microsoft-Windows-Sysmon","provider_guid":"{{5770385f-c22a-43e0-bf4c-06f5698ffbd9}}","event_id":1,"version":5,"api":"wineventlog","opcode":"Info","task":"Process Create (rule: ProcessCreate)","computer_name":"WORKSTATION.dmevals.local","record_id":{id},"process":{{"pid":3212,"thread":{{"id":4828}}}},"user":{{"identifier":"S-1-5-18","name":"SYSTEM","domain":"NT AUTHORITY","type":"User"}},"event_data":{{"RuleName":"-","UtcTime":"2020-06-05 14:39:59.305","ProcessGuid":"{{{id:08x}-5b3f-5eda}}","ProcessId":"{id}","Image":"{path}","FileVersion":"10.0.17763.1","Description":"Windows PowerShell","Product":"Microsoft® Windows® Operating System","Company":"Microsoft Corporation","OriginalFileName":"PowerShell.EXE","CommandLine":"\"{path}\" -nop -w hidden -enc {id:x}","CurrentDirectory":"C:\\Users\\pgustavo\\","User":"DMEVALS\\pgustavo","LogonGuid":"{{f0aa1cbe-{id:04x}}}","LogonId":"0x3731f3","TerminalSessionId":"2","IntegrityLevel":"Medium","Hashes":"SHA1=36C5D12033B2EAF251BAE61C00690FFB17FDDC87,MD5=CDA48FC75952AD12D99E526D0B6BF70A","ParentProcessId":"5944","ParentImage":"C:\\Windows\\explorer.exe","ParentCommandLine":"C:\\Windows\\Explorer.EXE"}}}}}}"#,
        n.below(256)
    )
}

/// Runs `work` over the records for a while, prints the rate and gives it.
fn measure(name: &str, records: &[String], seconds: f64, mut work: impl FnMut(&[u8])) -> f64 {
    let bytes: usize = records.iter().map(String::len).sum();
    let mut rate: f64 = 0.0;
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    // The best round counts: others share the machine.
    while Instant::now() < end {
        let start = Instant::now();
        for record in records {
            work(record.as_bytes());
        }
        rate = rate.max(records.len() as f64 / start.elapsed().as_secs_f64());
    }
    let size = bytes as f64 / records.len() as f64;
    println!("{name:<52} {:>7.3} M/s {:>7.0} MB/s", rate / 1e6, rate * size / 1e6);
    rate
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|arg| arg.parse().ok()).unwrap_or(1.0);
    let mut numbers = Numbers(42);
    let lines: Vec<String> = (0..RECORDS).map(|_| conn(&mut numbers)).collect();
    let size = lines.iter().map(String::len).sum::<usize>() / lines.len();
    println!("conn.log, {size} bytes a line, {} of 20 columns wanted", CONN_COLUMNS.len());
    let names = CONN_COLUMNS.map(|(name, _)| name);
    let projection = Projection::columns(&names).expect("17 columns are not too many");
    let mut scanner = Scanner::new(projection);
    let mut slots = vec![Slot::MISSING; scanner.projection().slot_count()];
    let scan = measure("scan", &lines, seconds, |line| {
        scanner.scan(line, &mut slots).expect("generated lines are valid");
        black_box(&slots);
    });
    measure("scan, decode all 17", &lines, seconds, |line| {
        scanner.scan(line, &mut slots).expect("generated lines are valid");
        for (slot, (_, data_type)) in slots.iter().zip(&CONN_COLUMNS) {
            match data_type {
                DataType::Double => drop(black_box(slot_f64(line, slot))),
                DataType::String => drop(black_box(slot_str(line, slot))),
                DataType::Boolean => drop(black_box(slot.kind == Kind::True)),
                _ => drop(black_box(slot_i64(line, slot))),
            }
        }
    });
    let encoder = ObjectEncoder::new(&CONN_COLUMNS);
    let mut out = Vec::new();
    let mut scanned = Vec::new();
    for line in &lines {
        scanner.scan(line.as_bytes(), &mut slots).expect("generated lines are valid");
        scanned.push(slots.clone());
    }
    let mut each = scanned.iter().cycle();
    measure("write 17 columns passed through", &lines, seconds, |line| {
        out.clear();
        let slots = each.next().expect("a cycle has no end");
        let mut writer = encoder.begin(&mut out);
        for (column, slot) in slots.iter().enumerate() {
            writer.push_raw(column, if slot.is_null() { b"null" } else { slot.raw(line) });
        }
        writer.finish();
        black_box(&out);
    });
    measure("scan, check, write 17 columns passed through", &lines, seconds, |line| {
        out.clear();
        scanner.scan(line, &mut slots).expect("generated lines are valid");
        let mut writer = encoder.begin(&mut out);
        for (column, (slot, (_, data_type))) in slots.iter().zip(&CONN_COLUMNS).enumerate() {
            let raw = if passes_through(slot, line, data_type) { slot.raw(line) } else { b"null" };
            writer.push_raw(column, raw);
        }
        writer.finish();
        black_box(&out);
    });
    let serde = measure("serde_json::Value", &lines, seconds, |line| {
        drop(black_box(serde_json::from_slice::<serde_json::Value>(line)));
    });
    println!("{:<52} {:>7.1} x\n", "scan to serde_json::Value", scan / serde);

    let events: Vec<String> = (0..RECORDS / 10).map(|_| winlogbeat(&mut numbers)).collect();
    let size = events.iter().map(String::len).sum::<usize>() / events.len();
    println!("Winlogbeat, {size} bytes an event, 3 paths of winlog->event_data wanted");
    let paths = ["COMMANDLINE", "IMAGE", "PARENTIMAGE"].map(|field| vec!["WINLOG", "EVENT_DATA", field]);
    let projection = Projection::new(&paths).expect("three paths are not too many");
    let mut scanner = Scanner::new(projection);
    let mut slots = vec![Slot::MISSING; scanner.projection().slot_count()];
    let scan = measure("scan", &events, seconds, |event| {
        scanner.scan(event, &mut slots).expect("generated events are valid");
        black_box(&slots);
    });
    assert_eq!(slots[0].kind, Kind::EscapedString, "the command line has escapes");
    let serde = measure("serde_json::Value", &events, seconds, |event| {
        drop(black_box(serde_json::from_slice::<serde_json::Value>(event)));
    });
    println!("{:<52} {:>7.1} x", "scan to serde_json::Value", scan / serde);
}
