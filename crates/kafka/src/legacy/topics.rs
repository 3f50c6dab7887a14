//! CreateTopics 0 and 1, DeleteTopics 0: version 2 (1) without some fields.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsResponse};

use super::wire::Writer;
use crate::frame::{self, Asked, FrameError};

pub(super) fn decode_create(asked: &Asked, body: Bytes) -> Result<CreateTopicsRequest, FrameError> {
    let body = if asked.version == 0 {
        // "Only check" stands at the end from version 1 on.
        let mut longer = BytesMut::with_capacity(body.len() + 1);
        longer.put_slice(&body);
        longer.put_u8(0);
        longer.freeze()
    } else {
        body
    };
    frame::decode(&Asked { version: 2, ..asked.clone() }, body)
}

pub(super) fn encode_created(out: &mut Writer, version: i16, response: &CreateTopicsResponse) {
    out.array(&response.topics, |out, topic| {
        out.text(&topic.name);
        out.i16(topic.error_code);
        if version >= 1 {
            out.nullable_text(topic.error_message.as_deref());
        }
    });
}

pub(super) fn encode_deleted(out: &mut Writer, response: &DeleteTopicsResponse) {
    out.array(&response.responses, |out, topic| {
        out.text(topic.name.as_ref().map_or("", |name| &**name));
        out.i16(topic.error_code);
    });
}
