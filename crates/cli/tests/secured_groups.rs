//! `tripline group` on listeners with TLS and logins, and what it says when the two sides do not fit. The certificates
//! are for tests only and good for a hundred years.

#![allow(clippy::unwrap_used, reason = "tests; the lint does not see helpers of test files as such")]

mod program;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, ApiKey, RequestHeader,
        ResponseHeader, alter_user_scram_credentials_request::ScramCredentialUpsertion,
    },
    protocol::{Decodable, Encodable, StrBytes},
};
use program::{Server, tripline};

/// Every refusal comes long before this.
const SECONDS: Duration = Duration::from_secs(20);
const PASSWORD: &str = "a b\\c=d,\"e\"";
const RECORDS: [&str; 2] = [r#"{"ts":1000,"a":1}"#, r#"{"ts":2000,"a":2}"#];

fn certificate(name: &str) -> String {
    format!("{}/../kafka/src/tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn self_signed() -> String {
    format!("{}/tests/certificates/self_signed.pem", env!("CARGO_MANIFEST_DIR"))
}

/// A server that listens in the clear, with a login, with TLS, and with both.
struct Secured {
    _server: Server,
    clear: String,
    login: String,
    tls: String,
    both: String,
}

impl Secured {
    fn start(data: &Path, arguments: &[&str]) -> Secured {
        let config = data.join("server.properties");
        // alice has a password of the settings, bob and carol have SCRAM's.
        let users = "kafka.plain.sasl.jaas.config=user_alice=\"secret\"\n";
        std::fs::write(&config, users).unwrap();
        let (config, server, ca) =
            (config.display().to_string(), certificate("server.pem"), certificate("ca.pem"));
        let key_store = format!("ssl.keystore.location={server}");
        let trust_store = format!("ssl.truststore.location={ca}");
        let fixed = ["--config", &config, "--set", &key_store, "--set", &trust_store];
        let listeners = ["SASL_PLAINTEXT://127.0.0.1:0", "SSL://127.0.0.1:0", "SASL_SSL://127.0.0.1:0"];
        let arguments = [&fixed[..], arguments].concat();
        let (server, addresses) = Server::start_with_listeners(&data.join("data"), &listeners, &arguments);
        server.replay("t", &RECORDS);
        let [clear, login, tls, both] = addresses.try_into().unwrap();
        // The certificate names this host by its name.
        let [tls, both] = [tls, both].map(|address: String| address.replace("127.0.0.1", "localhost"));
        Secured { _server: server, clear, login, tls, both }
    }

    /// Gives bob SCRAM-SHA-256's and carol SCRAM-SHA-512's.
    fn make_scram_users(&self) {
        let upsertion = |user: &str, mechanism: i8, salted: Vec<u8>| {
            ScramCredentialUpsertion::default()
                .with_name(StrBytes::from_string(user.to_owned()))
                .with_mechanism(mechanism)
                .with_iterations(4096)
                .with_salt(Bytes::from_static(b"salt"))
                .with_salted_password(Bytes::from(salted))
        };
        let salted = |algorithm, len| {
            let mut out = vec![0; len];
            let iterations = std::num::NonZeroU32::new(4096).unwrap();
            ring::pbkdf2::derive(algorithm, iterations, b"salt", PASSWORD.as_bytes(), &mut out);
            out
        };
        let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![
            upsertion("bob=,", 1, salted(ring::pbkdf2::PBKDF2_HMAC_SHA256, 32)),
            upsertion("carol", 2, salted(ring::pbkdf2::PBKDF2_HMAC_SHA512, 64)),
        ]);
        let mut frame = BytesMut::new();
        let header = RequestHeader::default()
            .with_request_api_key(ApiKey::AlterUserScramCredentials as i16)
            .with_client_id(Some(StrBytes::from_static_str("test")));
        header.encode(&mut frame, 2).unwrap();
        request.encode(&mut frame, 0).unwrap();
        let mut socket = TcpStream::connect(&self.clear).unwrap();
        let mut whole = BytesMut::new();
        whole.put_i32(frame.len() as i32);
        whole.put_slice(&frame);
        socket.write_all(&whole).unwrap();
        let mut len = [0; 4];
        socket.read_exact(&mut len).unwrap();
        let mut answer = vec![0; i32::from_be_bytes(len) as usize];
        socket.read_exact(&mut answer).unwrap();
        let mut answer = Bytes::from(answer);
        ResponseHeader::decode(&mut answer, 1).unwrap();
        let answer = AlterUserScramCredentialsResponse::decode(&mut answer, 0).unwrap();
        assert!(answer.results.iter().all(|result| result.error_code == 0), "{answer:?}");
    }
}

/// The command `tripline group` with properties.
fn group(address: &str, properties: &[&str], arguments: &[&str]) -> Command {
    let mut command = tripline();
    command.args(["group", "--bootstrap-server", address]).env_remove("TRIPLINE_KAFKA_PASSWORD");
    for property in properties {
        command.args(["-X", property]);
    }
    command.args(arguments);
    command
}

fn text(done: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&done.stdout), text(&done.stderr))
}

