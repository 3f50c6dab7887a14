//! Every SQL statement of the tutorials, pasted as it is written there into the real shell of a real server.
//!
//! The tutorials lie beside the project (`../shared/seeds`) and are read when the test runs; where they are not
//! there the test says so and passes. A statement is a [`Case`]: its name, the words it begins with, and what it
//! must show. Left-out parts of a statement (`…`) are filled in by the case.

#![allow(clippy::unwrap_used, reason = "tests; the lint does not see helpers of test files as such")]

mod program;

use std::time::{SystemTime, UNIX_EPOCH};

use program::{PATIENCE, Server, Shown, beside};

/// Returns the statements of a tutorial: from a line that begins with a prompt or a keyword in capitals to the `;`.
fn statements(tutorial: &str) -> Vec<String> {
    const WORDS: [&str; 4] = ["CREATE ", "SELECT ", "PRINT ", "ksql> "];
    let mut found = Vec::new();
    let mut pending: Option<String> = None;
    for line in tutorial.lines() {
        let begins = WORDS.iter().any(|word| line.starts_with(word)) && !line.trim().eq("ksql>");
        match &mut pending {
            Some(text) => {
                text.push('\n');
                text.push_str(line);
            }
            None if begins => pending = Some(line.to_owned()),
            None => continue,
        }
        if line.trim_end().ends_with(';') {
            found.extend(pending.take());
        }
    }
    found
}

