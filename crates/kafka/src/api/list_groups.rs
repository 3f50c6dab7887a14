//! ListGroups: those with members, and those with positions only, as the queries' own.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::list_groups_response::{ListGroupsResponse, ListedGroup};
use kafka_protocol::messages::{GroupId, ListGroupsRequest};

use kafka_protocol::protocol::StrBytes;

use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::group::classic::State;
use crate::group::held;
use crate::security::acl::{Operation, Resource};

const CLASSIC: &str = "classic";
const CONSUMER: &str = "consumer";
/// The first versions that tell a group's state and its type.
const STATE_FROM: i16 = 4;
const TYPE_FROM: i16 = 5;

pub(crate) fn answer(call: &Call, request: ListGroupsRequest) -> ListGroupsResponse {
    let broker = &call.broker;
    let mut groups: BTreeMap<String, (&str, String, &str)> = broker
        .log
        .groups()
        .into_iter()
        .map(|id| {
            let (state, protocol_type) = match broker.owner.holds_group(&id) {
                Some(_) => (held::STATE, held::PROTOCOL_TYPE),
                None => (State::Empty, ""),
            };
            (id, (state.name(), protocol_type.to_owned(), CLASSIC))
        })
        .collect();
    for (id, group) in broker.groups.all() {
        let group = group.lock().expect("no holder panics");
        groups.insert(id, (group.state.name(), group.protocol_type.clone().unwrap_or_default(), CLASSIC));
    }
    for (id, group) in broker.groups.all_consumers() {
        let state = group.lock().expect("no holder panics").state();
        groups.insert(id, (state, CONSUMER.to_owned(), CONSUMER));
    }
    // Each name once, however often it is said.
    let names = |filter: Vec<StrBytes>| -> BTreeSet<String> {
        filter.iter().map(|name| name.to_ascii_lowercase()).collect()
    };
    let (states, kinds) = (names(request.states_filter), names(request.types_filter));
    let wanted = |filter: &BTreeSet<String>, value: &str| {
        filter.is_empty() || filter.contains(&value.to_ascii_lowercase())
    };
    let may_all = call.allows(Operation::Describe, Resource::Cluster);
    let groups = groups
        .into_iter()
        .filter(|(id, _)| may_all || call.allows(Operation::Describe, Resource::Group(id)))
        .filter(|(_, (state, ..))| wanted(&states, state))
        .filter(|(_, (.., kind))| wanted(&kinds, kind))
        .map(|(id, (state, protocol_type, kind))| {
            let mut listed = ListedGroup::default()
                .with_group_id(GroupId(str_bytes(&id)))
                .with_protocol_type(str_bytes(&protocol_type));
            if call.version() >= STATE_FROM {
                listed.group_state = str_bytes(state);
            }
            if call.version() >= TYPE_FROM {
                listed.group_type = str_bytes(kind);
            }
            listed
        })
        .collect();
    ListGroupsResponse::default().with_error_code(NONE).with_groups(groups)
}
