//! What Zeek records of a flow, with the field names and types of its JSON writer.

use super::{
    Stage,
    network::{DNS_SERVER, Host, Site, is_local},
};
use crate::json::ObjectText;

/// One flow, from which its records are written.
pub(super) struct Flow {
    pub(super) start_us: i64,
    pub(super) uid: String,
    pub(super) source_ip: String,
    pub(super) source_port: i64,
    pub(super) target_ip: String,
    pub(super) target_port: i64,
}

/// What went over a flow.
pub(super) struct Traffic {
    pub(super) proto: &'static str,
    pub(super) service: Option<&'static str>,
    pub(super) state: &'static str,
    pub(super) history: &'static str,
    pub(super) duration_us: i64,
    pub(super) sent_bytes: i64,
    pub(super) received_bytes: i64,
}

/// A certificate as a server shows it.
pub(super) struct Certificate {
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) serial: String,
    pub(super) not_before_us: i64,
    pub(super) not_after_us: i64,
    /// The name it is for, when it is not the subject's own invention.
    pub(super) name: Option<String>,
}

impl Certificate {
    fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }
}

impl Flow {
    pub(super) fn new(
        stage: &mut Stage,
        start_us: i64,
        source_ip: &str,
        target_ip: &str,
        target_port: i64,
    ) -> Self {
        Self {
            start_us,
            uid: stage.random.zeek_id('C'),
            source_ip: source_ip.to_owned(),
            source_port: stage.random.between(49_152, 65_535),
            target_ip: target_ip.to_owned(),
            target_port,
        }
    }

    /// Begins a record with the fields that all logs of flows share.
    fn record(&self, stage: &Stage, at_us: i64) -> ObjectText {
        ObjectText::new()
            .seconds("ts", stage.moment_us(at_us))
            .text("uid", &self.uid)
            .text("id.orig_h", &self.source_ip)
            .int("id.orig_p", self.source_port)
            .text("id.resp_h", &self.target_ip)
            .int("id.resp_p", self.target_port)
    }
}

/// Writes the `conn` record, which Zeek does when the flow is over.
pub(super) fn write_conn(stage: &mut Stage, flow: &Flow, traffic: &Traffic) {
    let packets = |bytes: i64| if bytes == 0 { 1 } else { bytes / 1400 + 3 };
    let (sent, received) = (packets(traffic.sent_bytes), packets(traffic.received_bytes));
    let answered = traffic.state == "SF";
    let mut record = flow.record(stage, flow.start_us).text("proto", traffic.proto);
    if let Some(service) = traffic.service {
        record = record.text("service", service);
    }
    if answered {
        record = record
            .seconds("duration", traffic.duration_us)
            .int("orig_bytes", traffic.sent_bytes)
            .int("resp_bytes", traffic.received_bytes);
    }
    let received = if answered { received } else { 0 };
    let json = record
        .text("conn_state", traffic.state)
        .bool("local_orig", is_local(&flow.source_ip))
        .bool("local_resp", is_local(&flow.target_ip))
        .int("missed_bytes", 0)
        .text("history", traffic.history)
        .int("orig_pkts", sent)
        .int("orig_ip_bytes", traffic.sent_bytes + sent * 40)
        .int("resp_pkts", received)
        .int("resp_ip_bytes", if answered { traffic.received_bytes + received * 40 } else { 0 })
        .finish();
    stage.write(flow.start_us + traffic.duration_us, "conn", json);
}

/// A question to the name server and what it says.
pub(super) struct Lookup<'a> {
    pub(super) query: &'a str,
    pub(super) qtype: i64,
    pub(super) qtype_name: &'a str,
    pub(super) answer: &'a str,
    pub(super) ttl_s: i64,
}