/// One statement of a tutorial and what it must do.
#[derive(Default)]
struct Case {
    name: &'static str,
    begins: &'static str,
    /// Texts put in place of left-out parts, in order.
    filled: Vec<(&'static str, String)>,
    /// Ends a query that would go on: `--query-row-limit`.
    rows_max: Option<usize>,
    /// Run before, by the test.
    before: &'static str,
    /// Lines replayed to a topic once a query shows its columns, and once any other statement is done.
    fed: Vec<(&'static str, Vec<String>)>,
    shows: Vec<String>,
    /// Names that must not be shown.
    hides: Vec<&'static str>,
    /// A query run behind it, and what it must show.
    then: Option<(&'static str, Vec<&'static str>)>,
    /// Not in the order of the text: after all others.
    is_last: bool,
}

fn case(name: &'static str, begins: &'static str) -> Case {
    Case { name, begins, ..Case::default() }
}

impl Case {
    fn filled(mut self, left_out: &'static str, with: impl Into<String>) -> Self {
        self.filled.push((left_out, with.into()));
        self
    }

    fn rows(mut self, rows_max: usize) -> Self {
        self.rows_max = Some(rows_max);
        self
    }

    fn before(mut self, sql: &'static str) -> Self {
        self.before = sql;
        self
    }

    fn fed(mut self, topic: &'static str, lines: &[String]) -> Self {
        self.fed.push((topic, lines.to_vec()));
        self
    }

    fn shows(mut self, texts: &[&str]) -> Self {
        self.shows.extend(texts.iter().map(|text| (*text).to_owned()));
        self
    }

    fn hides(mut self, texts: &[&'static str]) -> Self {
        self.hides.extend(texts);
        self
    }

    fn then(mut self, sql: &'static str, shows: &[&'static str]) -> Self {
        self.then = Some((sql, shows.to_vec()));
        self
    }

    fn last(mut self) -> Self {
        self.is_last = true;
        self
    }
}

/// A tutorial being followed: the server, and what the reader has SET so far.
struct Reader {
    server: Server,
    session: String,
}

impl Reader {
    /// Pastes a statement and returns what the shell shows.
    fn paste(&self, case: &Case, statement: &str) -> Shown {
        let rows_max = case.rows_max.map(|rows| rows.to_string());
        let arguments: Vec<&str> = rows_max.iter().flat_map(|rows| ["--query-row-limit", rows]).collect();
        let mut pasted = self.server.paste(&format!("{}{statement}\n", self.session), &arguments);
        if case.fed.is_empty() {
            return pasted.finish();
        }
        if statement.contains("PRINT") {
            // PRINT shows nothing before the first record, so nobody can know that it has begun.
            let started = std::time::Instant::now();
            while !pasted.has_ended() {
                assert!(started.elapsed() < PATIENCE, "{} does not end", case.name);
                self.feed(case);
            }
        } else {
            pasted.wait_for(|line| line.starts_with("+--"));
            self.feed(case);
        }
        pasted.finish()
    }

    fn feed(&self, case: &Case) {
        for (topic, lines) in &case.fed {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            self.server.replay(topic, &lines);
        }
    }

    fn run(&mut self, case: &Case, statement: &str) {
        let name = case.name;
        let mut statement = statement.to_owned();
        for (left_out, with) in &case.filled {
            assert!(statement.contains(left_out), "{name}: there is no {left_out} in {statement}");
            statement = statement.replacen(left_out, with, 1);
        }
        if !case.before.is_empty() {
            self.server.sql(case.before);
        }
        let mut shown = self.paste(case, &statement);
        if statement.contains("'AVRO'") {
            // Taken as it is, or refused with the way out, which is then gone.
            if shown.code != Some(0) {
                assert!(shown.errors.contains("'AVRO' is not supported yet"), "{name}: {shown:?}");
                shown = self.paste(case, &statement.replace("'AVRO'", "'JSON'"));
            }
        }
        assert_eq!(shown.code, Some(0), "{name}: {statement}\n{shown:?}");
        for text in &case.shows {
            assert!(shown.out.contains(text), "{name}: no {text} in {}", shown.out);
        }
        for text in &case.hides {
            assert!(!shown.out.contains(text), "{name}: {text} in {}", shown.out);
        }
        if let Some(set) = statement.strip_prefix("ksql> ").filter(|statement| statement.starts_with("SET")) {
            self.session = format!("{set}\n");
        }
        if let Some((sql, wanted)) = &case.then {
            let shown = self.server.sql(&format!("SET 'auto.offset.reset'='earliest'; {sql}"));
            for text in wanted {
                assert!(shown.contains(text), "{name}: no {text} after it in {shown}");
            }
        }
        println!("{name}: ok");
    }
}

/// Follows a tutorial to its end: each statement has its case, and each case its statement.
fn follow(file: &str, cases: &[Case], server: Server) {
    let Some(folder) = beside("seeds") else { return };
    let file = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(file))
        .expect("the tutorial is there");
    let statements = statements(&std::fs::read_to_string(file).unwrap());
    for (statement, case) in statements.iter().zip(cases) {
        let text = statement.strip_prefix("ksql> ").unwrap_or(statement);
        assert!(text.starts_with(case.begins), "{} begins otherwise: {text}", case.name);
    }
    assert_eq!(statements.len(), cases.len(), "each statement has a case: {statements:#?}");
    let mut reader = Reader { server, session: String::new() };
    for is_last in [false, true] {
        for (statement, case) in statements.iter().zip(cases).filter(|(_, case)| case.is_last == is_last) {
            reader.run(case, statement);
        }
    }
}

/// Seconds since 1970 of the tests' events.
const THEN: u64 = 1_589_364_400;

fn conn(uid: &str, to: &str, port: u16, is_local: bool) -> String {
    format!(
        r#"{{"ts":{THEN}.639986,"uid":"{uid}","id.orig_h":"192.168.1.9","id.orig_p":53768,"id.resp_h":"{to}","id.resp_p":{port},"proto":"udp","service":"dns","conn_state":"SF","local_orig":{is_local},"local_resp":true,"missed_bytes":0,"history":"Dd","orig_pkts":2,"orig_ip_bytes":84,"resp_pkts":1,"resp_ip_bytes":444}}"#
    )
}

fn dns(uid: &str, query: &str) -> String {
    format!(
        r#"{{"ts":{THEN}.64,"uid":"{uid}","id.orig_h":"192.168.1.9","id.orig_p":53768,"id.resp_h":"192.168.1.1","id.resp_p":53,"proto":"udp","query":"{query}","qtype_name":"A","answers":["93.184.216.34"],"TTLs":[3600.0]}}"#
    )
}

fn ssl(name: &str, status: &str) -> String {
    format!(
        r#"{{"ts":{THEN}.7,"uid":"S-{name}","id.orig_h":"192.168.1.9","id.orig_p":40000,"id.resp_h":"10.9.8.7","id.resp_p":443,"version":"TLSv12","cipher":"TLS_X","curve":"x25519","server_name":"{name}","subject":"CN={name}","issuer":"CN=CA","validation_status":"{status}"}}"#
    )
}

fn x509(name: &str, valid_from: u64) -> String {
    format!(
        r#"{{"ts":{THEN}.7,"id":"F-{name}","certificate.version":3,"certificate.subject":"CN={name}","certificate.not_valid_before":{valid_from},"certificate.not_valid_after":1900000000,"certificate.key_alg":"rsaEncryption","certificate.sig_alg":"sha256WithRSAEncryption","certificate.key_type":"rsa","certificate.key_length":2048}}"#
    )
}

/// The scripts that the Zeek walkthrough runs and does not print: the same kind of statements for the other logs.
const SCRIPTS: [(&str, &str); 4] = [
    (
        "create_bro_dns_stream.sql",
        "CREATE STREAM dns_stream (ts DOUBLE(16,6), uid STRING, \"id.orig_h\" VARCHAR, \"id.orig_p\" INTEGER, \
         \"id.resp_h\" VARCHAR, \"id.resp_p\" INTEGER, proto STRING, \"query\" VARCHAR, qtype_name VARCHAR, \
         answers ARRAY<VARCHAR>, ttls ARRAY<DOUBLE>) \\\n WITH (KAFKA_TOPIC='dns', VALUE_FORMAT='JSON');\n",
    ),
    (
        "create_rich_dns_stream.sql",
        "CREATE STREAM RICH_DNS WITH (PARTITIONS=1) AS SELECT d.\"query\", d.\"id.orig_h\" AS SRC_IP, d.UID, \
         SPLIT(d.\"query\", '.')[1] AS HOSTNAME, c.ORIG_IP_BYTES AS REQUEST_BYTES \
         FROM DNS_STREAM d INNER JOIN CONN_STREAM c WITHIN 1 MINUTES ON d.UID = c.UID WHERE LOCAL_ORIG = true;",
    ),
    (
        "create_bro_ssl_stream.sql",
        "CREATE STREAM ssl_stream (ts DOUBLE(16,6), uid STRING, \"id.orig_h\" VARCHAR, \"id.orig_p\" INTEGER, \
         \"id.resp_h\" VARCHAR, \"id.resp_p\" INTEGER, version STRING, cipher STRING, curve STRING, \
         server_name STRING, subject STRING, issuer STRING, validation_status STRING) \
         WITH (KAFKA_TOPIC='ssl', VALUE_FORMAT='JSON');",
    ),
    (
        "create_bro_x509_stream.sql",
        "CREATE STREAM x509_stream (ts DOUBLE(16,6), id STRING, \"certificate.version\" INTEGER, \
         \"certificate.subject\" STRING, \"certificate.not_valid_before\" BIGINT, \
         \"certificate.not_valid_after\" BIGINT, \"certificate.key_alg\" STRING, \
         \"certificate.sig_alg\" STRING, \"certificate.key_type\" STRING, \"certificate.key_length\" INTEGER) \
         WITH (KAFKA_TOPIC='x509', VALUE_FORMAT='JSON');",
    ),
];

#[test]
fn zeek_walkthrough() {
    let folder = tempfile::tempdir().unwrap();
    for (name, script) in SCRIPTS {
        std::fs::write(folder.path().join(name), script).unwrap();
    }
    let scripts = folder.path().display().to_string();
    let script = |name, begins: &'static str| case(name, begins).filled("/ksqldb_scripts", scripts.clone());
    let server = Server::start(&folder.path().join("data"));
    for (topic, lines) in [
        ("files", vec![r#"{"ts":1.5,"fuid":"F1"}"#.to_owned()]),
        ("dns", vec![dns("C1", "www.example.org")]),
        ("ssl", vec![]),
        ("x509", vec![]),
        ("conn", vec![conn("C1", "192.168.1.1", 53, true)]),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        server.replay(topic, &lines);
    }
    let inbound = [conn("OUT", "10.1.1.1", 53, true), conn("IN", "192.168.1.5", 445, false)];
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let certificates = [x509("old.example", THEN), x509("new.example", now - 86_400)];
    let handshakes = [ssl("old.example", "certificate has expired"), ssl("new.example", "ok")];
    let created = ["Stream created"];
    let cases = [
        case("topics are listed", "SHOW TOPICS;").shows(&[" conn ", " dns ", " files ", "| 1          | 1"]),
        case("a topic is printed", "PRINT 'files'")
            .fed("files", &[r#"{"ts":1.5,"fuid":"FNEW"}"#.to_owned()])
            .shows(&["Key format:", "Value format: JSON", "rowtime: 1970/01/01 00:00:01.500 Z, key: <null>, value: {\"ts\":1.5,\"fuid\":\"FNEW\"}, partition: 0"]),
        case("streams are listed", "LIST STREAMS;").shows(&[" Stream Name ", " Kafka Topic "]),
        case("conn stream", "CREATE STREAM conn_stream").shows(&created),
        case("local connections", "SELECT * FROM CONN_STREAM WHERE LOCAL_ORIG = true EMIT CHANGES LIMIT 10;")
            .fed("conn", &std::array::from_fn::<_, 11, _>(|n| conn(&format!("L{n:02}"), "192.168.1.1", 53, true)))
            .shows(&["|L00 ", "|L09 ", "Limit Reached\nQuery terminated\n"])
            .hides(&["|L10 "]),
        case("connections from outside", "SELECT * FROM CONN_STREAM WHERE LOCAL_ORIG != true EMIT")
            .rows(1)
            .fed("conn", &inbound)
            .shows(&["|IN "])
            .hides(&["|OUT "]),
        case("connections from outside to the local net", "SELECT * FROM CONN_STREAM WHERE LOCAL_ORIG != true AND")
            .rows(1)
            .fed("conn", &inbound)
            .shows(&["|IN ", "|192.168."]),
        case("earliest", "SET 'auto.offset.reset'='earliest';").shows(&["Successfully changed local property"]),
        case("inbound stream", "CREATE STREAM INBOUND_STREAM")
            .shows(&["INBOUND_STREAM"])
            .then("SELECT uid FROM INBOUND_STREAM EMIT CHANGES LIMIT 2;", &["|IN "]),
        case("topics with the new one", "SHOW TOPICS;").shows(&[" INBOUND_STREAM "]),
        case("inbound stream is read", "SELECT * FROM INBOUND_STREAM").rows(2).shows(&["|IN "]),
        case("streams with the new one", "SHOW STREAMS;").shows(&[" CONN_STREAM ", " INBOUND_STREAM "]),
        script("dns script", "RUN SCRIPT /ksqldb_scripts/create_bro_dns_stream.sql;").shows(&created),
        case("streams with dns", "SHOW STREAMS;").shows(&[" DNS_STREAM ", " dns "]),
        case("lookups of each name", "SELECT \"query\", COUNT(\"query\")").rows(1).shows(&["|LOOKUPS", "|www.example.org", "|1 "]),
        case("a dns connection", "SELECT * FROM CONN_STREAM WHERE \"id.resp_p\"=53")
            .shows(&["|C1 ", "Limit Reached"]),
        case("a dns request", "SELECT * FROM DNS_STREAM WHERE \"id.resp_p\"=53")
            .shows(&["|C1 ", "Limit Reached"]),
        case("dns with bytes", "CREATE STREAM RICH_DNS")
            .shows(&["RICH_DNS"])
            .then("SELECT \"query\", HOSTNAME, ELEMENT3, ELEMENT4, REQUEST_BYTES, REPLY_BYTES, LOCAL_ORIG, D_UID FROM RICH_DNS EMIT CHANGES LIMIT 1;", &["|www ", "|org ", "|null ", "|84 ", "|444 ", "|true ", "|C1 "]),
        script("dns with bytes by script", "RUN SCRIPT /ksqldb_scripts/create_rich_dns_stream.sql;")
            .before("DROP STREAM IF EXISTS RICH_DNS DELETE TOPIC;")
            .shows(&["RICH_DNS"])
            .then("SELECT HOSTNAME, REQUEST_BYTES FROM RICH_DNS EMIT CHANGES LIMIT 1;", &["|www ", "|84 "]),
        case("latest", "SET 'auto.offset.reset'='latest';").shows(&["Successfully changed local property"]),
        case("host names in five minutes", "SELECT SRC_IP, HOSTNAME, COUNT(HOSTNAME)")
            .rows(1)
            .fed("conn", &[conn("C2", "192.168.1.1", 53, true)])
            .fed("dns", &[dns("C2", "mail.example.org")])
            .shows(&["|192.168.1.9", "|mail ", "|1 "]),
        script("ssl script", "RUN SCRIPT /ksqldb_scripts/create_bro_ssl_stream.sql;").shows(&created),
        script("x509 script", "RUN SCRIPT /ksqldb_scripts/create_bro_x509_stream.sql;").shows(&created),
        case("one handshake", "SELECT * FROM SSL_STREAM EMIT CHANGES LIMIT 1;")
            .fed("ssl", &[ssl("first.example", "ok")])
            .shows(&["Limit Reached"]),
        case("bad certificates", "SELECT")
            .rows(1)
            .fed("x509", &certificates)
            .fed("ssl", &handshakes)
            .shows(&["|CERT_EXPIRATION_DATE", "|certificate has expired ", "|2030-03-17 ", "Query terminated"])
            .hides(&["new.example"]),
        case("new certificates", "CREATE STREAM NEW_SSL_STREAM")
            .shows(&["NEW_SSL_STREAM"])
            .fed("x509", &certificates)
            .fed("ssl", &handshakes)
            .then("SELECT SUBJECT, CERTIFICATE_KEY_LENGTH FROM NEW_SSL_STREAM EMIT CHANGES LIMIT 1;", &["|CN=new.example ", "|2048 "]),
    ];
    follow("000_", &cases, server);
}

fn sysmon(id: u32, guid: &str, rest: &str) -> String {
    format!(
        r#"{{"@timestamp":"2018-12-18T22:42:32.841Z","source_name":"Microsoft-Windows-Sysmon","event_id":{id},"computer_name":"DESKTOP-LFD11QP","log_name":"Microsoft-Windows-Sysmon/Operational","task":"t","type":"wineventlog","event_data":{{"UtcTime":"2018-12-18 22:42:32.841","ProcessGuid":"{guid}","ProcessId":"3100","Image":"C:\\Windows\\cmd.exe",{rest}}}}}"#
    )
}

/// A process begun by WMI that then connects out, and a process that does not.
fn sysmon_events() -> Vec<String> {
    vec![
        sysmon(
            1,
            "{G1}",
            r#""CommandLine":"cmd /c whoami","ParentProcessGuid":"{G0}","ParentProcessId":"4","ParentImage":"C:\\Windows\\System32\\wbem\\WmiPrvSE.exe","User":"RIVENDELL\\cbrown""#,
        ),
        sysmon(
            1,
            "{G2}",
            r#""CommandLine":"notepad","ParentProcessGuid":"{G0}","ParentProcessId":"4","ParentImage":"C:\\Windows\\explorer.exe","User":"RIVENDELL\\cbrown""#,
        ),
        sysmon(
            3,
            "{G1}",
            r#""Protocol":"tcp","SourceIp":"10.0.0.5","SourcePort":"49737","DestinationIp":"172.217.7.174","DestinationPort":"443","User":"RIVENDELL\\cbrown""#,
        ),
    ]
}

fn sysmon_cases(script: &str) -> Vec<Case> {
    let created = ["Stream created"];
    vec![
        case("processes begun by WMI", "SELECT PARENT_PROCESS_PATH, DST_IP_ADDR")
            .shows(&["WmiPrvSE.exe", "|172.217.7.174", "|cmd /c whoami"])
            .hides(&["notepad"])
            .last(),
        case("winlogbeat stream", "CREATE STREAM WINLOGBEAT_STREAM \\")
            .filled(
                "…",
                "CommandLine VARCHAR, ParentProcessGuid VARCHAR, ParentProcessId INTEGER, ParentImage VARCHAR, \
                 Protocol VARCHAR, SourceIp VARCHAR, SourcePort INTEGER, DestinationIp VARCHAR, User VARCHAR>, ",
            )
            .shows(&created),
        case("winlogbeat stream keyed by process", "CREATE STREAM WINLOGBEAT_STREAM_REKEY")
            .filled(
                "…",
                "event_data->CommandLine AS process_command_line, \
                 event_data->ParentProcessGuid AS parent_process_guid, \
                 event_data->ParentProcessId AS parent_process_id, \
                 event_data->ParentImage AS parent_process_path, event_data->Protocol AS network_protocol, \
                 event_data->SourceIp AS src_ip_addr, event_data->SourcePort AS src_port, \
                 event_data->DestinationIp AS dst_ip_addr, event_data->User AS user_account, event_id ",
            )
            .shows(&["WINLOGBEAT_STREAM_REKEY"])
            .then(
                "SELECT process_guid, process_id, ROWTIME FROM WINLOGBEAT_STREAM_REKEY EMIT CHANGES LIMIT 3;",
                &["|{G1} ", "|{G2} ", "|3100 ", "|1545172952841 "],
            ),
        case("process events", "CREATE STREAM SYSMON_PROCESS_CREATE AS")
            .filled("…", "process_command_line")
            .shows(&["SYSMON_PROCESS_CREATE"])
            .then(
                "SELECT process_guid, process_command_line FROM SYSMON_PROCESS_CREATE EMIT CHANGES LIMIT 2;",
                &["|{G1} ", "|cmd /c whoami", "|notepad "],
            ),
        case("network events", "CREATE STREAM SYSMON_NETWORK_CONNECT AS")
            .filled("…", "dst_ip_addr, user_account")
            .shows(&["SYSMON_NETWORK_CONNECT"])
            .then(
                "SELECT process_guid, src_port, dst_ip_addr FROM SYSMON_NETWORK_CONNECT EMIT CHANGES LIMIT 1;",
                &["|{G1} ", "|49737 ", "|172.217.7.174 "],
            ),
        case("process table", "CREATE TABLE SYSMON_PROCESS_CREATE_TABLE")
            .filled(
                "…",
                "process_path VARCHAR, parent_process_guid VARCHAR, parent_process_id INTEGER, \
                 parent_process_path VARCHAR, process_command_line VARCHAR) ",
            )
            .shows(&["Table created"])
            .then(
                "SELECT process_guid, process_command_line FROM SYSMON_PROCESS_CREATE_TABLE EMIT CHANGES LIMIT 2;",
                &["|{G1} ", "|cmd /c whoami "],
            ),
        case("join shown", "SELECT N.DST_IP_ADDR")
            .shows(&["|172.217.7.174 ", "|cmd /c whoami ", "|C:\\Windows\\cmd.exe"]),
        case("join kept", "CREATE STREAM SYSMON_JOIN")
            .filled("[…]", "P.PROCESS_PATH")
            .shows(&["SYSMON_JOIN"])
            .then(
                "SELECT N_PROCESS_GUID, USER_ACCOUNT, PARENT_PROCESS_PATH FROM SYSMON_JOIN EMIT CHANGES LIMIT 1;",
                &["|{G1} ", "|RIVENDELL\\cbrown "],
            ),
        case("the same by script", "run script '/tmp/sysmon-join.commands'")
            .filled("/tmp/sysmon-join.commands", script)
            .before("DROP STREAM SYSMON_JOIN DELETE TOPIC;")
            .shows(&["SYSMON_JOIN"])
            .then("SELECT N_PROCESS_GUID FROM SYSMON_JOIN EMIT CHANGES LIMIT 1;", &["|{G1} "]),
    ]
}

#[test]
fn sysmon_process_and_network_joined() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("sysmon-join.commands");
    std::fs::write(
        &script,
        "-- what the article leaves to its gist\nSET 'auto.offset.reset' = 'earliest';\n\
         CREATE STREAM SYSMON_JOIN WITH (PARTITIONS=1) AS \\\n SELECT N.PROCESS_GUID, N.DST_IP_ADDR, \\\n \
         P.PROCESS_COMMAND_LINE, \\\n P.PARENT_PROCESS_PATH \\\n FROM SYSMON_NETWORK_CONNECT N \\\n \
         INNER JOIN SYSMON_PROCESS_CREATE_TABLE P \\\n ON N.PROCESS_GUID = P.PROCESS_GUID;\n",
    )
    .unwrap();
    // HELK's queries read from the beginning: its server is told so.
    let server = Server::start_with(&folder.path().join("data"), &["--set", "auto.offset.reset=earliest"]);
    let events = sysmon_events();
    server.replay("winlogbeat", &events.iter().map(String::as_str).collect::<Vec<_>>());
    follow("003_", &sysmon_cases(&script.display().to_string()), server);
}

fn windows_event(command: &str, parent: &str) -> String {
    format!(
        r#"{{"@timestamp":"2024-12-01T10:00:00.000Z","@metadata":{{"beat":"winlogbeat","type":"_doc","version":"8.1"}},"winlog":{{"version":2,"event_data":{{"CommandLine":"{command}","ParentProcessName":"{parent}"}},"process":{{"pid":4,"thread":{{"id":5}}}},"keywords":["Audit Success"],"record_id":1,"event_id":"4688"}},"host":{{"name":"h","hostname":"WS-17","ip":["10.0.0.1"]}},"message":"m"}}"#
    )
}

#[test]
fn soc_prime_filter() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let asks = "wmic path AntiVirusProduct get displayName,productState";
    let all = "Win32_Process AvastUI.exe AvastSvc.exe FortiWF.exe xagt.exe fcappdb.exe";
    let events = [
        windows_event("notepad", "explorer.exe"),
        windows_event(asks, "pycharm64.exe"),
        windows_event(asks, "powershell.exe"),
        windows_event(all, "cmd.exe"),
    ];
    let cases = [
        case("the topic is printed", "PRINT wineventlogs;")
            .rows(1)
            .before("CREATE STREAM w (m VARCHAR) WITH (KAFKA_TOPIC='wineventlogs', VALUE_FORMAT='JSON', PARTITIONS=1); DROP STREAM w;")
            .fed("wineventlogs", &events[..1])
            .shows(&["Value format: JSON", "\"CommandLine\":\"notepad\""]),
        case("windows events", "CREATE STREAM WINLOGEVENTS")
            .shows(&["Stream created"])
            .then(
                "SELECT `@timestamp`, winlog->process->thread->id AS t, host->ip[1] AS ip FROM WINLOGEVENTS EMIT CHANGES LIMIT 1;",
                &["|2024-12-01T10:00:00.000Z", "|5 ", "|10.0.0.1 "],
            ),
        case("alerts", "CREATE STREAM WINDOWS_ALERTS").shows(&["WINDOWS_ALERTS"]),
        case("alerts are read", "SELECT * FROM WINDOWS_ALERTS EMIT CHANGES;")
            .rows(2)
            .fed("wineventlogs", &events)
            .shows(&["|HOST ", "|COMMANDLINE ", "|WS-17 ", "|powershell.exe", "|cmd.exe"])
            .hides(&["pycharm", "notepad"]),
    ];
    follow("004_", &cases, server);
}
