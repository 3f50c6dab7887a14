//! Versions that the codec's crate does not have yet: which version it reads and writes in their place, and by hand what
//! differs.
//!
//! - OffsetCommit and OffsetFetch 10 name topics by their ids; the answers can be written, the requests not be read.
//! - DescribeLogDirs 5 says of each directory whether it is closed for new topics.
//! - ListOffsets 11 has the fields of version 10.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{
    ApiKey, DescribeLogDirsResponse, GroupId, OffsetCommitRequest, OffsetFetchRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use uuid::Uuid;

use crate::answer_room::ANSWER_BYTES_MAX;

/// The first version of OffsetCommit and OffsetFetch with topic ids.
pub(crate) const TOPIC_IDS_FROM: i16 = 10;
/// The first version of DescribeLogDirs that tells of closed directories.
const CLOSED_DIRS_FROM: i16 = 5;

/// Returns the version whose fields a version has, where the crate does not know it.
fn known(api_key: i16, version: i16) -> i16 {
    let is = |key: ApiKey| api_key == key as i16;
    if is(ApiKey::ListOffsets) {
        version.min(10)
    } else if is(ApiKey::DescribeLogDirs) {
        version.min(4)
    } else {
        version
    }
}

/// A request that can be read from a body whose shape is right.
pub(crate) trait FromBody: Sized {
    fn read(api_key: i16, version: i16, body: &mut Bytes) -> Option<Self>;
}

impl<R: Decodable> FromBody for R {
    fn read(api_key: i16, version: i16, body: &mut Bytes) -> Option<R> {
        R::decode(body, known(api_key, version)).ok()
    }
}

/// An answer that can be written.
pub(crate) trait IntoBody {
    fn write(&self, api_key: i16, version: i16, out: &mut BytesMut) -> Result<(), String>;
}

impl<A: Encodable> IntoBody for A {
    fn write(&self, api_key: i16, version: i16, out: &mut BytesMut) -> Result<(), String> {
        let version = known(api_key, version);
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let len = self.compute_size(version).map_err(|error| told(&error))?;
        if len > ANSWER_BYTES_MAX {
            return Err(format!("it would have {len} bytes"));
        }
        out.reserve(len);
        self.encode(out, version).map_err(|error| told(&error))
    }
}

/// An OffsetCommit of any version.
pub(crate) struct AnyOffsetCommit(pub OffsetCommitRequest);

impl FromBody for AnyOffsetCommit {
    fn read(api_key: i16, version: i16, body: &mut Bytes) -> Option<AnyOffsetCommit> {
        if version < TOPIC_IDS_FROM {
            return OffsetCommitRequest::read(api_key, version, body).map(AnyOffsetCommit);
        }
        let group_id = GroupId(text(body)??);
        let generation = body.try_get_i32().ok()?;
        let member_id = text(body)??;
        let instance_id = text(body)?;
        let topics = list(body, |body| {
            let id = Uuid::from_u128(body.try_get_u128().ok()?);
            let partitions =
                list(body, |body| OffsetCommitRequestPartition::decode(body, version - 1).ok())??;
            skip_tags(body)?;
            Some(OffsetCommitRequestTopic::default().with_topic_id(id).with_partitions(partitions))
        })??;
        skip_tags(body)?;
        let request = OffsetCommitRequest::default()
            .with_group_id(group_id)
            .with_generation_id_or_member_epoch(generation)
            .with_member_id(member_id)
            .with_group_instance_id(instance_id)
            .with_topics(topics);
        Some(AnyOffsetCommit(request))
    }
}

/// An OffsetFetch of any version.
pub(crate) struct AnyOffsetFetch(pub OffsetFetchRequest);

impl FromBody for AnyOffsetFetch {
    fn read(api_key: i16, version: i16, body: &mut Bytes) -> Option<AnyOffsetFetch> {
        if version < TOPIC_IDS_FROM {
            return OffsetFetchRequest::read(api_key, version, body).map(AnyOffsetFetch);
        }
        let groups = list(body, |body| {
            let group_id = GroupId(text(body)??);
            let member_id = text(body)?;
            let member_epoch = body.try_get_i32().ok()?;
            let topics = list(body, |body| {
                let id = Uuid::from_u128(body.try_get_u128().ok()?);
                let indexes = list(body, |body| body.try_get_i32().ok())??;
                skip_tags(body)?;
                Some(OffsetFetchRequestTopics::default().with_topic_id(id).with_partition_indexes(indexes))
            })?;
            skip_tags(body)?;
            Some(
                OffsetFetchRequestGroup::default()
                    .with_group_id(group_id)
                    .with_member_id(member_id)
                    .with_member_epoch(member_epoch)
                    .with_topics(topics),
            )
        })??;
        let require_stable = body.try_get_u8().ok()? != 0;
        skip_tags(body)?;
        let request = OffsetFetchRequest::default().with_groups(groups).with_require_stable(require_stable);
        Some(AnyOffsetFetch(request))
    }
}

/// Reads a compact length or count; `None` inside is null. It was held against the bytes before.
#[allow(clippy::option_option)]
fn length(body: &mut Bytes) -> Option<Option<usize>> {
    Some((number(body)? as usize).checked_sub(1))
}

fn number(body: &mut Bytes) -> Option<u32> {
    let mut value = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let byte = body.try_get_u8().ok()?;
        value |= ((byte & 0x7f) as u32) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn bytes(body: &mut Bytes, len: usize) -> Option<Bytes> {
    (len <= body.len()).then(|| body.split_to(len))
}

#[allow(clippy::option_option)]
fn text(body: &mut Bytes) -> Option<Option<StrBytes>> {
    let Some(len) = length(body)? else { return Some(None) };
    Some(Some(StrBytes::from_utf8(bytes(body, len)?).ok()?))
}

#[allow(clippy::option_option)]
fn list<T>(body: &mut Bytes, mut item: impl FnMut(&mut Bytes) -> Option<T>) -> Option<Option<Vec<T>>> {
    let Some(count) = length(body)? else { return Some(None) };
    let items = (0..count).map(|_| item(body)).collect::<Option<Vec<T>>>()?;
    Some(Some(items))
}

fn skip_tags(body: &mut Bytes) -> Option<()> {
    for _ in 0..number(body)? {
        number(body)?;
        let len = number(body)?;
        bytes(body, len as usize)?;
    }
    Some(())
}

fn put_number(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// An answer to DescribeLogDirs of any version; no directory is ever closed.
pub(crate) struct AnyLogDirs(pub DescribeLogDirsResponse);

impl IntoBody for AnyLogDirs {
    fn write(&self, api_key: i16, version: i16, out: &mut BytesMut) -> Result<(), String> {
        const NO_TAGS: u8 = 0;
        if version < CLOSED_DIRS_FROM {
            return self.0.write(api_key, version, out);
        }
        out.put_i32(self.0.throttle_time_ms);
        out.put_i16(self.0.error_code);
        put_number(out, self.0.results.len() + 1);
        for dir in &self.0.results {
            out.put_i16(dir.error_code);
            put_number(out, dir.log_dir.len() + 1);
            out.put_slice(dir.log_dir.as_bytes());
            put_number(out, dir.topics.len() + 1);
            for topic in &dir.topics {
                topic.encode(out, known(api_key, version)).map_err(|error| error.to_string())?;
            }
            out.put_i64(dir.total_bytes);
            out.put_i64(dir.usable_bytes);
            out.put_u8(0);
            out.put_u8(NO_TAGS);
        }
        out.put_u8(NO_TAGS);
        Ok(())
    }
}