#[track_caller]
fn shown(mut command: Command) -> String {
    let done = command.output().unwrap();
    let (out, errors) = text(&done);
    assert!(done.status.success(), "{command:?}: {errors}");
    out
}

/// Runs a command that must fail soon, with all of some words, and shows no password.
#[track_caller]
fn refused(mut command: Command, wanted: &[&str]) {
    let started = Instant::now();
    let done = command.output().unwrap();
    assert!(started.elapsed() < SECONDS, "{command:?}");
    let (out, errors) = text(&done);
    assert!(!done.status.success(), "{command:?}: {out}");
    for word in wanted {
        assert!(errors.contains(word), "{command:?}\nsays {errors}\nand not {word:?}");
    }
    assert!(!errors.contains("secret") && !errors.contains(PASSWORD), "{errors}");
}

/// Moves a group, and looks at it.
#[track_caller]
fn check_all(address: &str, properties: &[&str], name: &str) {
    let run = |arguments: &[&str]| shown(group(address, properties, arguments));
    run(&["seek", name, "--topic", "t", "--to-earliest", "--execute"]);
    assert!(run(&["describe", name]).contains("Empty"));
    assert!(run(&["list"]).contains(name));
    run(&["delete", name]);
}

#[test]
fn groups_are_reached_over_each_kind_of_listener() {
    let data = tempfile::tempdir().unwrap();
    let secured = Secured::start(data.path(), &[]);
    secured.make_scram_users();
    let ca = format!("ssl.ca.location={}", certificate("ca.pem"));
    let password = format!("sasl.password={PASSWORD}");
    check_all(&secured.clear, &[], "in-the-clear");
    check_all(&secured.tls, &["security.protocol=SSL", &ca], "tls");
    let logins = [
        ("PLAIN", "alice", "sasl.password=secret"),
        ("PLAIN", "bob=,", &password),
        ("SCRAM-SHA-256", "bob=,", &password),
        ("SCRAM-SHA-512", "carol", &password),
    ];
    for (mechanism, user, password) in logins {
        let mechanism = format!("sasl.mechanism={mechanism}");
        let user = format!("sasl.username={user}");
        let login = [mechanism.as_str(), &user, password];
        let clear = [&login[..], &["security.protocol=SASL_PLAINTEXT"]].concat();
        check_all(&secured.login, &clear, "login");
        check_all(&secured.both, &[&login[..], &["security.protocol=sasl_ssl", &ca]].concat(), "both");
    }
}

