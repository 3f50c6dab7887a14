//! Who is in the office network and what is outside it.

/// A host of the office.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: &'static str,
    pub(super) ip: &'static str,
    /// The user, where Sysmon runs on the host.
    pub(super) user: Option<&'static str>,
}

/// A web site outside.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) name: &'static str,
    pub(super) ip: &'static str,
}

pub(super) const DNS_SERVER: &str = "192.168.1.1";
pub(super) const PRINTER: Site = Site { name: "printer.office.example", ip: "192.168.1.9" };
pub(super) const SCANNER: &str = "198.51.100.99";

const fn host(name: &'static str, ip: &'static str, user: Option<&'static str>) -> Host {
    Host { name, ip, user }
}

const fn site(name: &'static str, ip: &'static str) -> Site {
    Site { name, ip }
}

pub(super) const HOSTS: [Host; 12] = [
    host("WS-01.office.example", "192.168.1.21", Some("OFFICE\\a.berg")),
    host("WS-02.office.example", "192.168.1.22", Some("OFFICE\\c.dumas")),
    host("WS-03.office.example", "192.168.1.23", Some("OFFICE\\e.farah")),
    host("WS-04.office.example", "192.168.1.24", Some("OFFICE\\g.hill")),
    host("WS-05.office.example", "192.168.1.25", Some("OFFICE\\i.jansen")),
    host("WS-06.office.example", "192.168.1.26", Some("OFFICE\\k.lind")),
    host("WS-07.office.example", "192.168.1.27", Some("OFFICE\\m.keller")),
    host("WS-08.office.example", "192.168.1.28", Some("OFFICE\\n.okafor")),
    host("NAS.office.example", "192.168.1.10", None),
    host("PHONE-01.office.example", "192.168.1.41", None),
    host("PHONE-02.office.example", "192.168.1.42", None),
    host("TV.office.example", "192.168.1.50", None),
];

pub(super) const SITES: [Site; 10] = [
    site("www.example.com", "192.0.2.10"),
    site("news.example.com", "192.0.2.11"),
    site("mail.example.com", "192.0.2.12"),
    site("www.example.net", "192.0.2.40"),
    site("cdn.example.net", "198.51.100.20"),
    site("video.example.net", "198.51.100.21"),
    site("www.example.org", "198.51.100.40"),
    site("docs.example.org", "203.0.113.10"),
    site("maps.example.org", "203.0.113.11"),
    site("updates.example.org", "203.0.113.12"),
];

/// Tells whether an address lies in the office.
pub(super) fn is_local(ip: &str) -> bool {
    ip.starts_with("192.168.1.")
}
