//! What Sysmon records of processes, as Winlogbeat 6 ships it to Kafka.

use super::{Expectations, Stage, network::Host, zeek::Flow};
use crate::json::ObjectText;

const DAY_S: i64 = 86_400;

/// A running process.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) guid: String,
    pub(super) id: i64,
    pub(super) image: &'static str,
    pub(super) command_line: String,
}

impl Process {
    pub(super) fn new(stage: &mut Stage, image: &'static str, command_line: impl Into<String>) -> Self {
        Self::with_random(&mut stage.random, image, command_line)
    }

    pub(super) fn with_random(
        random: &mut crate::random::Random,
        image: &'static str,
        command_line: impl Into<String>,
    ) -> Self {
        let guid = format!(
            "{{{}-{}-{}-{}-{}}}",
            random.hex(8),
            random.hex(4),
            random.hex(4),
            random.hex(4),
            random.hex(12)
        );
        Self { guid, id: random.between(1000, 16_000), image, command_line: command_line.into() }
    }
}

/// Writes event 1, the creation of a process.
pub(super) fn write_creation(
    stage: &mut Stage,
    at_us: i64,
    host: &Host,
    process: &Process,
    parent: &Process,
    expect: &mut Expectations,
) {
    let sha256 = stage.random.hex(64).to_uppercase();
    let data = ObjectText::new()
        .text("UtcTime", &utc_text(stage.moment_us(at_us), ' '))
        .text("ProcessGuid", &process.guid)
        .text("ProcessId", &process.id.to_string())
        .text("Image", process.image)
        .text("CommandLine", &process.command_line)
        .text("CurrentDirectory", "C:\\Windows\\system32\\")
        .text("User", host.user.unwrap_or("NT AUTHORITY\\SYSTEM"))
        .text("IntegrityLevel", "Medium")
        .text("Hashes", &format!("SHA256={sha256}"))
        .text("ParentProcessGuid", &parent.guid)
        .text("ParentProcessId", &parent.id.to_string())
        .text("ParentImage", parent.image)
        .text("ParentCommandLine", &parent.command_line);
    expect.process_creations += 1;
    write_event(stage, at_us, host, 1, "Process Create (rule: ProcessCreate)", data);
}

/// Writes event 3, a connection that a process opened.
pub(super) fn write_connection(
    stage: &mut Stage,
    host: &Host,
    process: &Process,
    flow: &Flow,
    expect: &mut Expectations,
) {
    // Sysmon reports a connection a little after Zeek sees its first packet.
    let at_us = flow.start_us + 5_000;
    let data = ObjectText::new()
        .text("UtcTime", &utc_text(stage.moment_us(at_us), ' '))
        .text("ProcessGuid", &process.guid)
        .text("ProcessId", &process.id.to_string())
        .text("Image", process.image)
        .text("User", host.user.unwrap_or("NT AUTHORITY\\SYSTEM"))
        .text("Protocol", "tcp")
        .text("Initiated", "true")
        .text("SourceIsIpv6", "false")
        .text("SourceIp", &flow.source_ip)
        .text("SourceHostname", host.name)
        .text("SourcePort", &flow.source_port.to_string())
        .text("DestinationIsIpv6", "false")
        .text("DestinationIp", &flow.target_ip)
        .text("DestinationPort", &flow.target_port.to_string())
        .text("DestinationPortName", if flow.target_port == 443 { "https" } else { "http" });
    expect.network_connections += 1;
    write_event(stage, at_us, host, 3, "Network connection detected (rule: NetworkConnect)", data);
}

fn write_event(stage: &mut Stage, at_us: i64, host: &Host, event_id: i64, task: &str, data: ObjectText) {
    let metadata = ObjectText::new().text("beat", "winlogbeat").text("type", "doc").text("version", "6.5.3");
    let thread_id = stage.random.between(1000, 4000);
    let record_number = 100_000 + stage.events.len() as i64;
    let json = ObjectText::new()
        .text("@timestamp", &format!("{}Z", utc_text(stage.moment_us(at_us), 'T')))
        .object("@metadata", metadata)
        .text("type", "wineventlog")
        .text("source_name", "Microsoft-Windows-Sysmon")
        .text("log_name", "Microsoft-Windows-Sysmon/Operational")
        .text("provider_guid", "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}")
        .text("computer_name", host.name)
        .int("event_id", event_id)
        .text("task", task)
        .text("level", "Information")
        .text("opcode", "Info")
        .text("record_number", &record_number.to_string())
        .int("process_id", 2180)
        .int("thread_id", thread_id)
        .object("event_data", data)
        .finish();
    stage.write(at_us + 2_000, "winlogbeat", json);
}

/// Prints a moment as `2020-05-13 10:06:40.123`, with another sign between day and time where wanted.
fn utc_text(moment_us: i64, between: char) -> String {
    let seconds = moment_us.div_euclid(1_000_000);
    let ms = moment_us.rem_euclid(1_000_000) / 1000;
    let of_day = seconds.rem_euclid(DAY_S);
    let (year, month, day) = date_of(seconds.div_euclid(DAY_S));
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}.{ms:03}")
}

/// Returns year, month and day of a day counted from 1970, by eras of 400 years that begin in March.
fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::timestamp::parse_time_ms;

    proptest! {
        #[test]
        fn printed_moment_is_read_back(ms in 0_i64..4_102_444_800_000) {
            prop_assert_eq!(parse_time_ms(&utc_text(ms * 1000, ' ')), Some(ms));
        }
    }
}
