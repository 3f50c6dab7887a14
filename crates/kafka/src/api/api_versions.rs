//! ApiVersions: the truth about what is served.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::{
    ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest};
use kafka_protocol::protocol::StrBytes;

use crate::dispatch::{Answer, Call, SERVED};
use crate::error::NONE;
use crate::frame::{Asked, FrameError, encode};
use crate::legacy;

/// Features that are on: the consumer protocol (KIP-848), transactions whose every end raises the epoch (KIP-890).
pub(crate) const FEATURES: &[(&str, i16)] = &[("group.version", 1), ("transaction.version", 2)];

pub(crate) async fn answer(call: Call, request: ApiVersionsRequest) -> Result<Answer, FrameError> {
    let valid = call.version() < 3
        || (is_name(&request.client_software_name) && is_name(&request.client_software_version));
    let answer = if valid {
        let api_keys = SERVED
            .iter()
            .map(|served| {
                ApiVersion::default()
                    .with_api_key(served.api_key)
                    .with_min_version(legacy::first_version(served.api_key).unwrap_or(served.min))
                    .with_max_version(served.max)
            })
            .collect();
        let supported = FEATURES
            .iter()
            .map(|(name, level)| {
                SupportedFeatureKey::default()
                    .with_name(StrBytes::from_static_str(name))
                    .with_min_version(if call.version() < 4 { 1 } else { 0 })
                    .with_max_version(*level)
            })
            .collect();
        let finalized = FEATURES
            .iter()
            .map(|(name, level)| {
                FinalizedFeatureKey::default()
                    .with_name(StrBytes::from_static_str(name))
                    .with_min_version_level(*level)
                    .with_max_version_level(*level)
            })
            .collect();
        let answer = ApiVersionsResponse::default().with_error_code(NONE).with_api_keys(api_keys);
        if call.version() < 3 {
            answer
        } else {
            answer
                .with_supported_features(supported)
                .with_finalized_features_epoch(0)
                .with_finalized_features(finalized)
        }
    } else {
        ApiVersionsResponse::default().with_error_code(ResponseError::InvalidRequest.code())
    };
    Ok(Answer::Now(encode(&call.asked, call.version(), &answer)?))
}

/// Answers a version that is too new as KIP-511 says: version 0, with the versions of this API.
pub(crate) fn unsupported(asked: &Asked) -> Result<Bytes, FrameError> {
    let api_keys = SERVED
        .iter()
        .filter(|served| served.api_key == ApiKey::ApiVersions as i16)
        .map(|served| {
            ApiVersion::default()
                .with_api_key(served.api_key)
                .with_min_version(served.min)
                .with_max_version(served.max)
        })
        .collect();
    let answer = ApiVersionsResponse::default()
        .with_error_code(ResponseError::UnsupportedVersion.code())
        .with_api_keys(api_keys);
    encode(asked, 0, &answer)
}

/// KIP-511's rule for the name and the version of a client.
fn is_name(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_alphanumeric() || c == b'.' || c == b'-';
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() && bytes.iter().all(|c| inner(*c))
        }
        _ => false,
    }
}
