//! UpdateFeatures: the features are those of the program and stay as they are.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::UpdateFeaturesRequest;
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::update_features_response::{UpdatableFeatureResult, UpdateFeaturesResponse};

use super::api_versions::FEATURES;
use crate::dispatch::Call;
use crate::error::{NONE, Refusal};
use crate::security::acl::{Operation, Resource};

/// The first version that has one result for all.
const ONE_RESULT_FROM: i16 = 2;

pub(crate) fn answer(call: &Call, request: UpdateFeaturesRequest) -> UpdateFeaturesResponse {
    let answer = UpdateFeaturesResponse::default();
    if !call.allows(Operation::Alter, Resource::Cluster) {
        return answer.with_error_code(ResponseError::ClusterAuthorizationFailed.code());
    }
    let results: Vec<_> = request.feature_updates.iter().map(|update| (update, check(update))).collect();
    if call.version() >= ONE_RESULT_FROM {
        return match results.into_iter().find_map(|(_, result)| result.err()) {
            Some(refusal) => answer.with_error_code(refusal.code).with_error_message(refusal.text()),
            None => answer.with_error_code(NONE),
        };
    }
    let results = results
        .into_iter()
        .map(|(update, result)| {
            let shown = UpdatableFeatureResult::default().with_feature(update.feature.clone());
            match result {
                Ok(()) => shown.with_error_code(NONE),
                Err(refusal) => shown.with_error_code(refusal.code).with_error_message(refusal.text()),
            }
        })
        .collect();
    answer.with_error_code(NONE).with_results(results)
}

fn check(update: &FeatureUpdateKey) -> Result<(), Refusal> {
    let (name, wanted): (&str, i16) = (&update.feature, update.max_version_level);
    match FEATURES.iter().find(|(known, _)| *known == name) {
        Some((_, level)) if *level == wanted => Ok(()),
        Some((_, level)) => {
            let message = format!("feature \"{name}\" is at level {level} and cannot be changed");
            Err(Refusal::new(ResponseError::InvalidUpdateVersion, message))
        }
        None => {
            let message = format!("feature \"{name}\" is not known");
            Err(Refusal::new(ResponseError::InvalidUpdateVersion, message))
        }
    }
}