/// Writes the `dns` record of a question and the `conn` record of its flow; returns when the answer was there.
pub(super) fn write_lookup(stage: &mut Stage, start_us: i64, host: &Host, lookup: &Lookup) -> i64 {
    let flow = Flow::new(stage, start_us, host.ip, DNS_SERVER, 53);
    let rtt_us = stage.random.between(400, 30_000);
    let trans_id = stage.random.between(1, 65_536);
    let json = flow
        .record(stage, start_us)
        .text("proto", "udp")
        .int("trans_id", trans_id)
        .seconds("rtt", rtt_us)
        .text("query", lookup.query)
        .int("qclass", 1)
        .text("qclass_name", "C_INTERNET")
        .int("qtype", lookup.qtype)
        .text("qtype_name", lookup.qtype_name)
        .int("rcode", 0)
        .text("rcode_name", "NOERROR")
        .bool("AA", false)
        .bool("TC", false)
        .bool("RD", true)
        .bool("RA", true)
        .int("Z", 0)
        .texts("answers", &[lookup.answer])
        .raw("TTLs", &format!("[{}.0]", lookup.ttl_s))
        .bool("rejected", false)
        .finish();
    stage.write(start_us + rtt_us, "dns", json);
    let traffic = Traffic {
        proto: "udp",
        service: Some("dns"),
        state: "SF",
        history: "Dd",
        duration_us: rtt_us,
        sent_bytes: lookup.query.len() as i64 + 18,
        received_bytes: (lookup.query.len() + lookup.answer.len()) as i64 + 34,
    };
    write_conn(stage, &flow, &traffic);
    start_us + rtt_us
}

/// Writes the `ssl` and `x509` records of a handshake; a certificate comes before the handshake that shows it.
pub(super) fn write_handshake(
    stage: &mut Stage,
    flow: &Flow,
    server_name: Option<&str>,
    certificate: &Certificate,
) {
    let hello_us = flow.start_us + 20_000;
    let certificate_us = hello_us + 15_000;
    let fuid = stage.random.zeek_id('F');
    let mut record = ObjectText::new()
        .seconds("ts", stage.moment_us(certificate_us))
        .text("id", &fuid)
        .int("certificate.version", 3)
        .text("certificate.serial", &certificate.serial)
        .text("certificate.subject", &certificate.subject)
        .text("certificate.issuer", &certificate.issuer)
        .seconds("certificate.not_valid_before", certificate.not_before_us)
        .seconds("certificate.not_valid_after", certificate.not_after_us)
        .text("certificate.key_alg", "rsaEncryption")
        .text("certificate.sig_alg", "sha256WithRSAEncryption")
        .text("certificate.key_type", "rsa")
        .int("certificate.key_length", 2048)
        .text("certificate.exponent", "65537");
    if let Some(name) = &certificate.name {
        record = record.texts("san.dns", &[name]);
    }
    stage.write(certificate_us, "x509", record.bool("basic_constraints.ca", false).finish());

    let mut record = flow
        .record(stage, hello_us)
        .text("version", "TLSv12")
        .text("cipher", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")
        .text("curve", "x25519");
    if let Some(name) = server_name {
        record = record.text("server_name", name);
    }
    let json = record
        .bool("resumed", false)
        .bool("established", true)
        .texts("cert_chain_fuids", &[&fuid])
        .texts("client_cert_chain_fuids", &[])
        .text("subject", &certificate.subject)
        .text("issuer", &certificate.issuer)
        .text(
            "validation_status",
            if certificate.is_self_signed() { "self signed certificate" } else { "ok" },
        )
        .finish();
    stage.write(certificate_us + 10_000, "ssl", json);
}

/// Writes the `http` record of one request over a flow.
pub(super) fn write_request(stage: &mut Stage, flow: &Flow, site: &Site, uri: &str, response_bytes: i64) {
    let at_us = flow.start_us + 25_000;
    let fuid = stage.random.zeek_id('F');
    let json = flow
        .record(stage, at_us)
        .int("trans_depth", 1)
        .text("method", "GET")
        .text("host", site.name)
        .text("uri", uri)
        .text("version", "1.1")
        .text("user_agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Example/1.0")
        .int("request_body_len", 0)
        .int("response_body_len", response_bytes)
        .int("status_code", 200)
        .text("status_msg", "OK")
        .texts("tags", &[])
        .texts("resp_fuids", &[&fuid])
        .texts("resp_mime_types", &["text/html"])
        .finish();
    stage.write(at_us + 40_000, "http", json);
}
