//! What was found of the story, against what is in it.

use std::collections::BTreeSet;

use connect::Expectations;
use serde_json::Value;

use super::Seen;
use crate::{table::cell_text, terminal::neutralise};

/// Lines shown of one query; the rest is only counted.
const LINES_SHOWN_MAX: u64 = 4;

/// What the watched queries have shown so far.
#[derive(Default)]
pub struct Findings {
    inbound: u64,
    untrusted: u64,
    is_young_certificate_seen: bool,
    lookups_max: u64,
    joined: u64,
    is_shell_seen: bool,
    calls_max: u64,
    children: u64,
    alerts: BTreeSet<&'static str>,
}

/// What a row means to the reader.
pub enum Line {
    /// An event worth a short line.
    Event(String),
    /// Something found for the first time.
    Alert(String),
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or("")
}

fn number(value: Option<&Value>) -> u64 {
    value.and_then(Value::as_u64).unwrap_or(0)
}

impl Findings {
    /// Takes a row; returns what to show.
    pub fn take(&mut self, seen: &Seen, expect: &Expectations) -> Vec<Line> {
        let at = |column: usize| seen.values.get(column);
        let shown: Vec<String> = seen.values.iter().map(cell_text).collect();
        let mut lines = Vec::new();
        let mut alert = None;
        let shown_before = match seen.name {
            "inbound" => {
                self.inbound += 1;
                if self.inbound == expect.inbound_count {
                    alert = Some((
                        "scan",
                        format!("{} knocked {} times from outside", text(at(0)), self.inbound),
                    ));
                }
                self.inbound
            }
            "untrusted" => {
                self.untrusted += 1;
                self.untrusted
            }
            "new certificate" => {
                if text(at(0)) == expect.beacon_subject {
                    self.is_young_certificate_seen = true;
                    alert = Some((
                        "certificate",
                        format!("{} at {} is two days old and signed by itself", text(at(0)), text(at(2))),
                    ));
                }
                LINES_SHOWN_MAX + 1
            }
            "dns" => {
                if text(at(0)) == expect.tunnel_domain {
                    self.lookups_max = self.lookups_max.max(number(at(1)));
                    if self.lookups_max == expect.tunnel_queries {
                        alert = Some((
                            "tunnel",
                            format!(
                                "{} names below {} in a minute: data leaves by DNS",
                                self.lookups_max,
                                text(at(0))
                            ),
                        ));
                    }
                }
                LINES_SHOWN_MAX + 1
            }
            "join" => {
                self.joined += 1;
                self.joined
            }
            "shell" => {
                if text(at(0)) == expect.powershell_guid {
                    self.is_shell_seen = true;
                    alert = Some((
                        "shell",
                        format!("Word started a hidden PowerShell on {} for {}", text(at(1)), text(at(2))),
                    ));
                }
                LINES_SHOWN_MAX + 1
            }
            "beacon" => {
                if text(at(0)) == expect.powershell_guid && text(at(1)) == expect.beacon_ip {
                    self.calls_max = self.calls_max.max(number(at(2)));
                    if self.calls_max == expect.beacon_count {
                        alert = Some((
                            "beacon",
                            format!("the PowerShell called {} {} times", text(at(1)), self.calls_max),
                        ));
                    }
                }
                LINES_SHOWN_MAX + 1
            }
            "child" => {
                if text(at(0)) == expect.powershell_guid {
                    self.children += 1;
                    if self.children == expect.powershell_children {
                        alert = Some((
                            "discovery",
                            format!(
                                "the PowerShell started {} discovery commands, last {}",
                                self.children,
                                text(at(1))
                            ),
                        ));
                    }
                }
                LINES_SHOWN_MAX + 1
            }
            _ => LINES_SHOWN_MAX + 1,
        };
        if shown_before <= LINES_SHOWN_MAX {
            lines.push(Line::Event(format!("{:<10} {}", seen.name, shown.join("  "))));
        }
        if let Some((name, message)) = alert
            && self.alerts.insert(name)
        {
            lines.push(Line::Alert(neutralise(&message).into_owned()));
        }
        lines
    }

    /// Returns what is still missing, in words.
    pub fn missing(&self, expect: &Expectations) -> Vec<String> {
        let mut missing = Vec::new();
        for (what, found, expected) in [
            ("connections from outside", self.inbound, expect.inbound_count),
            ("untrusted certificates", self.untrusted, expect.self_signed_count),
            ("names below the tunnel's domain", self.lookups_max, expect.tunnel_queries),
            ("connections with their process", self.joined, expect.network_connections),
            ("calls of the beacon", self.calls_max, expect.beacon_count),
            ("commands started by the PowerShell", self.children, expect.powershell_children),
        ] {
            if found != expected {
                missing.push(format!("{what}: {found} of {expected}"));
            }
        }
        for (what, is_found) in [
            ("the beacon's new certificate", self.is_young_certificate_seen),
            ("the PowerShell that Word started", self.is_shell_seen),
        ] {
            if !is_found {
                missing.push(format!("{what}: not found"));
            }
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use connect::Story;
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_is_missing_at_first_and_an_alert_is_told_once() {
        let story = Story::new(1);
        let expect = story.expectations();
        let mut findings = Findings::default();
        assert_eq!(findings.missing(expect).len(), 8);
        let seen =
            Seen { name: "dns", values: vec![json!(expect.tunnel_domain), json!(expect.tunnel_queries)] };
        assert_eq!(findings.take(&seen, expect).len(), 1);
        assert_eq!(findings.take(&seen, expect).len(), 0);
        assert_eq!(findings.missing(expect).len(), 7);
    }
}
