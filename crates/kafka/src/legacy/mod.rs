//! Versions that Kafka 4 gave up (KIP-896) and that clients like pykafka still speak: each is read into the request of
//! the first version that the decoders know, carried out by the same code, and answered in its own layout.
//!
//! Records travel as message sets (magic 0 and 1) here: `commitlog::batch_from_messages` makes batches of those that come,
//! [`fetch`] makes message sets of the batches that go.

mod fetch;
mod list_offsets;
mod offset_commit;
pub(crate) mod produce;
mod topics;
mod wire;

use bytes::{BufMut, Bytes};
use kafka_protocol::messages::ApiKey;

use crate::api;
use crate::dispatch::{Answer, Call};
use crate::frame::{self, Asked, FrameError};
use crate::newer::AnyOffsetCommit;
use wire::Writer;

/// API, first and last version of those served here.
pub(crate) const VERSIONS: &[(ApiKey, i16, i16)] = &[
    (ApiKey::Produce, 0, 2),
    (ApiKey::Fetch, 0, 3),
    (ApiKey::ListOffsets, 0, 0),
    (ApiKey::OffsetCommit, 0, 1),
    (ApiKey::OffsetFetch, 0, 0),
    (ApiKey::CreateTopics, 0, 1),
    (ApiKey::DeleteTopics, 0, 0),
];

/// Returns the first version of an API that is served here, if any is.
pub(crate) fn first_version(api_key: i16) -> Option<i16> {
    VERSIONS.iter().find(|(key, ..)| *key as i16 == api_key).map(|(_, first, _)| *first)
}

/// Returns whether a version is served here.
pub(crate) fn serves(api_key: i16, version: i16) -> bool {
    VERSIONS.iter().any(|(key, first, last)| *key as i16 == api_key && (*first..=*last).contains(&version))
}

/// Carries out a request whose version is served here.
pub(crate) async fn answer(call: Call, body: Bytes) -> Result<Answer, FrameError> {
    let asked = call.asked.clone();
    let version = asked.version;
    let malformed = || FrameError::Body { api_key: asked.api_key, version };
    let Ok(key) = ApiKey::try_from(asked.api_key) else { return Err(malformed()) };
    let write = match key {
        ApiKey::Produce => {
            let request = produce::decode(&body).ok_or_else(malformed)?;
            let asked = asked.clone();
            let encode = move |response: &_| finish(&asked, |out| produce::encode(out, version, response));
            return api::produce::answer_as(call, request, encode).await;
        }
        ApiKey::Fetch => {
            let request = fetch::decode(&body, version).ok_or_else(malformed)?;
            drop(body);
            let response = fetch::answer(&call, request).await;
            finish(&asked, |out| fetch::encode(out, version, &response))
        }
        ApiKey::ListOffsets => {
            let request = list_offsets::decode(&body).ok_or_else(malformed)?;
            let found = blocking(call, move |call| list_offsets::answer(call, request)).await?;
            finish(&asked, |out| list_offsets::encode(out, &found))
        }
        ApiKey::OffsetCommit => {
            let request = offset_commit::decode(&body, version).ok_or_else(malformed)?;
            let request = AnyOffsetCommit(request);
            let response = blocking(call, move |call| api::offset_commit::answer(call, request)).await?;
            finish(&asked, |out| offset_commit::encode(out, &response))
        }
        // On the wire it is version 1, which keeps offsets in the broker as we do for version 0.
        ApiKey::OffsetFetch => {
            let request = frame::decode(&Asked { version: 1, ..asked.clone() }, body)?;
            frame::encode(&asked, 1, &api::offset_fetch::answer(&call, request))
        }
        ApiKey::CreateTopics => {
            let request = topics::decode_create(&asked, body)?;
            let response = blocking(call, move |call| api::create_topics::answer(call, request)).await?;
            finish(&asked, |out| topics::encode_created(out, version, &response))
        }
        ApiKey::DeleteTopics => {
            let request = frame::decode(&Asked { version: 1, ..asked.clone() }, body)?;
            let response = blocking(call, move |call| api::delete_topics::answer(call, request)).await?;
            finish(&asked, |out| topics::encode_deleted(out, &response))
        }
        _ => Err(malformed()),
    };
    write.map(Answer::Now)
}

/// Returns whether a request can be decoded; for fuzzing.
pub(crate) fn check(asked: &Asked, body: Bytes) -> bool {
    let version = asked.version;
    match ApiKey::try_from(asked.api_key) {
        Ok(ApiKey::Produce) => produce::decode(&body).is_some_and(|request| {
            let parts = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
            let records = parts.filter_map(|part| part.records.as_deref());
            records.fold(true, |all, records| all & produce::as_batch(records).is_ok())
        }),
        Ok(ApiKey::Fetch) => fetch::decode(&body, version).is_some(),
        Ok(ApiKey::ListOffsets) => list_offsets::decode(&body).is_some(),
        Ok(ApiKey::OffsetCommit) => offset_commit::decode(&body, version).is_some(),
        Ok(ApiKey::CreateTopics) => topics::decode_create(asked, body).is_ok(),
        _ => false,
    }
}

/// Does what may wait for the disk where no socket waits for it.
async fn blocking<T: Send + 'static>(
    call: Call,
    work: impl FnOnce(&Call) -> T + Send + 'static,
) -> Result<T, FrameError> {
    let api_key = call.asked.api_key;
    tokio::task::spawn_blocking(move || work(&call)).await.map_err(|_| FrameError::Unexpected { api_key })
}

/// Writes an answer's frame: length, correlation id, what `body` writes.
fn finish(asked: &Asked, body: impl FnOnce(&mut Writer)) -> Result<Bytes, FrameError> {
    let mut out = Writer::default();
    out.bytes.put_i32(0);
    out.bytes.put_i32(asked.correlation_id);
    body(&mut out);
    let failed = |message: &str| FrameError::Answer {
        api_key: asked.api_key,
        version: asked.version,
        message: message.to_owned(),
    };
    if out.overflows {
        return Err(failed("a field is too long"));
    }
    let length = i32::try_from(out.bytes.len() - 4).map_err(|_| failed("it is too long"))?;
    out.bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(out.bytes.freeze())
}
