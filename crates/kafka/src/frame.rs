//! Frames: a length, a request header, a body; and the answer's frame.
//!
//! ```text
//! request: length i32 · API key i16 · version i16 · correlation id i32 · client id · [tagged fields] · body
//! answer:  length i32 · correlation id i32 · [tagged fields] · body
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::config::str_bytes;
use crate::newer::{FromBody, IntoBody};
use crate::shape;

/// Bytes of a header before the client id.
const FIXED_HEADER_LEN: usize = 8;

/// A request is not one; its connection is closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("request header is malformed")]
    Header,
    #[error("request of API {api_key} version {version} is malformed")]
    Body { api_key: i16, version: i16 },
    #[error("answer to API {api_key} version {version} cannot be written: {message}")]
    Answer { api_key: i16, version: i16, message: String },
    #[error("request of API {api_key} is not expected now")]
    Unexpected { api_key: i16 },
}

/// Who asks what.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub api_key: i16,
    pub version: i16,
    pub correlation_id: i32,
    pub client_id: Option<StrBytes>,
}

/// Takes the header off a frame (without its length); what is left is the body.
///
/// For an API or a version that is not known only the fixed part is read.
pub(crate) fn take_header(frame: &mut Bytes) -> Result<Asked, FrameError> {
    if frame.len() < FIXED_HEADER_LEN {
        return Err(FrameError::Header);
    }
    let api_key = i16::from_be_bytes([frame[0], frame[1]]);
    let version = i16::from_be_bytes([frame[2], frame[3]]);
    let correlation_id = i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]);
    let mut asked = Asked { api_key, version, correlation_id, client_id: None };
    if let Ok(key) = ApiKey::try_from(api_key)
        && crate::dispatch::serves(api_key, version)
    {
        let header_version = key.request_header_version(version);
        if !shape::header_fits(header_version, &frame[FIXED_HEADER_LEN..]) {
            return Err(FrameError::Header);
        }
        let header = RequestHeader::decode(frame, header_version).map_err(|_| FrameError::Header)?;
        asked.client_id = header.client_id.as_ref().map(own);
    }
    Ok(asked)
}

/// Returns a text that does not keep the frame it came in.
pub(crate) fn own(text: &StrBytes) -> StrBytes {
    str_bytes(text)
}

/// Decodes a request's body.
pub(crate) fn decode<R: FromBody>(asked: &Asked, mut body: Bytes) -> Result<R, FrameError> {
    let malformed = || FrameError::Body { api_key: asked.api_key, version: asked.version };
    if !shape::fits(asked.api_key, asked.version, &body) {
        return Err(malformed());
    }
    R::read(asked.api_key, asked.version, &mut body).ok_or_else(malformed)
}

/// Encodes an answer with its length and header.
pub(crate) fn encode<A: IntoBody>(asked: &Asked, version: i16, answer: &A) -> Result<Bytes, FrameError> {
    let failed =
        |message: String| FrameError::Answer { api_key: asked.api_key, version: asked.version, message };
    let key = ApiKey::try_from(asked.api_key).map_err(|()| failed("unknown".to_owned()))?;
    let mut out = BytesMut::new();
    out.put_i32(0);
    ResponseHeader::default()
        .with_correlation_id(asked.correlation_id)
        .encode(&mut out, key.response_header_version(version))
        .map_err(|error| failed(error.to_string()))?;
    answer.write(asked.api_key, version, &mut out).map_err(failed)?;
    let length = i32::try_from(out.len() - 4).map_err(|_| failed("it is too long".to_owned()))?;
    out[..4].copy_from_slice(&length.to_be_bytes());
    Ok(out.freeze())
}

/// Reads a frame as the broker would, up to the decoded request; for fuzzing.
#[doc(hidden)]
pub fn check_request(frame: &[u8]) -> bool {
    let mut frame = Bytes::copy_from_slice(frame);
    match take_header(&mut frame) {
        Ok(asked) => crate::dispatch::check(&asked, frame),
        Err(_) => false,
    }
}
