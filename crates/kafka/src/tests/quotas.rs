//! Limits of clients are kept and described.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::*;

use super::client::{Client, Fixture, text};

fn alter(client: &mut Client, entity: &[(&str, Option<&str>)], ops: &[(&str, Option<f64>)]) -> i16 {
    let entity = entity.iter().map(|(kind, name)| {
        EntityData::default().with_entity_type(text(kind)).with_entity_name(name.map(text))
    });
    let ops = ops.iter().map(|(name, value)| {
        OpData::default().with_key(text(name)).with_value(value.unwrap_or(0.0)).with_remove(value.is_none())
    });
    let entry = EntryData::default().with_entity(entity.collect()).with_ops(ops.collect());
    client.ask(1, &AlterClientQuotasRequest::default().with_entries(vec![entry])).entries[0].error_code
}

/// Returns how many entities a filter finds.
fn found(client: &mut Client, components: &[(&str, i8, Option<&str>)], strict: bool) -> Vec<f64> {
    let components = components.iter().map(|(kind, match_type, name)| {
        let component = ComponentData::default().with_entity_type(text(kind)).with_match_type(*match_type);
        component.with_match(name.map(text))
    });
    let request =
        DescribeClientQuotasRequest::default().with_components(components.collect()).with_strict(strict);
    let answer = client.ask(1, &request);
    assert_eq!(answer.error_code, 0);
    answer.entries.unwrap().iter().flat_map(|entry| entry.values.iter().map(|value| value.value)).collect()
}

#[test]
fn limits_are_described_as_they_were_set() {
    let fixture = Fixture::start(&[]);
    let mut client = fixture.client();
    let rate = |value| [("producer_byte_rate", Some(value))];
    assert_eq!(alter(&mut client, &[("user", Some("a"))], &rate(1000.0)), 0);
    assert_eq!(alter(&mut client, &[("user", None)], &rate(2000.0)), 0);
    assert_eq!(alter(&mut client, &[("user", Some("a")), ("client-id", Some("c"))], &rate(3000.0)), 0);
    let invalid = ResponseError::InvalidRequest.code();
    assert_eq!(alter(&mut client, &[("user", Some("a"))], &[("bones", Some(1.0))]), invalid);
    assert_eq!(found(&mut client, &[], false).len(), 3);
    assert_eq!(found(&mut client, &[("user", 0, Some("a"))], true), [1000.0]);
    assert_eq!(found(&mut client, &[("user", 0, Some("a"))], false).len(), 2);
    assert_eq!(found(&mut client, &[("user", 1, None)], false), [2000.0]);
    assert_eq!(found(&mut client, &[("client-id", 2, None)], false), [3000.0]);
    assert_eq!(alter(&mut client, &[("user", Some("a"))], &[("producer_byte_rate", None)]), 0);
    assert_eq!(found(&mut client, &[("user", 0, Some("a"))], true), []);
}
