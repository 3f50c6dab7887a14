//! Who clients are by their address.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;

use super::client::{Client, Fixture, text, topic};

#[test]
fn rules_for_an_ipv4_address_concern_clients_of_an_ipv6_listener_too() {
    if TcpListener::bind("[::]:0").is_err() {
        // A machine without IPv6 has no such clients.
        return;
    }
    let fixture = Fixture::start(&[("listeners", "[::]:0"), ("allow.everyone.if.no.acl.found", "true")]);
    fixture.log.create_topic("t", 1, &Default::default(), 0).unwrap();
    let port = fixture.running.addresses[0].port();
    let mut client = Client::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let rule = |host, permission| {
        create_acls_request::AclCreation::default()
            .with_resource_type(2)
            .with_resource_name(text("t"))
            .with_resource_pattern_type(3)
            .with_principal(text("User:*"))
            .with_host(text(host))
            .with_operation(8)
            .with_permission_type(permission)
    };
    let (allow, deny) = (rule("*", 3), rule("127.0.0.1", 2));
    let create = CreateAclsRequest::default().with_creations(vec![allow, deny]);
    assert!(client.ask(3, &create).results.iter().all(|result| result.error_code == 0));
    let asked = metadata_request::MetadataRequestTopic::default().with_name(Some(topic("t")));
    let answer = client.ask(9, &MetadataRequest::default().with_topics(Some(vec![asked])));
    assert_eq!(answer.topics[0].error_code, ResponseError::TopicAuthorizationFailed.code());
}
