//! ListGroups: those with members, and those with positions only, as the queries' own.

use std::collections::BTreeMap;

use kafka_protocol::messages::list_groups_response::{ListGroupsResponse, ListedGroup};
use kafka_protocol::messages::{GroupId, ListGroupsRequest};

use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::group::classic::State;
use crate::security::acl::{Operation, Resource};

const TYPE: &str = "classic";
/// The first versions that tell a group's state and its type.
const STATE_FROM: i16 = 4;
const TYPE_FROM: i16 = 5;

pub(crate) fn answer(call: &Call, request: ListGroupsRequest) -> ListGroupsResponse {
    let broker = &call.broker;
    let mut groups: BTreeMap<String, (State, String)> =
        broker.log.groups().into_iter().map(|id| (id, (State::Empty, String::new()))).collect();
    for (id, group) in broker.groups.all() {
        let group = group.lock().expect("no holder panics");
        groups.insert(id, (group.state, group.protocol_type.clone().unwrap_or_default()));
    }
    let wanted = |filter: &[kafka_protocol::protocol::StrBytes], value: &str| {
        filter.is_empty() || filter.iter().any(|name| name.eq_ignore_ascii_case(value))
    };
    let may_all = call.allows(Operation::Describe, Resource::Cluster);
    let groups = groups
        .into_iter()
        .filter(|(id, _)| may_all || call.allows(Operation::Describe, Resource::Group(id)))
        .filter(|(_, (state, _))| wanted(&request.states_filter, state.name()))
        .filter(|_| wanted(&request.types_filter, TYPE))
        .map(|(id, (state, protocol_type))| {
            let mut listed = ListedGroup::default()
                .with_group_id(GroupId(str_bytes(&id)))
                .with_protocol_type(str_bytes(&protocol_type));
            if call.version() >= STATE_FROM {
                listed.group_state = str_bytes(state.name());
            }
            if call.version() >= TYPE_FROM {
                listed.group_type = str_bytes(TYPE);
            }
            listed
        })
        .collect();
    ListGroupsResponse::default().with_error_code(NONE).with_groups(groups)
}