#[test]
fn properties_of_files_and_the_environment_are_taken() {
    let data = tempfile::tempdir().unwrap();
    let secured = Secured::start(data.path(), &[]);
    secured.make_scram_users();
    let ca = certificate("ca.pem");
    let path = data.path().join("client.properties");
    let run = |file: &str, arguments: &[&str]| {
        std::fs::write(&path, file).unwrap();
        let mut command = tripline();
        command.args(["group", "list"]).arg("--command-config").arg(&path).args(arguments);
        command
    };
    let both = &secured.both;
    let kcat = format!(
        "bootstrap.servers=127.0.0.1:1,{both}\nsecurity.protocol=SASL_SSL\nssl.ca.location={ca}\n\
         sasl.mechanisms=SCRAM-SHA-512\nsasl.username=carol\nsasl.password={PASSWORD}\ngroup.id=mine\n"
    );
    shown(run(&kcat, &[]));
    let escaped = PASSWORD.replace('\\', "\\\\\\\\").replace('"', "\\\\\"");
    let kafkas = format!(
        "security.protocol=SASL_SSL\nssl.truststore.type=PEM\nssl.truststore.location={ca}\n\
         sasl.mechanism=SCRAM-SHA-256\n\
         sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \\\n  \
         username=\"bob=,\" password=\"{escaped}\";\nclient.dns.lookup=use_all_dns_ips\n"
    );
    shown(run(&kafkas, &["--bootstrap-server", both]));
    // The command line wins over the file.
    shown(run(&kcat, &["-X", "sasl.mechanism=PLAIN", "--user", "alice", "--password", "secret"]));
    let mut environment = group(&secured.login, &[], &["list", "--user", "alice"]);
    environment.env("TRIPLINE_KAFKA_PASSWORD", "secret");
    shown(environment);
    refused(run("ssl.ca.locatoin=x", &[]), &["line 1", "is \"ssl.ca.location\" meant?"]);
    refused(
        group(both, &["ssl.cafile=x"], &["list"]),
        &["property \"ssl.cafile\" is unknown", "ssl.ca.location"],
    );
    refused(group(&secured.login, &[], &["list", "--user", "alice"]), &["TRIPLINE_KAFKA_PASSWORD"]);
}

#[test]
fn client_shows_its_certificate() {
    let data = tempfile::tempdir().unwrap();
    let secured = Secured::start(data.path(), &["--set", "ssl.client.auth=required"]);
    let ca = format!("ssl.ca.location={}", certificate("ca.pem"));
    let tls = ["security.protocol=SSL", &ca];
    let (certificate_of, key) = (
        format!("ssl.certificate.location={}", certificate("client.pem")),
        format!("ssl.key.location={}", certificate("client.pem")),
    );
    check_all(&secured.tls, &[&tls[..], &[&certificate_of, &key]].concat(), "mtls");
    let store = format!("ssl.keystore.location={}", certificate("client.pem"));
    check_all(&secured.tls, &[&tls[..], &[&store, "ssl.keystore.type=PEM"]].concat(), "kafkas-name");
    let list = |more: &[&str]| group(&secured.tls, &[&tls[..], more].concat(), &["list"]);
    refused(list(&[]), &["certificate of the client", "ssl.certificate.location"]);
    let other = format!("ssl.certificate.location={}", self_signed());
    refused(list(&[&other]), &["does not take the client's certificate", "ssl.truststore.location"]);
    let other_key = format!("ssl.key.location={}", self_signed());
    refused(list(&[&certificate_of, &other_key]), &["cannot be used"]);
}

#[test]
fn wrong_logins_are_told() {
    let data = tempfile::tempdir().unwrap();
    let secured =
        Secured::start(data.path(), &["--set", "kafka.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256"]);
    secured.make_scram_users();
    let login = |mechanism: &str, user: &str, password: &str| {
        let properties = [
            "security.protocol=SASL_PLAINTEXT",
            &format!("sasl.mechanism={mechanism}"),
            &format!("sasl.username={user}"),
            &format!("sasl.password={password}"),
        ];
        group(&secured.login, &properties, &["list"])
    };
    let wrong = "user or password is wrong";
    refused(login("PLAIN", "alice", "secret2"), &["cannot log in as \"alice\" with PLAIN", wrong]);
    refused(login("SCRAM-SHA-256", "bob=,", "secret"), &["SCRAM-SHA-256", wrong]);
    refused(login("SCRAM-SHA-256", "alice", "secret"), &[wrong]);
    let not_taken = ["does not take logins with SCRAM-SHA-512", "PLAIN, SCRAM-SHA-256"];
    refused(login("SCRAM-SHA-512", "carol", PASSWORD), &not_taken);
    refused(login("GSSAPI", "alice", "secret"), &["\"GSSAPI\" is unknown", "PLAIN"]);
    // To where no login is wanted, and none to where one is.
    let (user, password) = ("sasl.username=alice", "sasl.password=secret");
    let properties = ["security.protocol=SASL_PLAINTEXT", user, password];
    refused(group(&secured.clear, &properties, &["list"]), &["security.protocol=PLAINTEXT"]);
    refused(group(&secured.login, &[], &["list"]), &["SASL_PLAINTEXT", "sasl.username"]);
    let ca = format!("ssl.ca.location={}", certificate("ca.pem"));
    let tls = ["security.protocol=SSL", &ca];
    refused(group(&secured.both, &tls, &["list"]), &["SASL_SSL", "sasl.username"]);
    refused(group(&secured.login, &[user, password], &["list"]), &["security.protocol=SASL_SSL"]);
}

