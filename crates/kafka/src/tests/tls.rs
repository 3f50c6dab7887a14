//! TLS: who clients are by their certificates, and certificates taken anew. The files in `certificates/` are for these
//! tests only and good for a hundred years.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;
use tokio::io::{AsyncReadExt, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::client::{Client, Fixture, tls_config};
use crate::connection::write_pieces;
use crate::security::tls::{ClientAuth, Tls, TlsFiles};

const CLIENT: &[u8] = include_bytes!("certificates/client.pem");
const RENEWED: &[u8] = include_bytes!("certificates/server_renewed.pem");

/// Returns the path of one of the files.
fn file(name: &str) -> String {
    format!("{}/src/tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn fixture(more: &[(&str, &str)]) -> Fixture {
    let (server, ca) = (file("server.pem"), file("ca.pem"));
    let mut settings = vec![
        ("listeners", "SSL://127.0.0.1:0"),
        ("ssl.keystore.location", server.as_str()),
        ("ssl.truststore.location", ca.as_str()),
        ("allow.everyone.if.no.acl.found", "false"),
    ];
    settings.extend(more);
    Fixture::start(&settings)
}

fn connect(fixture: &Fixture, certificate: Option<&[u8]>) -> Client {
    Client::connect_tls(fixture.running.addresses[0], certificate).0
}

/// Asks for something that only super users may see.
fn listed(client: &mut Client) -> i16 {
    client.ask(1, &ListConfigResourcesRequest::default()).error_code
}

#[test]
fn subject_of_the_certificate_is_the_principal() {
    let alice = ("super.users", "User:CN=alice,OU=Ops,O=Tripline\\, Inc.,C=DE");
    let fixture = fixture(&[("ssl.client.auth", "requested"), alice]);
    assert_eq!(listed(&mut connect(&fixture, Some(CLIENT))), 0);
    let denied = ResponseError::ClusterAuthorizationFailed.code();
    assert_eq!(listed(&mut connect(&fixture, None)), denied);
}

#[test]
fn rules_make_the_principal_of_the_subject() {
    let rules = "RULE:^CN=(.*?),OU=Ops,.*$/$1/U";
    let fixture = fixture(&[
        ("ssl.client.auth", "required"),
        ("super.users", "User:bob;User:ALICE"),
        ("ssl.principal.mapping.rules", rules),
    ]);
    assert_eq!(listed(&mut connect(&fixture, Some(CLIENT))), 0);
}

#[test]
fn subject_that_no_rule_fits_is_not_served() {
    let fixture =
        fixture(&[("ssl.client.auth", "required"), ("ssl.principal.mapping.rules", "RULE:^CN=bob$/bob/")]);
    let mut client = connect(&fixture, Some(CLIENT));
    client.send_lenient(0, &ApiVersionsRequest::default());
    assert!(client.receive_raw().is_none());
}

#[test]
fn required_certificate_is_required() {
    let fixture = fixture(&[("ssl.client.auth", "required")]);
    let mut client = connect(&fixture, None);
    client.send_lenient(0, &ApiVersionsRequest::default());
    assert!(client.receive_raw().is_none());
    connect(&fixture, Some(CLIENT)).ask(0, &ApiVersionsRequest::default());
}

#[test]
fn new_certificate_is_taken_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.pem");
    fs::copy(file("server.pem"), &path).unwrap();
    let store = path.display().to_string();
    let fixture = fixture(&[("ssl.keystore.location", &store)]);
    let subject = || {
        let (mut client, subject) = Client::connect_tls(fixture.running.addresses[0], None);
        client.ask(0, &ApiVersionsRequest::default());
        subject
    };
    let mut old = connect(&fixture, None);
    old.ask(0, &ApiVersionsRequest::default());
    assert_eq!(subject(), "CN=first");
    // Half a file is not taken.
    fs::write(&path, &RENEWED[..RENEWED.len() / 2]).unwrap();
    fixture.running.reload_certificates();
    assert_eq!(subject(), "CN=first");
    fs::write(&path, RENEWED).unwrap();
    fixture.running.reload_certificates();
    assert_eq!(subject(), "CN=second");
    // Who is connected stays so.
    old.ask(0, &ApiVersionsRequest::default());
}

#[test]
fn answer_longer_than_the_socket_takes_at_once_is_written_to_its_end() {
    let key_store = PathBuf::from(file("server.pem"));
    let tls = Tls::load(TlsFiles { key_store, trust_store: None, client_auth: ClientAuth::None }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (server, client) = duplex(4096);
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(tls_config(None));
        let (server, client) = tokio::join!(tls.acceptor().accept(server), connector.connect(name, client));
        let (mut server, mut client) = (server.unwrap(), client.unwrap());
        let pieces = [Bytes::from(vec![7; 100]), Bytes::from(vec![9; 300_000])];
        let mut all = vec![0; 300_100];
        let (written, read) = tokio::join!(
            write_pieces(&mut server, &pieces),
            // Only a broker that keeps the end to itself makes it wait.
            tokio::time::timeout(Duration::from_secs(5), client.read_exact(&mut all)),
        );
        assert!(written);
        read.unwrap().unwrap();
        assert_eq!(all, pieces.concat());
    });
}
