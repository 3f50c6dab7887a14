//! AlterUserScramCredentials: sets and removes passwords, which come salted already.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::AlterUserScramCredentialsRequest;
use kafka_protocol::messages::alter_user_scram_credentials_response::{
    AlterUserScramCredentialsResponse, AlterUserScramCredentialsResult,
};

use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::{NONE, Refusal};
use crate::security::acl::{Operation, Resource};
use crate::security::scram::{Credential, Hash, ITERATIONS_MAX, ITERATIONS_MIN};

/// Longest name of a user, and most bytes of salt and password.
const LEN_MAX: usize = 1024;

/// A change of one user's credential.
type Change = (Hash, Option<Credential>);

pub(crate) fn answer(
    call: &Call,
    request: AlterUserScramCredentialsRequest,
) -> AlterUserScramCredentialsResponse {
    let allowed = call.allows(Operation::Alter, Resource::Cluster);
    let mut changes: BTreeMap<String, Result<Vec<Change>, Refusal>> = BTreeMap::new();
    let deletions = request.deletions.iter().map(|deletion| {
        let change = check_name(&deletion.name, deletion.mechanism).map(|hash| (hash, None));
        (deletion.name.to_string(), change)
    });
    let upsertions = request.upsertions.iter().map(|upsertion| {
        let change = check_name(&upsertion.name, upsertion.mechanism).and_then(|hash| {
            if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&upsertion.iterations) {
                let reason = if upsertion.iterations < ITERATIONS_MIN { "Too few" } else { "Too many" };
                return Err(Refusal::new(
                    ResponseError::UnacceptableCredential,
                    format!("{reason} iterations"),
                ));
            }
            if upsertion.salt.len() > LEN_MAX || upsertion.salted_password.len() > LEN_MAX {
                return Err(ResponseError::UnacceptableCredential.into());
            }
            let (salt, salted) = (&upsertion.salt, &upsertion.salted_password);
            Ok((hash, Some(Credential::from_salted(hash, salt, salted, upsertion.iterations as u32))))
        });
        (upsertion.name.to_string(), change)
    });
    for (user, change) in deletions.chain(upsertions) {
        let all = changes.entry(user).or_insert_with(|| Ok(Vec::new()));
        let twice = || {
            let message = "A user credential cannot be altered twice in the same request";
            Refusal::new(ResponseError::DuplicateResource, message)
        };
        match (all.as_mut(), change) {
            (Err(_), _) => {}
            (Ok(_), Err(refusal)) => *all = Err(refusal),
            (Ok(list), Ok(change)) if list.iter().any(|(hash, _)| *hash == change.0) => *all = Err(twice()),
            (Ok(list), Ok(change)) => list.push(change),
        }
    }
    let results = changes
        .into_iter()
        .map(|(user, changes)| {
            let result = if allowed {
                changes.and_then(|changes| apply(call, &user, changes))
            } else {
                Err(ResponseError::ClusterAuthorizationFailed.into())
            };
            let (code, message) = match result {
                Ok(()) => (NONE, None),
                Err(refusal) => (refusal.code, refusal.text()),
            };
            AlterUserScramCredentialsResult::default()
                .with_user(str_bytes(&user))
                .with_error_code(code)
                .with_error_message(message)
        })
        .collect();
    AlterUserScramCredentialsResponse::default().with_results(results)
}

fn check_name(user: &str, mechanism: i8) -> Result<Hash, Refusal> {
    if user.is_empty() || user.len() > LEN_MAX {
        return Err(Refusal::new(ResponseError::UnacceptableCredential, "Username must not be empty"));
    }
    Hash::from_number(mechanism)
        .ok_or_else(|| Refusal::new(ResponseError::UnsupportedSaslMechanism, "Unknown SCRAM mechanism"))
}

fn apply(call: &Call, user: &str, changes: Vec<Change>) -> Result<(), Refusal> {
    let broker = &call.broker;
    let missing = changes
        .iter()
        .any(|(hash, change)| change.is_none() && broker.credentials.find(user, *hash).is_none());
    if missing {
        let message = "Attempt to delete a user credential that does not exist";
        return Err(Refusal::new(ResponseError::ResourceNotFound, message));
    }
    for (hash, change) in changes {
        broker.credentials.set(&broker.store, user, hash, change, broker.now_ms())?;
    }
    Ok(())
}
