//! What is set over the protocol is there after a restart.

use bytes::Bytes;
use kafka_protocol::messages::*;

use super::client::{Fixture, group_setting, permission, text};

#[test]
fn credentials_rules_quotas_and_settings_survive() {
    let fixture = Fixture::start(&[]);
    let mut client = fixture.client();
    let upsertion = alter_user_scram_credentials_request::ScramCredentialUpsertion::default()
        .with_name(text("alice"))
        .with_mechanism(1)
        .with_iterations(4096)
        .with_salt(Bytes::from_static(b"salt"))
        .with_salted_password(Bytes::from_static(&[7; 32]));
    let alter = AlterUserScramCredentialsRequest::default().with_upsertions(vec![upsertion]);
    assert_eq!(client.ask(0, &alter).results[0].error_code, 0);
    assert_eq!(client.ask(3, &permission("secret", 4)).results[0].error_code, 0);
    let entity = alter_client_quotas_request::EntityData::default()
        .with_entity_type(text("user"))
        .with_entity_name(Some(text("alice")));
    let op = alter_client_quotas_request::OpData::default()
        .with_key(text("consumer_byte_rate"))
        .with_value(2048.0);
    let entry =
        alter_client_quotas_request::EntryData::default().with_entity(vec![entity]).with_ops(vec![op]);
    let alter = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    assert_eq!(client.ask(1, &alter).entries[0].error_code, 0);
    assert_eq!(client.ask(1, &group_setting()).responses[0].error_code, 0);

    let fixture = fixture.restart(&[]);
    let mut client = fixture.client();
    let users = client.ask(0, &DescribeUserScramCredentialsRequest::default().with_users(None)).results;
    assert_eq!((&*users[0].user, users[0].credential_infos[0].iterations), ("alice", 4096));
    let all = DescribeAclsRequest::default()
        .with_resource_type_filter(1)
        .with_resource_name_filter(None)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_pattern_type_filter(1)
        .with_operation(1)
        .with_permission_type(1);
    let rules = client.ask(3, &all).resources;
    assert_eq!((&*rules[0].resource_name, rules[0].pattern_type), ("secret", 4));
    let quotas = client.ask(1, &DescribeClientQuotasRequest::default()).entries.unwrap();
    assert_eq!((&*quotas[0].values[0].key, quotas[0].values[0].value), ("consumer_byte_rate", 2048.0));
    let groups = ListConfigResourcesRequest::default().with_resource_types(vec![32]);
    let groups = client.ask(1, &groups).config_resources;
    assert_eq!((groups.len(), &*groups[0].resource_name), (1, "g"));
}