#[test]
fn servers_that_are_not_who_they_should_be_are_told() {
    let data = tempfile::tempdir().unwrap();
    let secured = Secured::start(data.path(), &[]);
    let ca = format!("ssl.ca.location={}", certificate("ca.pem"));
    let list = |address: &str, more: &[&str]| {
        group(address, &[&["security.protocol=SSL"], more].concat(), &["list"])
    };
    for wrong in [certificate("client.pem"), self_signed()] {
        let wrong = format!("ssl.ca.location={wrong}");
        refused(list(&secured.tls, &[&wrong]), &["comes from no authority", "ssl.ca.location"]);
        // Switching off the name's check does not switch off this one.
        let unnamed = "ssl.endpoint.identification.algorithm=none";
        refused(list(&secured.tls, &[&wrong, unnamed]), &["comes from no authority"]);
    }
    let mut by_system = list(&secured.tls, &[]);
    by_system.env("SSL_CERT_FILE", self_signed());
    refused(by_system, &["comes from no authority", "self_signed.pem"]);
    let by_number = secured.tls.replace("localhost", "127.0.0.1");
    let wanted = ["is not for \"127.0.0.1\"", "localhost", "ssl.endpoint.identification.algorithm=none"];
    refused(list(&by_number, &[&ca]), &wanted);
    for off in ["none", ""] {
        let off = format!("ssl.endpoint.identification.algorithm={off}");
        shown(list(&by_number, &[&ca, &off]));
    }
    refused(list(&secured.tls, &["ssl.ca.location=/nowhere/ca.pem"]), &["cannot read \"/nowhere/ca.pem\""]);
}

#[test]
fn listeners_of_another_kind_are_told() {
    let data = tempfile::tempdir().unwrap();
    let secured = Secured::start(data.path(), &[]);
    let ca = format!("ssl.ca.location={}", certificate("ca.pem"));
    let (tls, cure) = (["security.protocol=SSL", &ca], ["security.protocol=PLAINTEXT"]);
    refused(group(&secured.clear, &tls, &["list"]), &cure);
    refused(group(&secured.login, &tls, &["list"]), &cure);
    let http = secured._server.url.strip_prefix("http://").unwrap();
    refused(group(http, &tls, &["list"]), &cure);
    refused(group(http, &[], &["list"]), &["HTTP", "9092"]);
    refused(group(&secured.tls, &[], &["list"]), &["security.protocol=SSL", "SASL_SSL"]);
    let login = ["--user", "alice", "--password", "secret", "list"];
    refused(group(&secured.both, &[], &login), &["security.protocol=SSL", "SASL_SSL"]);
}

#[test]
fn server_that_breaks_off_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ending = std::thread::spawn(move || {
        for _ in 0..2 {
            drop(listener.accept().unwrap());
        }
    });
    let ca = format!("ssl.ca.location={}", certificate("ca.pem"));
    refused(group(&address, &[], &["list"]), &["security.protocol=SSL"]);
    refused(group(&address, &["security.protocol=SSL", &ca], &["list"]), &["security.protocol=PLAINTEXT"]);
    ending.join().unwrap();
}
