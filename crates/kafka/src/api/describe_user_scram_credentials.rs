//! DescribeUserScramCredentials: who has which; never the secrets.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::DescribeUserScramCredentialsRequest;
use kafka_protocol::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResponse, DescribeUserScramCredentialsResult,
};

use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(
    call: &Call,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    if !call.allows(Operation::Describe, Resource::Cluster) {
        let code = ResponseError::ClusterAuthorizationFailed.code();
        let asked = request.users.iter().flatten().map(|user| {
            DescribeUserScramCredentialsResult::default()
                .with_user(user.name.clone())
                .with_error_code(code)
                .with_error_message(None)
        });
        return DescribeUserScramCredentialsResponse::default()
            .with_error_code(code)
            .with_error_message(None)
            .with_results(asked.collect());
    }
    let users = call.broker.credentials.users();
    let asked: Vec<String> = match &request.users {
        Some(names) if !names.is_empty() => names.iter().map(|user| user.name.to_string()).collect(),
        _ => users.keys().cloned().collect(),
    };
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &asked {
        *count.entry(name).or_default() += 1;
    }
    let results = asked
        .iter()
        // What was asked for more than once is told once.
        .filter_map(|name| Some((name, count.remove(name.as_str())?)))
        .map(|(name, count)| {
            let answer = DescribeUserScramCredentialsResult::default().with_user(str_bytes(name));
            if count > 1 {
                return answer
                    .with_error_code(ResponseError::DuplicateResource.code())
                    .with_error_message(Some(str_bytes("the user is named more than once")));
            }
            let Some(credentials) = users.get(name) else {
                let message = format!("Attempt to describe a user credential that does not exist: {name}");
                return answer
                    .with_error_code(ResponseError::ResourceNotFound.code())
                    .with_error_message(Some(str_bytes(&message)));
            };
            let infos = credentials.iter().map(|(hash, iterations)| {
                CredentialInfo::default().with_mechanism(*hash as i8).with_iterations(*iterations as i32)
            });
            answer.with_error_code(NONE).with_credential_infos(infos.collect())
        })
        .collect();
    DescribeUserScramCredentialsResponse::default().with_error_code(NONE).with_results(results)
}
