//! Reads the recordings beside the workspace, where they are there, and compares with counts made independently.

use std::{collections::BTreeMap, path::Path};

use connect::{FileOptions, FileReader, TimeField};
use serde_json::Value;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");

/// Returns the recording's path, or says that the test is skipped.
fn recording(name: &str) -> Option<String> {
    let path = format!("{DATA}/{name}");
    let file = path.split_once(".zip:").map_or(path.clone(), |(archive, _)| format!("{archive}.zip"));
    if Path::new(&file).exists() {
        return Some(path);
    }
    println!("skipped: recording {name} is not there");
    None
}

/// Reads every event as JSON; any error fails the test.
fn read(name: &str, mut each: impl FnMut(&Value, Option<&str>)) {
    let Some(path) = recording(name) else { return };
    let mut reader = FileReader::open([path], FileOptions::default()).expect("recording opens");
    while let Some(event) = reader.next_event() {
        let event = event.expect("every event of the recording is read");
        let value: Value = serde_json::from_slice(event.bytes).expect("every event is JSON");
        each(&value, event.path);
    }
    let progress = reader.progress();
    assert_eq!(progress.read_bytes, progress.total_bytes);
}

fn check_count(name: &str, expect: usize) {
    let mut events = 0;
    read(name, |_, _| events += 1);
    if recording(name).is_some() {
        assert_eq!(events, expect, "{name}");
    }
}

#[test]
fn zeek_logs_in_both_forms_have_the_rows_that_were_counted() {
    for (name, rows) in
        [("conn", 50), ("dns", 50), ("ssl", 50), ("x509", 50), ("files", 50), ("http", 28), ("kerberos", 14)]
    {
        check_count(&format!("zeek/zat-json/{name}.log"), rows);
    }
    // Lines that do not begin with a number sign.
    for (name, rows) in [
        ("conn", 360),
        ("dhcp", 2),
        ("dns", 54),
        ("files", 113),
        ("ftp", 7),
        ("http", 150),
        ("notice", 2),
        ("smtp", 3),
        ("ssl", 37),
        ("weird", 12),
        ("x509", 13),
    ] {
        check_count(&format!("zeek/zat-tsv/{name}.log"), rows);
    }
    check_count("zeek/apt29-day1/NASHUA_ssl.log", 376);
    check_count("zeek/apt29-day1/SCRANTON_ssl.log", 2);
}

/// The two recordings hold different connections, so what can be compared is the type of every field of that name.
#[test]
fn fields_of_zeek_tsv_have_the_types_of_zeek_json() {
    for log in ["conn", "dns", "http", "files", "ssl", "x509", "dhcp", "weird"] {
        let mut types: BTreeMap<String, std::mem::Discriminant<Value>> = BTreeMap::new();
        read(&format!("zeek/zat-json/{log}.log"), |event, _| {
            for (name, value) in event.as_object().unwrap() {
                types.insert(name.clone(), std::mem::discriminant(value));
            }
        });
        let mut compared = 0;
        read(&format!("zeek/zat-tsv/{log}.log"), |event, path| {
            assert_eq!(path, Some(log));
            for (name, value) in event.as_object().unwrap() {
                if let Some(expect) = types.get(name) {
                    assert_eq!(std::mem::discriminant(value), *expect, "{log} {name} {value}");
                    compared += 1;
                }
            }
        });
        assert!(compared > 0 || types.is_empty(), "{log}");
    }
}

#[test]
fn zeek_archive_is_read_member_by_member() {
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    let ts = TimeField::new("ts");
    read("lsass-05/zeek.zip", |event, path| {
        *rows.entry(path.unwrap().to_owned()).or_default() += 1;
        let time_ms = ts.time_ms(event.to_string().as_bytes()).unwrap();
        assert!((1_693_958_400_000..1_694_044_800_000).contains(&time_ms), "{event}");
    });
    if recording("lsass-05/zeek.zip").is_some() {
        // Each log has eight header lines and a closing one.
        assert_eq!((rows["conn"], rows["dns"], rows["ssl"]), (895, 2872, 2));
        assert_eq!(rows.len(), 12);
    }
    check_count("lsass-05/zeek.zip:dns.log", 2872);
}

fn check_windows(name: &str, events: usize, process_creations: usize, network_connections: usize) {
    let mut counts = (0, 0, 0);
    let time = TimeField::new("@timestamp");
    read(name, |event, _| {
        counts.0 += 1;
        assert!(time.time_ms(event.to_string().as_bytes()).is_ok(), "{event}");
        if event["SourceName"] == "Microsoft-Windows-Sysmon" {
            match event["EventID"].as_i64() {
                Some(1) => counts.1 += 1,
                Some(3) => counts.2 += 1,
                _ => {}
            }
        }
    });
    if recording(name).is_some() {
        assert_eq!(counts, (events, process_creations, network_connections), "{name}");
    }
}

#[test]
fn host_recordings_have_the_events_that_were_counted() {
    check_windows("windows/empire_dcom_shellwindows_stager.zip", 32_706, 80, 80);
    check_windows("windows/msf_record_mic.zip", 6_202, 12, 65);
    check_windows("lsass-05/host.zip", 59_707, 122, 889);
}
