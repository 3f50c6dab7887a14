//! A minute in a small office network, with an attack in it that can be found.
//!
//! The same seed tells the same story, so a demonstration can check what it found against [`Expectations`].
//!
//! | second | what happens |
//! |---|---|
//! | 0–60 | twelve hosts browse; names are looked up, flows and certificates recorded, processes started |
//! | 4–9 | a scanner outside knocks at inside hosts |
//! | 7 | a mail attachment opens in Word |
//! | 9 | Word starts PowerShell with an encoded command |
//! | 11–56 | every five seconds, PowerShell calls one address, behind a certificate it signed itself two days ago |
//! | 15–18 | PowerShell starts two discovery commands |
//! | 30–50 | long random names below one domain are asked for: data leaves by DNS |
//!
//! Outside addresses and names are those set aside for documentation (RFC 5737, RFC 2606).

mod attack;
mod network;
mod office;
mod sysmon;
mod zeek;

use crate::random::Random;

/// Length of the story.
pub const STORY_MS: u64 = 60_000;
/// When the story begins unless told otherwise: 2020-05-13 10:06:40 UTC.
pub const START_MS: i64 = 1_589_364_400_000;

/// One record of the story, ready to be produced to its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryEvent {
    /// When the record is written, in milliseconds since the story began.
    pub offset_ms: u64,
    /// The topic: a Zeek log's name or `winlogbeat`.
    pub topic: &'static str,
    /// The record's key; Zeek writes none.
    pub key: Option<String>,
    /// The record's value, a JSON object.
    pub json: String,
}

/// What is hidden in the story and must be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectations {
    /// The name of the host that was broken into.
    pub victim_host: String,
    /// Its address.
    pub victim_ip: String,
    /// The user at it.
    pub victim_user: String,
    /// `ProcessGuid` of Word.
    pub word_guid: String,
    /// `ProcessGuid` of the PowerShell that Word started.
    pub powershell_guid: String,
    /// Processes that PowerShell started.
    pub powershell_children: u64,
    /// The address that is called again and again.
    pub beacon_ip: String,
    /// How many times: that many records each of `conn`, `ssl`, `x509` and Sysmon event 3.
    pub beacon_count: u64,
    /// Milliseconds between two calls, give or take [`BEACON_JITTER_MS`].
    pub beacon_period_ms: u64,
    /// Subject of the certificate behind it.
    pub beacon_subject: String,
    /// Records of `ssl` with a self-signed certificate in all: the calls and an old printer.
    pub self_signed_count: u64,
    /// The domain that names were asked below.
    pub tunnel_domain: String,
    /// How many different names were asked for, each once.
    pub tunnel_queries: u64,
    /// The address of the scanner.
    pub scanner_ip: String,
    /// Flows of `conn` that came from outside, all of the scanner's.
    pub inbound_count: u64,
    /// Sysmon events 1 of the whole story.
    pub process_creations: u64,
    /// Sysmon events 3 of the whole story; the process of each was created before.
    pub network_connections: u64,
}

/// Most that a call of the beacon is early or late.
pub const BEACON_JITTER_MS: u64 = 60;

/// The story's records in the order they are written.
#[derive(Debug, Clone)]
pub struct Story {
    events: std::vec::IntoIter<StoryEvent>,
    expectations: Expectations,
}

impl Story {
    /// Tells the story that belongs to a seed, beginning at [`START_MS`].
    pub fn new(seed: u64) -> Self {
        Self::starting_at(seed, START_MS)
    }

    /// Tells the story with its first moment at `start_ms` (milliseconds since 1970).
    pub fn starting_at(seed: u64, start_ms: i64) -> Self {
        let mut stage = Stage { random: Random::new(seed), start_ms, events: Vec::new() };
        let plot = attack::Plot::new(&mut stage.random);
        let mut expectations = plot.expectations();
        office::play(&mut stage, &mut expectations);
        attack::play(&mut stage, &plot, &mut expectations);
        // Stable: of two records of one moment, the one that causes the other was added first.
        stage.events.sort_by_key(|event| event.offset_ms);
        Self { events: stage.events.into_iter(), expectations }
    }

    /// Returns what must be found.
    pub fn expectations(&self) -> &Expectations {
        &self.expectations
    }
}

impl Iterator for Story {
    type Item = StoryEvent;

