//! The ordinary minute: browsing, programs that start, a printer, a scanner outside.

use super::{
    Expectations, Stage,
    network::{HOSTS, Host, PRINTER, SCANNER, SITES, Site},
    sysmon::{Process, write_connection, write_creation},
    zeek::{Certificate, Flow, Lookup, Traffic, write_conn, write_handshake, write_lookup, write_request},
};

/// The last moment at which a visit begins, so that it ends within the story.
const LAST_VISIT_US: i64 = 57_000_000;
const DAY_US: i64 = 86_400_000_000;

pub(super) const EXPLORER: &str = "C:\\Windows\\explorer.exe";
const BROWSER: &str = "C:\\Program Files\\Mozilla Firefox\\firefox.exe";

/// Plays everything that is not the attack.
pub(super) fn play(stage: &mut Stage, expect: &mut Expectations) {
    for host in &HOSTS {
        browse(stage, host, expect);
        if host.user.is_some() {
            start_programs(stage, host, expect);
        }
    }
    for (host, start_us) in [(&HOSTS[0], 13_000_000), (&HOSTS[3], 41_000_000)] {
        print_a_page(stage, host, start_us);
        expect.self_signed_count += 1;
    }
    knock_from_outside(stage, expect);
}

fn browse(stage: &mut Stage, host: &Host, expect: &mut Expectations) {
    let browser = host.user.map(|_| {
        let shell = Process::new(stage, EXPLORER, EXPLORER);
        let browser = Process::new(stage, BROWSER, format!("\"{BROWSER}\""));
        let start_us = stage.random.between(50_000, 400_000);
        write_creation(stage, start_us, host, &browser, &shell, expect);
        browser
    });
    let mut at_us = stage.random.between(500_000, 3_000_000);
    while at_us < LAST_VISIT_US {
        let site = stage.random.pick(&SITES);
        let encrypted = stage.random.below(4) > 0;
        visit(stage, at_us, host, site, encrypted, browser.as_ref(), expect);
        at_us += stage.random.between(700_000, 4_000_000);
    }
}

/// Looks a site's name up and fetches a page from it.
fn visit(
    stage: &mut Stage,
    at_us: i64,
    host: &Host,
    site: &Site,
    encrypted: bool,
    browser: Option<&Process>,
    expect: &mut Expectations,
) {
    let lookup = Lookup { query: site.name, qtype: 1, qtype_name: "A", answer: site.ip, ttl_s: 300 };
    let answered_us = write_lookup(stage, at_us, host, &lookup);
    let start_us = answered_us + stage.random.between(500, 5_000);
    let flow = Flow::new(stage, start_us, host.ip, site.ip, if encrypted { 443 } else { 80 });
    let received_bytes = stage.random.between(2_000, 400_000);
    if let Some(browser) = browser {
        write_connection(stage, host, browser, &flow, expect);
    }
    if encrypted {
        let certificate = certificate_of(stage, site);
        write_handshake(stage, &flow, Some(site.name), &certificate);
    } else {
        let uri = format!("/{}", stage.random.label(8));
        write_request(stage, &flow, site, &uri, received_bytes - 400);
    }
    let traffic = Traffic {
        proto: "tcp",
        service: Some(if encrypted { "ssl" } else { "http" }),
        state: "SF",
        history: "ShADadFf",
        duration_us: stage.random.between(120_000, 2_500_000),
        sent_bytes: stage.random.between(500, 4_000),
        received_bytes,
    };
    write_conn(stage, &flow, &traffic);
}

/// A site's certificate is the same at every visit.
fn certificate_of(stage: &Stage, site: &Site) -> Certificate {
    let place = SITES.iter().position(|other| other == site).unwrap_or(0) as i64;
    Certificate {
        subject: format!("CN={},O=Example Organization,C=US", site.name),
        issuer: "CN=Example Trust CA 2,O=Example Trust Services,C=US".to_owned(),
        serial: format!("0E308967AF36AC547501AEB6EC08{place:04X}"),
        not_before_us: stage.moment_us(0) - (40 + place * 7) * DAY_US,
        not_after_us: stage.moment_us(0) + (320 - place * 7) * DAY_US,
        name: Some(site.name.to_owned()),
    }
}

fn start_programs(stage: &mut Stage, host: &Host, expect: &mut Expectations) {
    const PROGRAMS: [(&str, &str); 6] = [
        (
            "C:\\Windows\\System32\\notepad.exe",
            "\"C:\\Windows\\system32\\NOTEPAD.EXE\" C:\\Users\\Public\\notes.txt",
        ),
        (
            "C:\\Windows\\System32\\svchost.exe",
            "C:\\Windows\\system32\\svchost.exe -k netsvcs -p -s Schedule",
        ),
        ("C:\\Windows\\System32\\taskhostw.exe", "taskhostw.exe SYSTEM"),
        (
            "C:\\Program Files\\Microsoft Office\\root\\Office16\\EXCEL.EXE",
            "\"EXCEL.EXE\" C:\\Users\\Public\\plan.xlsx",
        ),
        (
            "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe",
            "powershell.exe -File C:\\IT\\inventory.ps1",
        ),
        ("C:\\Windows\\System32\\conhost.exe", "\\??\\C:\\Windows\\system32\\conhost.exe 0x4"),
    ];
    let shell = Process::new(stage, EXPLORER, EXPLORER);
    for _ in 0..stage.random.between(3, 8) {
        let (image, command_line) = *stage.random.pick(&PROGRAMS);
        let process = Process::new(stage, image, command_line);
        let at_us = stage.random.between(1_000_000, LAST_VISIT_US);
        write_creation(stage, at_us, host, &process, &shell, expect);
    }
}

/// A printer that signed its own certificate years ago: self-signed alone is no alarm.
fn print_a_page(stage: &mut Stage, host: &Host, start_us: i64) {
    let flow = Flow::new(stage, start_us, host.ip, PRINTER.ip, 443);
    let name = "CN=printer,O=Example Printers".to_owned();
    let certificate = Certificate {
        subject: name.clone(),
        issuer: name,
        serial: "01".to_owned(),
        not_before_us: stage.moment_us(0) - 900 * DAY_US,
        not_after_us: stage.moment_us(0) + 2750 * DAY_US,
        name: None,
    };
    write_handshake(stage, &flow, Some(PRINTER.name), &certificate);
    let traffic = Traffic {
        proto: "tcp",
        service: Some("ssl"),
        state: "SF",
        history: "ShADadFf",
        duration_us: 1_400_000,
        sent_bytes: 84_200,
        received_bytes: 3_100,
    };
    write_conn(stage, &flow, &traffic);
}

fn knock_from_outside(stage: &mut Stage, expect: &mut Expectations) {
    for (place, port) in [22, 23, 80, 443, 445, 3389, 5900, 8080].into_iter().enumerate() {
        let start_us = 4_000_000 + place as i64 * 600_000;
        let flow = Flow::new(stage, start_us, SCANNER, HOSTS[place].ip, port);
        let traffic = Traffic {
            proto: "tcp",
            service: None,
            state: "S0",
            history: "S",
            duration_us: 1_000,
            sent_bytes: 0,
            received_bytes: 0,
        };
        write_conn(stage, &flow, &traffic);
        expect.inbound_count += 1;
    }
}