    fn next(&mut self) -> Option<StoryEvent> {
        self.events.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.events.size_hint()
    }
}

/// Where the story's records are gathered.
struct Stage {
    random: Random,
    start_ms: i64,
    events: Vec<StoryEvent>,
}

impl Stage {
    /// Adds a record written at `offset_us`; what would come after the end comes at the end.
    fn write(&mut self, offset_us: i64, topic: &'static str, json: String) {
        let offset_ms = (offset_us / 1000).clamp(0, STORY_MS as i64) as u64;
        self.events.push(StoryEvent { offset_ms, topic, key: None, json });
    }

    /// Returns the moment `offset_us` of the story in microseconds since 1970.
    fn moment_us(&self, offset_us: i64) -> i64 {
        self.start_ms.saturating_mul(1000).saturating_add(offset_us)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use serde_json::Value;

    use super::*;
    use crate::timestamp::TimeField;

    fn told(seed: u64) -> (Expectations, Vec<(StoryEvent, Value)>) {
        let story = Story::new(seed);
        let expectations = story.expectations().clone();
        let events = story.map(|event| {
            let value = serde_json::from_str(&event.json).unwrap();
            (event, value)
        });
        (expectations, events.collect())
    }

    fn of_topic<'a>(events: &'a [(StoryEvent, Value)], topic: &'a str) -> impl Iterator<Item = &'a Value> {
        events.iter().filter(move |(event, _)| event.topic == topic).map(|(_, value)| value)
    }

    #[test]
    fn same_seed_tells_the_same_story_and_another_seed_another() {
        let all = |seed| Story::new(seed).collect::<Vec<_>>();
        assert_eq!(all(7), all(7));
        assert_ne!(all(7), all(8));
    }

    #[test]
    fn records_come_in_order_within_a_minute_and_near_their_own_time() {
        let (_, events) = told(1);
        assert!(events.len() > 1000, "{}", events.len());
        assert!(events.is_sorted_by_key(|(event, _)| event.offset_ms));
        for (event, _) in &events {
            let field = if event.topic == "winlogbeat" { "@timestamp" } else { "ts" };
            let time_ms = TimeField::new(field).time_ms(event.json.as_bytes()).unwrap();
            let written_ms = START_MS + event.offset_ms as i64;
            assert!((time_ms - written_ms).abs() < 10_000 && event.offset_ms <= STORY_MS, "{event:?}");
        }
    }

    #[test]
    fn beacon_is_there_as_often_as_expected_and_its_records_belong_together() {
        for seed in 0..20 {
            let (expect, events) = told(seed);
            let to_beacon = |value: &&Value| value["id.resp_h"] == expect.beacon_ip.as_str();
            let conns: Vec<_> = of_topic(&events, "conn").filter(to_beacon).collect();
            let ssls: Vec<_> = of_topic(&events, "ssl").filter(to_beacon).collect();
            assert_eq!((conns.len() as u64, ssls.len() as u64), (expect.beacon_count, expect.beacon_count));
            let uids: HashSet<_> = conns.iter().map(|conn| conn["uid"].as_str().unwrap()).collect();
            let certificates: HashMap<_, _> =
                of_topic(&events, "x509").map(|x509| (x509["id"].as_str().unwrap(), x509)).collect();
            let mut times: Vec<f64> = Vec::new();
            for ssl in ssls {
                assert!(uids.contains(ssl["uid"].as_str().unwrap()));
                let x509 = certificates[ssl["cert_chain_fuids"][0].as_str().unwrap()];
                assert_eq!(x509["certificate.subject"], expect.beacon_subject.as_str());
                assert_eq!(ssl["subject"], expect.beacon_subject.as_str());
                assert_eq!(ssl["validation_status"], "self signed certificate");
                let age =
                    ssl["ts"].as_f64().unwrap() - x509["certificate.not_valid_before"].as_f64().unwrap();
                assert!((2.0..2.1).contains(&(age / 86_400.0)), "{age}");
                times.push(ssl["ts"].as_f64().unwrap());
            }
            times.sort_by(f64::total_cmp);
            for pair in times.windows(2) {
                let off_ms = ((pair[1] - pair[0]) * 1000.0 - expect.beacon_period_ms as f64).abs();
                assert!(off_ms <= 2.0 * BEACON_JITTER_MS as f64 + 1.0, "{off_ms}");
            }
        }
    }

    #[test]
    fn self_signed_inbound_and_tunnel_are_there_as_often_as_expected() {
        for seed in 0..20 {
            let (expect, events) = told(seed);
            let self_signed = of_topic(&events, "ssl").filter(|ssl| ssl["validation_status"] != "ok").count();
            assert_eq!(self_signed as u64, expect.self_signed_count);
            let inbound: Vec<_> = of_topic(&events, "conn")
                .filter(|conn| {
                    conn["local_orig"] == false
                        && conn["id.resp_h"].as_str().unwrap().starts_with("192.168.1")
                })
                .collect();
            assert_eq!(inbound.len() as u64, expect.inbound_count);
            assert!(inbound.iter().all(|conn| conn["id.orig_h"] == expect.scanner_ip.as_str()));
            let below = format!(".{}", expect.tunnel_domain);
            let tunnel: Vec<_> = of_topic(&events, "dns")
                .filter(|dns| dns["query"].as_str().unwrap().ends_with(&below))
                .collect();
            let names: HashSet<_> = tunnel.iter().map(|dns| dns["query"].as_str().unwrap()).collect();
            assert_eq!(
                (tunnel.len() as u64, names.len() as u64),
                (expect.tunnel_queries, expect.tunnel_queries)
            );
            for dns in tunnel {
                assert_eq!(
                    (&dns["id.orig_h"], &dns["qtype_name"]),
                    (&expect.victim_ip.as_str().into(), &"TXT".into())
                );
                assert!(dns["query"].as_str().unwrap().split('.').next().unwrap().len() <= 63);
            }
        }
    }

    #[test]
    fn every_dns_record_has_its_flow() {
        let (_, events) = told(3);
        let uids: HashSet<_> = of_topic(&events, "conn").map(|conn| conn["uid"].as_str().unwrap()).collect();
        assert!(of_topic(&events, "dns").all(|dns| uids.contains(dns["uid"].as_str().unwrap())));
        assert!(of_topic(&events, "http").all(|http| uids.contains(http["uid"].as_str().unwrap())));
        assert!(of_topic(&events, "http").count() > 10);
    }

    #[test]
    fn word_starts_powershell_and_every_connection_has_an_earlier_process() {
        for seed in 0..20 {
            let (expect, events) = told(seed);
            let mut created: HashMap<&str, &Value> = HashMap::new();
            let (mut creations, mut connections, mut beacons, mut children) = (0, 0, 0, 0);
            for event in of_topic(&events, "winlogbeat") {
                assert_eq!(event["source_name"], "Microsoft-Windows-Sysmon");
                let data = &event["event_data"];
                let guid = data["ProcessGuid"].as_str().unwrap();
                if event["event_id"] == 1 {
                    creations += 1;
                    assert!(created.insert(guid, data).is_none());
                    children += u64::from(data["ParentProcessGuid"] == expect.powershell_guid.as_str());
                } else {
                    connections += 1;
                    assert!(created.contains_key(guid), "{event}");
                    if data["DestinationIp"] == expect.beacon_ip.as_str() {
                        assert_eq!(guid, expect.powershell_guid);
                        beacons += 1;
                    }
                }
            }
            assert_eq!((creations, connections), (expect.process_creations, expect.network_connections));
            assert_eq!((beacons, children), (expect.beacon_count, expect.powershell_children));
            let powershell = created[expect.powershell_guid.as_str()];
            assert_eq!(powershell["ParentProcessGuid"], expect.word_guid.as_str());
            assert!(powershell["CommandLine"].as_str().unwrap().contains(" -enc "));
            assert_eq!(powershell["User"], expect.victim_user.as_str());
        }
    }

    #[test]
    fn sysmon_connections_are_the_flows_that_zeek_sees() {
        let (_, events) = told(5);
        let flow = |value: &Value, names: [&str; 4]| {
            names.map(|name| value[name].as_str().map_or_else(|| value[name].to_string(), str::to_owned))
        };
        let flows: HashSet<_> = of_topic(&events, "conn")
            .map(|conn| flow(conn, ["id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"]))
            .collect();
        for event in of_topic(&events, "winlogbeat").filter(|event| event["event_id"] == 3) {
            let data = &event["event_data"];
            assert!(
                flows.contains(&flow(data, ["SourceIp", "SourcePort", "DestinationIp", "DestinationPort"]))
            );
        }
    }
}
